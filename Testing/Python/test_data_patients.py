"""What a data folder says of its cases beside CT and masks: who is one person, where tumor is unknown, where there is
no liver."""

import csv
import gzip
import json
import shutil

import numpy as np
import pytest
from CompressionTrainerLib.data.check import CaseFacts
from CompressionTrainerLib.data.layouts import find_cases
from CompressionTrainerLib.data.partition import SplitOptions, divide
from CompressionTrainerLib.data.splits import SUBSETS, load_split
from labeled_data import make_ct, make_labels, make_lits, save
from LiverTumorLib.cli import main
from LiverTumorLib.errors import InputError, SomeCasesFailed
from LiverTumorLib.files import write_label_nifti
from LiverTumorLib.phantom import make_phantom

pytest.importorskip("nibabel")
pytest.importorskip("sklearn")


@pytest.fixture
def folder(tmp_path):
    """Eight LiTS cases, two whose tumor is unknown, and parts of two scans, and of an unknown one, without liver."""
    data = make_lits(tmp_path / "data", [(3, 4)] * 8)
    for case in (13, 14):
        save(data / "liver-only" / f"volume-{case}.nii.gz", make_ct(case))
        save(data / "liver-only" / f"segmentation-{case}.nii.gz", make_labels(()))
    for n, case in enumerate(("2-below", "2-above", "5-below", "25-below")):
        save(data / "no-liver" / f"volume-{case}.nii.gz", make_ct(20 + n))
    return data


def prepare(*arguments) -> int:
    return main(["prepare", *map(str, arguments)])


def sentence(capsys) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("livertumor: ")]
    return line


def tell(data, *lines: str) -> None:
    (data / "patients.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_all_kinds_of_cases_are_prepared_as_one_data_set(folder, tmp_path, capsys):
    tell(folder, "case,patient", "0,anna", "1,anna", "5,ben", "6,ben")
    assert prepare(folder, "--out", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "Cases whose tumor is unknown: 2; they train and test the liver network only." in shown
    assert "Nothing is wrong with the data." in shown
    split = load_split(tmp_path / "out/split.json", folder)
    split.verify([case for subset in SUBSETS for case in split.cases[subset]])
    cases = {case.id: (case, subset) for subset in SUBSETS for case in split.cases[subset]}
    assert {case.holds for case, _ in cases.values()} == {"tumor", "liver", "none"} and len(cases) == 14
    assert {case for case in cases if cases[case][0].holds == "none"} == {"2-below", "2-above", "5-below", "25-below"}
    assert cases["13"][0].mask.name == "segmentation-13.nii.gz" and cases["25-below"][0].mask is None
    for person in (("0", "1"), ("2", "2-below", "2-above"), ("5", "6", "5-below")):
        assert len({(cases[case][1], cases[case][0].patient) for case in person}) == 1, person
    with open(tmp_path / "out/counts.csv", newline="", encoding="utf-8") as file:
        counts = list(csv.DictReader(file))
    assert sum(int(row["cases with unknown tumor"]) for row in counts) == 2
    assert sum(int(row["cases without liver"]) for row in counts) == 4
    assert (
        all(len(signature["voxels"]) == 64 for signature in split.signatures.values()) and len(split.signatures) == 14
    )
    tell(folder, "case,patient", "0,anna", "1,anna")
    assert prepare(folder, "--out", tmp_path / "out") != 0 and "of other data or options" in sentence(capsys)


def test_a_single_case_is_told_in_the_file_as_in_the_folders(tmp_path, capsys):
    data = make_lits(tmp_path / "data", [(3,)] * 6)
    (data / "segmentation-4.nii.gz").unlink()
    (data / "patients.csv").write_bytes("﻿Case;Patient;Holds\r\n3;;Liver\r\n4;x;none\r\n;;\r\n5;x;\r\n".encode())
    cases = {case.id: (case.holds, case.patient) for case in find_cases(data).cases}
    assert cases == {str(n): ("tumor", str(n)) for n in range(3)} | {
        "3": ("liver", "3"),
        "4": ("none", "x"),
        "5": ("tumor", "x"),
    }
    assert prepare(data, "--out", tmp_path / "out") == 0
    assert "some tumor (2) is labeled, which is not looked at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["case,patient", "77,anna"], "patients.csv: '77' is not a case; did you mean '7'?"),
        (["case,patient,holds", "1,anna,spleen"], "line 2: case 1 holds 'spleen'; write tumor, liver"),
        (["case,patient", "1,anna", "1,ben"], "line 3: case 1 has another line already"),
        (["case,patient", ",anna"], "line 2: it names no case"),
        (["case,patient", "1,anna,ben"], "line 2: it names no case, or has more columns"),
        (["scan,person", "1,anna"], "has the columns scan, person; it needs case and patient"),
        ([""], "has the columns none; it needs case and patient"),
    ],
)
def test_a_wrong_file_gets_a_sentence_before_anything_is_read(folder, tmp_path, capsys, lines, words):
    tell(folder, *lines)
    assert prepare(folder, "--out", tmp_path / "out") == InputError.exit_code
    told = sentence(capsys)
    assert words in told and str(folder / "patients.csv") in told
    assert not (tmp_path / "out").exists()


def test_what_contradicts_is_a_row_of_the_table(folder, tmp_path, capsys):
    tell(folder, "case,patient,holds", "1,,none", "25-below,,liver")
    save(folder / "no-liver" / "segmentation-9-below.nii.gz", make_labels())
    assert prepare(folder, "--out", tmp_path / "out") == SomeCasesFailed.exit_code
    shown = capsys.readouterr().out
    assert "case 1: " in shown and "patients.csv says that it holds none, and it has a mask" in shown
    assert "patients.csv says that it holds liver, and it has no mask" in shown
    assert "case 9-below: " in shown and "scans without liver have none" in shown


def test_folders_without_labels_are_named(tmp_path, capsys):
    data = tmp_path / "data"
    for case in range(3):
        save(data / f"volume-{case}.nii.gz", make_ct(case))
    assert prepare(data, "--out", tmp_path / "out") == InputError.exit_code
    assert f"{data} holds 3 CT and not one mask; put the masks beside them" in sentence(capsys)
    shutil.rmtree(data)
    make_lits(data, [(3,)] * 3)
    for name, words in (
        ("no-liver", "holds no CT; put the scans without liver there"),
        ("Liver Only", "holds no CT with a mask"),
    ):
        (data / name).mkdir()
        assert prepare(data, "--out", tmp_path / "out") == InputError.exit_code
        assert words in sentence(capsys)
        (data / name).rmdir()


def test_cases_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for place in ("", "liver-only", "no-liver"):
        save(tmp_path / place / "p1.nii.gz", make_ct(len(place)))
        if place != "no-liver":
            save(tmp_path / place / "p1_seg.nii.gz", make_labels(()))
    found = find_cases(tmp_path)
    assert [(case.id, case.holds) for case in found.cases] == [
        ("liver-only_p1", "liver"),
        ("no-liver_p1", "none"),
        ("p1", "tumor"),
    ]
    assert found.problems == []


def test_a_split_that_parts_a_patient_of_the_file_is_refused(folder, tmp_path):
    split = {
        "patients": {"train": [["0"], ["2"]], "val": [["1"]]},
        "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
    }
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    load_split(tmp_path / "split.json", folder)
    tell(folder, "case,patient", "0,anna", "1,anna", "7,anna")
    with pytest.raises(
        InputError, match=r"split.json: case 0 is in 'train' and case 1 in 'val', and .*patients.csv says that both are"
    ):
        load_split(tmp_path / "split.json", folder)


def test_patients_whose_tumor_is_unknown_are_spread_and_count_for_no_tumor():
    facts = {}
    for n in range(40):
        tumor = [0.0] * 10 if n % 5 == 0 else [0.0] * 6 + [50.0 * n] * 4
        facts[f"p{n}"] = CaseFacts(
            {}, "a", "b", 5.0, [5000.0] * 10, [0.0] * 10 if n < 20 else tumor, "liver" if n < 20 else "tumor"
        )
    patients = [[case] for case in facts]
    (division,) = divide(facts, patients, SplitOptions())
    unknown = {
        subset: sum(facts[case].holds == "liver" for case in cases) for subset, cases in division.subsets.items()
    }
    assert unknown == {"train": 14, "val": 3, "test": 3}
    assert not any(facts[case].holds == "liver" for case in division.tumor)
    for options in (SplitOptions("slice"), SplitOptions(selection="balanced")):
        (division,) = divide(facts, patients, options)
        assert not any(facts[case].holds == "liver" for cases in division.subsets.values() for case in cases)
    (division,) = divide(
        {case: each for case, each in facts.items() if each.holds == "liver"}, patients[:20], SplitOptions()
    )
    assert division.tumor == {} and sum(map(len, division.subsets.values())) == 20, "they can train the liver network"
    folds = divide(facts, patients, SplitOptions(folds=4))
    tested = [case for division in folds for case in division.subsets["test"]]
    assert sorted(tested) == sorted(facts) and {
        sum(facts[case].holds == "liver" for case in fold.subsets["test"]) for fold in folds
    } == {5}


@pytest.fixture
def phantoms(tmp_path):
    """Four phantoms as LiTS cases; case 3 is case 1 unpacked, cut, clipped and with every second slice."""
    data = tmp_path / "phantoms"
    data.mkdir()
    for case in (0, 1, 2):
        volume, truth = make_phantom(seed=case + 1, shape=(48, 96, 96))
        save(data / f"volume-{case}.nii.gz", volume.array, volume.ijk_to_ras)
        write_label_nifti(data / f"segmentation-{case}.nii.gz", truth, volume.ijk_to_ras)
        if case == 1:
            matrix = volume.ijk_to_ras @ np.diag([1, 1, 2, 1])
            save(data / "volume-3.nii", volume.array[:40:2].clip(-40, 160), matrix)
            write_label_nifti(data / "segmentation-3.nii.gz", truth[:40:2], matrix)
    return data


def test_near_copies_and_scans_that_models_know_are_told(phantoms, tmp_path, capsys, monkeypatch):
    from CompressionTrainerLib.data.signature import sign_file
    from LiverTumorLib.models.catalogue import SHIPPED

    known = shutil.copytree(SHIPPED / "liver-roi", tmp_path / "models/mine")
    manifest = json.loads((known / "manifest.json").read_text(encoding="utf-8")) | {"id": "mine"}
    plain = tmp_path / "2.nii"
    plain.write_bytes(gzip.decompress((phantoms / "volume-2.nii.gz").read_bytes()))
    manifest["training"] |= {"train_ct_sha256": ["another file"], "train_signatures": {"p": sign_file(plain).to_dict()}}
    (known / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    assert prepare(phantoms, "--out", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert (
        "note   case 3: " in shown
        and "it shows the scan of case 1, stored in another form; both count as one patient" in shown
    )
    assert (
        "note   case 2: " in shown
        and "the models mine were trained on this scan" in shown
        and shown.count("trained on") == 2
    )
    split = load_split(tmp_path / "out/split.json", phantoms)
    patients = {case.id: case.patient for subset in SUBSETS for case in split.cases[subset]}
    assert patients["1"] == patients["3"] and len(set(patients.values())) == 3
