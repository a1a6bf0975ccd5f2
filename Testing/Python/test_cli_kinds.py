"""Each kind of fault in each format that can have it, at the bottom, the middle and the top of a scan, by each command.

A fault is refused or noted in words of its own, or changes nothing; never is there another result without a word.
Commands are called in this process, and so is the reading that they leave to a child: test_isolation tests the child.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from faulty_scans import CT, FAULTS, FORMATS, MATRIX, PLACES, TRUTH, flip_bit, write
from LiverTumorLib import cli
from LiverTumorLib.ct import to_axial
from LiverTumorLib.errors import InputError
from LiverTumorLib.jobs.source import find, read_source
from LiverTumorLib.pipelines.doubt import liver_notes
from LiverTumorLib.pipelines.segmentation import segment_case
from LiverTumorLib.records.options import CaseOutput, no_progress
from LiverTumorLib.records.results import CaseResult, CaseSummary, SliceRecord

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")
pytestmark = pytest.mark.filterwarnings("ignore")  # of pydicom, which writes what is wrong here, too

COMMANDS = ("segment", "classify", "prepare", "evaluate")


def start_here(
    task: str, source, options, *, on_event=None, entry: str | None = None, environment=None, writer=None
) -> SimpleNamespace:
    """What a child would do, in this process, without networks: the liver is the phantom's."""
    volume = read_source(source, lambda path: None)
    if entry:
        return over(find(entry)(volume, options, no_progress))
    liver = (TRUTH > 0).astype(np.uint8) if volume.shape == TRUTH.shape else (volume.array > 100).astype(np.uint8)
    if task == "segment":
        output = segment_case(volume, replace(options, tumor=False, slices=False), liver=liver)
    else:
        view = to_axial(volume)
        notes = [*liver_notes(view.bring(liver), view.volume), *volume.notes]
        output = CaseOutput(
            CaseResult(volume.name, CaseSummary(notes=notes), slices=[SliceRecord(0, 0.0, "liver", 0.5)])
        )
    output.volume = volume
    if writer:
        find(writer.entry)(output, **writer.arguments)
    return over(output)


def over(output: CaseOutput) -> SimpleNamespace:
    """A job that is over."""
    return SimpleNamespace(
        wait=lambda: output, output=lambda: output, poll=lambda: True, ends_within=lambda seconds: True
    )


@pytest.fixture
def here(monkeypatch, tmp_path):
    from CompressionTrainerLib.data import labeled
    from LiverTumorLib.batch import runner

    for module in (runner, labeled):
        monkeypatch.setattr(module, "start_job", start_here)
    return tmp_path


def told(command: str, path: Path, mask: Path, out: Path, capsys) -> tuple[bool, str]:
    """Whether a command gave a result, and its sentence or its notes."""
    if command == "prepare":
        from CompressionTrainerLib.data.check import check_case
        from CompressionTrainerLib.data.splits import LabeledCase

        facts, problems = check_case(LabeledCase("a", "a", path, mask))
        return facts is not None, "\n".join(map(str, problems))
    if command == "evaluate":
        words = ["--pair", str(path), str(mask), "--true-liver", "--no-slices", "--no-tumor", "--out", str(out)]
        code = cli.main(["evaluate", *words])
        if code == 0:
            return True, "\n".join(json.loads((out / "evaluation.json").read_text())["cases"][0]["notes"])
    else:
        code = cli.main(
            [command, str(path), "--out", str(out), "--no-picture", *(["--nifti"] if command == "segment" else [])]
        )
        if code == 0:
            (summary,) = out.glob("*/summary.json")
            return True, "\n".join(json.loads(summary.read_text())["case"]["summary"]["notes"])
    error = capsys.readouterr().err
    assert "unexpected" not in error and code == 3, error
    return False, error.splitlines()[-1]


@pytest.fixture(scope="module")
def mask(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("mask") / "mask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(TRUTH.T, MATRIX), path)
    return path


CASES = [(name, place) for name, fault in FAULTS.items() for place in fault.places]


@pytest.mark.parametrize(("name", "place"), CASES, ids=[f"{name}-{place}" for name, place in CASES])
def test_a_fault_is_told_by_every_command_or_changes_nothing(here, mask, capsys, name, place):
    fault = FAULTS[name]
    (here / "in").mkdir()
    path = fault.make(here / "in", PLACES[place])
    if name.startswith("G"):  # the mask has the same wrong header
        mask = here / "mask.nii.gz"
        nibabel.save(nibabel.Nifti1Image(TRUTH.T, nibabel.load(path).affine), mask)
    for command in COMMANDS:
        has_result, words = told(command, path, mask, here / command, capsys)
        if fault.words is None:
            assert (has_result, words) == (True, ""), command
        else:
            assert re.search(fault.words, words), f"{command}: {words}"
    for file in (here / "segment").rglob("*.nrrd"):
        assert sitk.ReadImage(str(file)).GetSize()[:2] == (64, 64)
    for file in (here / "segment").rglob("*.labels.nii.gz"):
        sitk.ReadImage(str(file))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sound_scan_is_told_nothing_of(here, mask, capsys, kind):
    (here / "in").mkdir()
    path = write(here / "in", kind)
    for command in COMMANDS:
        assert told(command, path, mask, here / command, capsys) == (True, ""), command


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["nifti", "nrrd", "meta"])
@pytest.mark.parametrize("command", ["prepare", "evaluate", "training"])
def test_one_bit_of_a_compressed_mask_is_told(here, capsys, kind, part, command):
    (here / "masks").mkdir()
    write(here / "masks", kind, TRUTH)
    mask = here / "masks" / FORMATS[kind]
    flip_bit(mask, part)
    ct = write(here, "nifti")
    if command == "training":
        from CompressionTrainerLib.data.slices import cached_slices
        from CompressionTrainerLib.data.splits import LabeledCase
        from LiverTumorLib.ct.canvas import InputSpec

        with pytest.raises(InputError, match=f"{FORMATS[kind]} is damaged"):
            cached_slices(LabeledCase("a", "a", ct, mask), InputSpec((32, 32), 6.0), here / "cache")
    else:
        has_result, words = told(command, ct, mask, here / "out", capsys)
        assert not has_result and f"{FORMATS[kind]}" in words and "damaged" in words, words


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "meta", "dicom"])
def test_a_result_that_cannot_be_is_doubted(here, capsys, kind):
    """Kind J: a mask of all that is not air, as a network that has gone wrong would find it."""
    everything = (CT > -500).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(everything.T, MATRIX), here / "mask.nii.gz")
    (here / "in").mkdir()
    path = write(here / "in", kind)
    for command in ("prepare", "evaluate"):
        assert re.search(
            "The liver has [0-9]{5} ml|varies by|cut at",
            told(command, path, here / "mask.nii.gz", here / command, capsys)[1],
        )
