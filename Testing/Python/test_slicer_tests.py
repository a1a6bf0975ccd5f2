"""The tests that ctest runs in Slicer, run here in the application's stand-in, and LiverTumorBatch.py as Slicer's
--python-script runs it."""

import csv
import importlib
import runpy
import sys
import unittest
from pathlib import Path

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.files.itk import image_from, import_sitk
from LiverTumorLib.files.labels import write_segmentation
from mrml_scene import GRIDS, make_ct, make_labels
from panel_tools import use_task
from slicer_standin import application

FOLDER = Path(__file__).parents[1] / "Slicer"
SCRIPT = Path(__file__).parents[2] / "LiverSegmentationMobileUNet" / "Resources" / "LiverTumorBatch.py"
MODULES = ("LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer")
# These need Slicer's volumes logic and its subject hierarchy plugins, which slicer-core lacks.
ONLY_IN_SLICER = {"test_editedSegmentIsReadBack", "test_segmentationIsInTheStudyOfTheCT"}


@pytest.mark.parametrize(
    "name, window",
    [
        ("LiverTumorSceneTest", True),
        ("LiverTumorPanelsTest", True),
        ("LiverTumorPanelsTest", False),
        ("LiverTumorBatchTest", False),
    ],
)
def test_slicers_tests_pass(monkeypatch, name, window):
    monkeypatch.syspath_prepend(str(FOLDER))
    with application.running(window):
        for module in MODULES:
            application.load_module(module)  # it counts as entered only where the module selector has opened it
        case = getattr(importlib.import_module(name), name)
        tests = set(unittest.TestLoader().getTestCaseNames(case)) - ONLY_IN_SLICER
        result = unittest.TestResult()
        unittest.TestSuite(map(case, sorted(tests))).run(result)
    assert not result.errors + result.failures, result.errors + result.failures
    assert result.testsRun == len(tests) > 1


@pytest.fixture
def run_batch(monkeypatch, tmp_path):
    """The script with Slicer's arguments, after Slicer was started with --no-main-window; returns the exit code."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    use_task(monkeypatch, "classify", "mrml_tasks:classify")

    def run(*arguments) -> int:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--", *map(str, arguments)])
        with application.running(window=False):
            assert slicer.app.layoutManager() is None
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(str(SCRIPT), run_name="__main__")
        return ended.value.code

    return run


def write_ct(path: Path) -> Path:
    ct = make_ct(GRIDS["oblique"])
    import_sitk().WriteImage(image_from(ct.array, ct.ijk_to_ras), str(path))
    return path


def rows(folder: Path) -> list[dict]:
    with open(folder / "cases.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_files_one_of_them_damaged(run_batch, tmp_path, capsys):
    scans, out = tmp_path / "in", tmp_path / "out"
    scans.mkdir()
    write_ct(scans / "a.nrrd")
    (scans / "b.nrrd").write_text("no image")
    assert run_batch(scans, out) == 8
    said = capsys.readouterr()
    assert "b.nrrd" in said.err and "1 of 2 cases have no result" in said.err
    assert "100 %" in said.out or "%  a: " in said.out
    assert {row["status"] for row in rows(out)} == {"done", "failed"}
    assert (out / "a" / "a.seg.nrrd").is_file()
    write_ct(scans / "b.nrrd")
    assert run_batch(scans, out) == 0
    assert {row["status"] for row in rows(out)} == {"done"}
    assert f"Done: {out / 'cases.csv'}" in capsys.readouterr().out


def test_slices_only(run_batch, tmp_path):
    assert run_batch(write_ct(tmp_path / "a.nrrd"), tmp_path / "out", "--task", "classify") == 0
    assert (tmp_path / "out" / "a" / "slices.csv").is_file()
    assert not (tmp_path / "out" / "a" / "a.seg.nrrd").exists()


@pytest.mark.parametrize(
    "arguments, code, sentence",
    [
        ([], 2, "required: IN, OUT"),
        (["ct.nrrd", "out", "--task", "guess"], 2, "invalid choice: 'guess'"),
        (["away.nrrd", "out"], 3, "away.nrrd"),
        (["labels.seg.nrrd", "out"], 2, "labels.seg.nrrd: its name is that of a segmentation"),
    ],
)
def test_bad_input_gets_a_sentence_and_an_exit_code(
    run_batch, tmp_path, monkeypatch, capsys, arguments, code, sentence
):
    monkeypatch.chdir(tmp_path)
    write_segmentation(tmp_path / "labels.seg.nrrd", make_labels(make_ct()), GRIDS["axial"])
    assert run_batch(*arguments) == code
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not (tmp_path / "out" / "away").exists()


def test_packages_that_cannot_be_installed(run_batch, tmp_path, monkeypatch, capsys):
    import slicer.packaging

    ct = write_ct(tmp_path / "a.nrrd")
    assert run_batch(ct, tmp_path / "out", "--install") == 0  # all there
    monkeypatch.setattr(slicer.packaging, "pip_check", lambda requirements: False)
    assert run_batch(ct, tmp_path / "other", "--install") == 6
    assert (
        "ai-edge-litert" in (said := capsys.readouterr().err) and "could not be installed into Slicer's Python" in said
    )


def test_without_the_extension(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "LiverSegmentationMobileUNet", None)  # as if it were not on the path
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--", str(tmp_path), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 6
    assert "extension is not installed in this Slicer" in capsys.readouterr().err
