"""Files that earlier versions wrote, with the keys they spelled the British way, are still read."""

import json

import pytest
from CompressionTrainerLib.data.splits import load_split
from CompressionTrainerLib.training.config import load_config
from CompressionTrainerLib.training.record import read_record
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.renamed import RENAMED, with_new_keys

OLD = {new: old for old, new in RENAMED.items()}
MANIFEST = Manifest("a", "1.0", "A", "slice", InputSpec((32, 32), 4.0, neighbor_mm=3.5), 0.5, {}, "mine alone")


def with_old_keys(content):
    """The content as an earlier version wrote it."""
    if isinstance(content, dict):
        return {OLD.get(key, key): with_old_keys(value) for key, value in content.items()}
    return [with_old_keys(item) for item in content] if isinstance(content, list) else content


@pytest.mark.parametrize("written", [MANIFEST.to_dict(), with_old_keys(MANIFEST.to_dict())], ids=["new", "old"])
def test_a_manifest(written):
    assert Manifest.from_dict(json.loads(json.dumps(written))) == MANIFEST


def test_a_manifest_with_both_spellings_is_refused():
    with pytest.raises(ValueError, match="unknown field 'licence'"):
        Manifest.from_dict(MANIFEST.to_dict() | {"licence": "another"})


@pytest.mark.parametrize("key", ["weights_license", "weights_licence"])
def test_a_split(tmp_path, key):
    content = {
        "name": "x",
        "patients": {},
        "files": {"ct": "{case}", "mask": "{case}"},
        "sha256": {},
        key: "mine alone",
    }
    (tmp_path / "split.json").write_text(json.dumps(content))
    assert load_split(tmp_path / "split.json", tmp_path).weights_license == "mine alone"


@pytest.mark.parametrize("key", ["neighbor_mm", "neighbour_mm"])
def test_a_configuration(tmp_path, key):
    sampling = "[sampling]\nslices = 64\ntumor_share = 0.5\nbackground_share = 0.1\n"
    shown = f"[input]\nsize = [64, 64]\nspacing_mm = 2.0\n{key} = 3.5\n"
    (tmp_path / "a.toml").write_text(f'name = "a"\ntask = "slice"\n{sampling}{shown}')
    assert load_config(tmp_path / "a.toml").input.neighbor_mm == 3.5


def test_the_record_of_a_run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"config": {"input": {"neighbour_mm": 3.5}}}))
    assert read_record(tmp_path) == {"config": {"input": {"neighbor_mm": 3.5}}}


def test_nothing_else_is_renamed():
    content = {"a": ["licence", {"licence.txt": 1}], "neighbours": 2}
    assert with_new_keys(content) == content


def test_what_is_nested_too_deeply_is_refused():
    content = []
    for _ in range(100_000):
        content = [content]
    with pytest.raises(ValueError, match="nested too deeply"):
        with_new_keys(content)
