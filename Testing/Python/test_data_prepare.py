"""`livertumor prepare` as a user calls it: the table, the files, continuing, and what is refused."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from CompressionTrainerLib.data.splits import SUBSETS, load_split
from labeled_data import make_ct, make_labels, make_lits, save
from LiverTumorLib.cli import main
from LiverTumorLib.errors import InputError, OutputError, SomeCasesFailed, UsageError

pytest.importorskip("nibabel")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Twelve sound cases; case 6 is a copy of case 5's CT, case 11 has no tumor."""
    folder = make_lits(tmp_path_factory.mktemp("prepare") / "lits", [(3, 4)] * 11 + [()])
    shutil.copy(folder / "volume-5.nii.gz", folder / "volume-6.nii.gz")
    return folder


@pytest.fixture
def bad(good, tmp_path):
    """The same with two cases that cannot be used."""
    folder = shutil.copytree(good, tmp_path / "bad")
    save(folder / "segmentation-1.nii.gz", make_labels() * 3)
    (folder / "segmentation-2.nii.gz").unlink()
    return folder


def prepare(*arguments) -> int:
    return main(["prepare", *map(str, arguments)])


def rows(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_checked_and_split(good, tmp_path, capsys):
    assert prepare(good, "--out", tmp_path, "--same-patient", 0, 1) == 0
    shown = capsys.readouterr()
    assert [row["case"] for row in rows(tmp_path / "check.csv")] == ["11", "6"]
    assert "note   case 11: " in shown.out and "Frozen in" in shown.out
    split = load_split(tmp_path / "split.json", good)
    split.verify([case for subset in SUBSETS for case in split.cases[subset]])
    together = {case.id: (subset, case.patient) for subset in SUBSETS for case in split.cases[subset]}
    assert len(together) == 12 and together["5"] == together["6"] and together["0"] == together["1"]
    counts = rows(tmp_path / "counts.csv")
    assert [row["part"] for row in counts] == list(SUBSETS)
    assert sum(int(row["patients"]) for row in counts) == 10 and sum(int(row["cases"]) for row in counts) == 12
    assert (
        sum(int(row["slices"]) for row in counts) == 96 and sum(int(row["slices with tumor"]) for row in counts) == 22
    )
    content = json.loads((tmp_path / "split.json").read_text())
    assert content["counts"]["test"] == {
        key: int(value) for key, value in counts[2].items() if key not in ("split", "part")
    }
    assert str(good.parent) not in (tmp_path / "split.json").read_text(), "a split file can be given away"


def test_progress_is_told_to_a_program_that_listens(good, tmp_path):
    command = [sys.executable, "-m", "LiverTumorLib.cli", "prepare", str(good), "--out", str(tmp_path), "--events"]
    listening, told = os.pipe()  # a stdin that stays open: closing it would stop the command
    try:
        environment = {"PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(command, capture_output=True, stdin=listening, text=True, env=environment, timeout=600)
    finally:
        os.close(listening), os.close(told)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and "Frozen in" in done.stderr
    progress = [event for event in events if event["event"] == "progress"]
    assert [event["fraction"] for event in progress] == pytest.approx(np.arange(13) / 12)
    assert progress[-2]["message"] == "LiTS, case 11 (12 of 12)"
    assert events[-1] == {"event": "result", "folder": str(tmp_path)}


def test_the_same_again_is_done_already_and_another_is_refused(good, tmp_path, capsys):
    assert prepare(good, "--out", tmp_path) == 0
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*")}
    assert prepare(good, "--out", tmp_path) == 0
    assert "Already done" in capsys.readouterr().out
    assert prepare(good, "--out", tmp_path, "--seed", 2) == OutputError.exit_code
    assert "split.json is of other data or options; choose another --out, or --overwrite." in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*")} == before
    assert prepare(good, "--out", tmp_path, "--folds", 2, "--overwrite") == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["fold-1.json", "fold-2.json", "prepare.json"]
    assert prepare(good, "--out", tmp_path, "--split", "slice", "--slices", "liver", "--overwrite") == 0
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["prepare.json", "split.json"]
    assert "say nothing about new patients" in capsys.readouterr().out
    assert load_split(tmp_path / "split.json", good).kind == "slice"


def test_foreign_tables_are_not_replaced(good, tmp_path, capsys):
    (tmp_path / "check.csv").write_text("mine")
    assert prepare(good, "--out", tmp_path) == OutputError.exit_code
    assert (tmp_path / "check.csv").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_bad_cases_stop_it_with_a_table_and_can_be_mended_or_left_out(bad, tmp_path, capsys):
    out = tmp_path / "out"
    assert prepare(bad, "--out", out) == SomeCasesFailed.exit_code
    shown = capsys.readouterr()
    assert "2 of 12 cases cannot be used" in shown.err and shown.err.count("livertumor:") == 1
    first, second, *_ = rows(out / "check.csv")
    assert (first["severity"], first["case"], first["what is wrong"]) == ("error", "2", "the mask is missing")
    assert (second["severity"], second["case"]) == ("error", "1") and "has the label values 3, 6" in second[
        "what is wrong"
    ]
    assert not list(out.glob("split.json"))
    assert prepare(bad, "--out", out, "--skip-bad") == 0
    split = load_split(out / "split.json", bad)
    assert {case.id for subset in SUBSETS for case in split.cases[subset]} == set("03456789") | {"10", "11"}
    shutil.rmtree(out)
    assert prepare(bad, "--out", out) == SomeCasesFailed.exit_code
    save(bad / "segmentation-1.nii.gz", make_labels())
    save(bad / "segmentation-2.nii.gz", make_labels())
    assert prepare(bad, "--out", out) == 0
    assert {row["severity"] for row in rows(out / "check.csv")} == {"note"}


def test_cases_kept_for_a_last_test_are_left_out(good, tmp_path):
    assert prepare(good, "--out", tmp_path, "--leave-out", 3, 4) == 0
    split = load_split(tmp_path / "split.json", good)
    assert {case.id for subset in SUBSETS for case in split.cases[subset]} == set("01256789") | {"10", "11"}
    assert "volume-3" not in (tmp_path / "split.json").read_text()


def test_a_case_without_its_mask_can_be_left_out(good, tmp_path):
    folder = shutil.copytree(good, tmp_path / "data")
    (folder / "segmentation-3.nii.gz").unlink()
    assert prepare(folder, "--out", tmp_path / "all") == SomeCasesFailed.exit_code
    assert prepare(folder, "--out", tmp_path / "others", "--leave-out", 3) == 0
    assert "volume-3" not in (tmp_path / "others/split.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--same-patient", "0", "77"], UsageError, "--same-patient: '77' is not a case; did you mean '7'?"),
        (
            ["--leave-out", "x"],
            UsageError,
            "--leave-out: 'x' is not a case; there are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.",
        ),
        (["--folds", "1"], UsageError, "1 folds are too few"),
        (["--folds", "12"], InputError, "11 patients cannot be divided like this; at least 12 are needed."),
        (["--min-tumor-mm2", "1e6"], InputError, "would hold only slices without tumor"),
        (["--seed", "-1"], UsageError, "must not be negative"),
    ],
)
def test_wrong_calls_get_a_sentence(good, tmp_path, capsys, arguments, error, words):
    assert prepare(good, "--out", tmp_path, *arguments) == error.exit_code
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("livertumor: ")]
    assert words in sentence
    assert not list(tmp_path.glob("split.json")) and not list(tmp_path.glob("fold-*"))


def test_data_and_output_that_cannot_be_used(good, tmp_path, capsys):
    assert prepare(tmp_path / "nowhere", "--out", tmp_path / "out") == InputError.exit_code
    assert "is not a folder" in capsys.readouterr().err and not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    assert prepare(good, "--out", tmp_path / "file") == OutputError.exit_code
    assert "cannot be written" in capsys.readouterr().err


def test_pairs_in_several_formats_are_prepared(tmp_path):
    pytest.importorskip("SimpleITK")
    from LiverTumorLib.files.itk import image_from, import_sitk

    for n in range(3):
        save(tmp_path / "data" / "images" / f"p{n}.nii.gz", make_ct(n))
        save(tmp_path / "data" / "masks" / f"p{n}.nii.gz", make_labels())
    for folder, array in (("images", make_ct(3)), ("masks", make_labels())):
        import_sitk().WriteImage(
            image_from(array, np.diag([-2.0, -2.0, 5.0, 1.0])), str(tmp_path / "data" / folder / "p3.nrrd")
        )
    assert prepare(tmp_path / "data", "--out", tmp_path / "out") == 0
    content = json.loads((tmp_path / "out" / "split.json").read_text())
    assert content["cases"]["p3"] == {"ct": "images/p3.nrrd", "mask": "masks/p3.nrrd"} and len(content["sha256"]) == 8


def test_a_missing_scikit_learn_is_named(good, tmp_path):
    code = "import sys; sys.modules['sklearn'] = None; from LiverTumorLib.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "prepare", str(good), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 6 and "pip install scikit-learn" in done.stderr and "Traceback" not in done.stderr


def test_the_command_loads_nothing_heavy():
    heavy = {"tensorflow", "tf_keras", "nibabel", "sklearn", "SimpleITK", "pydicom", "scipy"}
    modules = ", ".join(f"CompressionTrainerLib.data.{name}" for name in ("check", "layouts", "partition", "labeled"))
    modules += ", CompressionTrainerLib.stages.prepare"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"
