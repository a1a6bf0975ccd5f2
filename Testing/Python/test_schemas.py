"""Manifests, splits, job files and configurations of anybody's: what is none of this version's is refused in one
sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from CompressionTrainerLib.data.layouts import find_cases
from CompressionTrainerLib.data.splits import load_split
from CompressionTrainerLib.training.config import load_config
from job_tools import ct
from LiverTumorLib.errors import InputError, ModelError, UsageError
from LiverTumorLib.jobs.events import parse_event
from LiverTumorLib.jobs.protocol import read_job, write_job
from LiverTumorLib.models.bundle import load_bundle
from LiverTumorLib.models.catalogue import SHIPPED, get_bundle
from LiverTumorLib.records.options import RunOptions

DEEP = "[" * 100_000


def changed(data: dict, keys: list, value) -> dict:
    data = json.loads(json.dumps(data))
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return data


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["id"], 7),
        (["id"], "a/b"),
        (["id"], "\x1b[2J"),
        (["title"], "x" * 100_000),
        (["input", "size"], [10**9, 10**9]),
        (["input", "size"], [128]),
        (["input", "size"], "ab"),
        (["input", "spacing_mm"], 1e-300),
        (["input", "spacing_mm"], "2"),
        (["input", "window_hu"], [0]),
        (["input", "liver_hu"], "100"),
        (["threshold"], True),
        (["threshold"], "0.5"),
        (["calibration", "slope"], None),
        (["files", "model.tflite", "sha256"], "abc"),
        (["files", "model.tflite", "bytes"], "many"),
        (["files"], []),
        (["labels"], [1]),
        (["training"], []),
        (["schema"], True),
    ],
)
def test_a_manifest_out_of_its_schema_is_refused(tmp_path, keys, value):
    manifest = json.loads((SHIPPED / "tumor-slice" / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    load_bundle(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(changed(manifest, keys, value)))
    with pytest.raises(ModelError, match="manifest.json is not a .*; install the model again"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("content", [DEEP, '{"schema": NaN}', "{}", "", "7", '{"schema": 1e999}'])
def test_a_manifest_that_is_no_json_of_ours_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ModelError, match="install the model again"):
        load_bundle(tmp_path)


def test_a_folder_of_a_models_name_here_does_not_take_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SHIPPED / "liver-roi", "liver-tumor")
    shutil.copytree(SHIPPED / "liver-roi", "mine")
    assert get_bundle("liver-tumor").folder == SHIPPED / "liver-tumor"
    assert get_bundle("./liver-tumor").id == "liver-roi" and get_bundle(Path("mine")).id == "liver-roi"
    with pytest.raises(
        ModelError, match=r"'mine' is not installed; .*The folder of that name here is meant by \./mine\."
    ):
        get_bundle("mine")


def test_a_model_of_another_size_is_refused_before_it_is_read(tmp_path):
    shutil.copytree(SHIPPED / "liver-roi", tmp_path / "liver-roi")
    with open(tmp_path / "liver-roi" / "model.tflite", "r+b") as file:
        file.truncate(1 << 34)  # sparse
    with pytest.raises(ModelError, match="model.tflite is damaged"):
        get_bundle(tmp_path / "liver-roi").verify()


SPLIT = {
    "patients": {"train": [[1, 2]], "val": [["a"]], "test": []},
    "files": {"ct": "volume-{case}.nii", "mask": "seg-{case}.nii"},
}


def test_a_split_by_pattern(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    split = load_split(tmp_path / "split.json", tmp_path)
    assert [case.ct.name for case in split.cases["train"]] == ["volume-1.nii", "volume-2.nii"] and split.cases["val"][
        0
    ].id == "a"


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["files", "ct"], "{case:>999999999}"),
        (["files", "ct"], "{case.__class__}"),
        (["files", "ct"], "{0}"),
        (["files", "ct"], "/etc/{case}"),
        (["files", "mask"], "../{case}"),
        (["files", "mask"], 7),
        (["patients"], [1]),
        (["patients", "train"], 7),
        (["patients", "train"], ["x" * 10_000]),
        (["slices"], {"test": {}}),
        (["cases"], {"1": "text", "2": "text", "a": "text"}),
        (["patients", "train"], [[None]]),
        (["patients", "train"], [[1, "a"]]),
        (["sha256"], {"a": 1}),
        (["name"], ["x"]),
        (["slices"], {"train": {"1": ["0"]}}),
        (["tumor_slices"], {"1": [0.5]}),
        (["kind"], "whatever"),
    ],
)
def test_a_split_out_of_its_schema_is_refused(tmp_path, keys, value):
    (tmp_path / "split.json").write_text(json.dumps(changed({**SPLIT, "slices": {}, "tumor_slices": {}}, keys, value)))
    with pytest.raises(InputError, match="split.json is not a split file this version can read"):
        load_split(tmp_path / "split.json", tmp_path)


@pytest.mark.parametrize("content", [DEEP, "[]", "", "\x00", '"text"'])
def test_what_is_no_split_is_refused(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(InputError, match="split.json is not a split file"):
        load_split(tmp_path / "split.json", tmp_path)


def test_a_data_description_with_a_name_that_no_file_can_have_is_refused(tmp_path):
    entry = {"image": "x" * 10_000, "label": "b.nii"}
    (tmp_path / "dataset.json").write_text(json.dumps({"training": [entry], "labels": {"1": "liver", "2": "tumor"}}))
    with pytest.raises(InputError, match="dataset.json is not a description"):
        find_cases(tmp_path)


@pytest.mark.parametrize("content", ["a = " + DEEP, "\x00", "a = 1\na = 2", "\udc80"])
def test_what_is_no_configuration_is_refused(tmp_path, content):
    (tmp_path / "config.toml").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="config.toml cannot be read"):
        load_config(tmp_path / "config.toml")


@pytest.mark.parametrize(
    "content",
    [DEEP, "[]", "7", "{}", '{"schema": 2}', '{"schema": 2, "source": {"arguments": [], "reader": "os:system"}}'],
)
def test_what_is_no_job_is_refused(tmp_path, content):
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(UsageError, match="job.json cannot be read"):
        read_job(tmp_path / "job.json")


@pytest.mark.parametrize(
    ("at", "byte"),
    [(40, 0x22), (60, 0x18), (52, 0), (12, 0x28), (6, 9), (0, 0)],
    ids=["quote", "control", "null", "bracket", "version", "magic"],
)
def test_voxels_with_a_damaged_header_are_refused(tmp_path, at, byte):
    """Found by fuzzing: numpy lets Python's tokenizer look at such headers, which raises errors of its own."""
    path = write_job(tmp_path, "segment", ct(), RunOptions())
    content = bytearray((tmp_path / "volume.npy").read_bytes())
    content[at] = byte
    (tmp_path / "volume.npy").write_bytes(content)
    with pytest.raises(UsageError, match="job.json cannot be read"):
        read_job(path)


@pytest.mark.parametrize(
    "line",
    [
        DEEP,
        "[]",
        "7",
        '{"event": 7}',
        '{"event": "progress"}',
        '{"event": "result", "folder": 7}',
        '{"event": "error", "kind": "OSError"}',
        '{"event": "file"}',
    ],
)
def test_a_line_that_is_no_event_is_passed_over(line):
    assert parse_event(line.encode()) is None
