"""A little of Testing/Fuzz in every test run: always the same inputs, so that what fails here fails again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from LiverTumorLib.batch.display import visible
from LiverTumorLib.errors import LiverTumorError
from LiverTumorLib.files.tables import write_table
from LiverTumorLib.jobs import JobState
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.records.options import RunOptions
from LiverTumorLib.records.results import CaseResult

FUZZ = Path(__file__).parents[1] / "Fuzz"
FIXED = settings(derandomize=True, max_examples=50, deadline=None, database=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the harness bounds its children as Linux does")


def test_a_few_inputs_of_each_kind(tmp_path):
    command = [
        sys.executable,
        str(FUZZ / "fuzz.py"),
        "--inputs",
        "12",
        "--seconds",
        "120",
        "--findings",
        str(tmp_path / "findings"),
    ]
    for package in ("nibabel", "pydicom", "SimpleITK"):
        pytest.importorskip(package)
    done = subprocess.run([*command, *KINDS], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and f"{12 * len(KINDS)} inputs, 0 findings" in done.stdout, done.stdout + done.stderr


KINDS = [
    "nifti",
    "nifti-gz",
    "nrrd",
    "metaimage",
    "dicom-header",
    "dicom-bare",
    "dicom-jpeg",
    "mask-nifti-gz",
    "manifest",
    "model",
    "job",
    "job-voxels",
    "events",
    "split",
    "summary",
]


def test_the_harness_tells_of_crashes_hangs_and_silent_changes(tmp_path):
    """Of three targets that are wrong on purpose."""
    code = f"""
import os, sys
sys.path.insert(0, {str(FUZZ)!r})
import fuzz, target, targets
def make(folder):
    (folder / "a").write_bytes(bytes(8))
    return folder / "a"
def take(path):
    if path.read_bytes() != bytes(8):
        if sys.argv[-1] == "crash":
            os.abort()
        while sys.argv[-1] == "hang":
            pass
        raise target.Changed("a")
for name in ("crash", "hang", "changed"):
    targets.TARGETS[name] = target.Target(name, make, take)
fuzz.HANG_S = 0.5
fuzz.__file__ = __file__
if __name__ == "__main__":
    sys.exit(fuzz.main())
"""
    (tmp_path / "wrong.py").write_text(code)
    for name, told in (("crash", "crash (SIGABRT)"), ("hang", "hang of more than"), ("changed", "Changed: 'a'")):
        words = [
            sys.executable,
            str(tmp_path / "wrong.py"),
            "--inputs",
            "2",
            "--findings",
            str(tmp_path / "findings"),
            name,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        assert done.returncode == 1 and told in done.stdout, done.stdout + done.stderr
    assert {path.name.partition("-")[0] for path in (tmp_path / "findings").iterdir()} == {"crash", "hang", "changed"}


def test_the_same_number_gives_the_same_input(monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ))
    from mutate import mutate_bytes, mutate_json

    for mutate, content in ((mutate_bytes, bytes(1000)), (mutate_json, json.dumps({"a": [1, {"b": 2.5}]}).encode())):
        assert mutate(content, Random("7")) == mutate(content, Random("7"))
        assert any(mutate(content, Random(str(seed))) != content for seed in range(5))


@FIXED
@given(st.dictionaries(st.sampled_from(list(RunOptions().to_dict())) | st.text(max_size=5), JSON, max_size=4))
def test_options_are_right_or_refused(data):
    try:
        json.dumps(RunOptions.from_dict(data).to_dict())
    except LiverTumorError as error:
        assert str(error)


@FIXED
@given(JSON)
def test_manifests_and_results_are_right_or_refused(data):
    for kind in (Manifest, CaseResult):
        with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
            kind.from_dict(data)


@FIXED
@given(
    st.lists(
        JSON | st.dictionaries(st.sampled_from(["event", "stage", "fraction", "folder", "kind", "path"]), JSON),
        max_size=3,
    ),
    st.binary(),
)
def test_a_workers_lines_are_events_or_nothing(events, rest):
    state = JobState()
    state.feed(b"".join(json.dumps(event).encode() + b"\n" for event in events) + rest)
    assert state.error is None or str(state.error) is not None


@FIXED
@given(st.text(max_size=30))
def test_no_text_is_a_formula_or_an_order_to_a_terminal(tmp_path_factory, text):
    assert not any(ord(letter) < 32 and letter not in "\n\t" or 127 <= ord(letter) < 160 for letter in visible(text))
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_table(path, [{"a": text.encode("utf-8", "replace").decode()}])
    cell = path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[1].lstrip('"')
    assert not cell.startswith(("=", "@", "\t", "\r")) and not (cell[:1] in "+-" and cell[1:2].isalpha())
