"""Which cases a command line's inputs mean, and what they are called."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from dicom_writer import write_slice
from hypothesis import given
from hypothesis import strategies as st
from LiverTumorLib.batch.cases import distinct_names, find_cases
from LiverTumorLib.errors import UsageError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that makes empty files, and slices of a DICOM series, one for each folder, where the name asks for
    it."""

    def make(*names: str, **tags) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name.startswith("IM") or path.suffix == ".dcm":
                write_slice(
                    path,
                    np.zeros((2, 2)),
                    (0, 0, 0),
                    **({"SeriesInstanceUID": f"1.2.{sum(map(ord, path.parent.name))}"} | tags),
                )
            else:
                path.write_bytes(b"x")
        return tmp_path

    monkeypatch.chdir(tmp_path)
    return make


def found(*inputs: str, out: str = "out", **more) -> dict[str, str]:
    cases = find_cases(inputs, exclude=Path.cwd() / out, **more).cases
    return {case.name: os.path.relpath(case.path).replace(os.sep, "/") for case in cases}


def test_a_folder_is_searched_for_volumes_and_dicom_folders(tree):
    tree(
        "a/one.nii",
        "a/two.nii.gz",
        "a/deep/er/three.nrrd",
        "a/four.mha",
        "a/readme.txt",
        "a/.hidden.nii",
        "a/._two.nii.gz",
    )
    tree("a/scan/IM0001", "a/scan/IM0002", "a/scan/sub/IM0003", "a/out/five.nii", "a/DICOMDIR")
    expected = {
        "one": "a/one.nii",
        "two": "a/two.nii.gz",
        "four": "a/four.mha",
        "three": "a/deep/er/three.nrrd",
        "scan": "a/scan",
    }
    assert found("a", out="a/out") == expected


def test_dicom_cases_are_told_from_others(tree):
    tree("x/scan/slice.dcm", "x/ct.nii", "y/IM1")
    assert {case.name: case.is_dicom for case in find_cases(["x", "y/IM1"], exclude=Path("/none")).cases} == {
        "scan": True,
        "ct": False,
        "IM1": True,
    }


def test_a_series_in_several_folders_is_one_case(tree):
    tree("p/disk/one/IM1", "p/disk/two/IM2", SeriesInstanceUID="1.9")
    tree("q/three/IM1", SeriesInstanceUID="1.8")
    assert found("p", "q") == {"disk": "p/disk", "three": "q/three"}


def test_folders_of_one_slice_each_are_one_case_where_all_but_the_uid_agrees(tree):
    for number in range(4):
        tree(f"p/{number}/IM1", SeriesInstanceUID=f"1.2.{number}", StudyInstanceUID="1.2")
        tree(f"q/{number}/IM1", SeriesInstanceUID=f"1.3.{number}", StudyInstanceUID=f"1.{number}")
    assert found("p") == {"p": "p"} and len(found("q")) == 4


def test_a_copy_of_a_series_is_not_worked_on_again(tree):
    for number in range(3):
        tree(f"p/one/IM{number}", f"p/two/IM{number}", InstanceNumber=number + 1, SeriesInstanceUID="1.9")
    inputs = find_cases(["p"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["one"]
    [reason] = inputs.skipped
    assert "two: it is a copy of the series in" in reason and reason.endswith("one.")


def test_parts_of_a_series_with_others_between_are_named(tree):
    tree("p/one/IM1", "p/two/IM2", SeriesInstanceUID="1.9")
    tree("p/three/IM1", SeriesInstanceUID="1.8")
    inputs = find_cases(["p"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["three"]
    assert len(inputs.skipped) == 1 and "hold parts of one DICOM series" in inputs.skipped[0]


def test_folders_without_ct_slices_are_passed_over_unless_they_are_named(tree):
    tree("cd/SE0/IM1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    tree("cd/SE2/IM1", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Rows=None)
    tree("cd/SE1/IM1")
    inputs = find_cases(["cd"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["SE1"] and len(inputs.skipped) == 2
    assert found("cd/SE0") == {"SE0": "cd/SE0"}


def test_folders_without_ct_slices_do_not_hide_what_lies_below_them(tree):
    tree("cd/IM1", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Rows=None)
    tree("cd/patient/IM1", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Rows=None)
    tree("cd/patient/scan/IM1", "cd/patient/ct.nii")
    inputs = find_cases(["cd"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["ct", "scan"] and len(inputs.skipped) == 2


def test_one_series_uid_for_two_patients_or_studies_is_two_cases(tree):
    tree("p/one/IM1", PatientID="A", SeriesInstanceUID="1.9")
    tree("p/two/IM1", PatientID="B", SeriesInstanceUID="1.9")
    assert found("p") == {"one": "p/one", "two": "p/two"}
    tree("q/one/IM1", StudyInstanceUID="1.1", SeriesInstanceUID="1.9")
    tree("q/two/IM1", StudyInstanceUID="1.2", SeriesInstanceUID="1.9")
    assert found("q") == {"one": "q/one", "two": "q/two"}


def test_dicom_without_a_preamble_is_found_whatever_its_name(tree):
    tree("p/scan/IM1", "p/scan/IM2", "p/other/notes")
    for file in Path("p/scan").iterdir():
        content = file.read_bytes()
        file.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
        file.rename(file.with_name(file.name.replace("IM", "slice")))
    assert found("p") == {"scan": "p/scan"} and found("p/scan/slice*") == {"scan": "p/scan"}


def test_damaged_dicom_stops_no_search(tree):
    """A folder of nothing else is told; one that holds a part of a series belongs to it, damaged or not."""
    tree("p/damaged/IM1", "p/whole/IM1", "p/bad/IM1")
    Path("p/damaged/IM1").write_bytes(Path("p/damaged/IM1").read_bytes()[:300])
    content = Path("p/bad/IM1").read_bytes()
    at = content.index(b"\x28\0\x10\0US")  # Rows
    Path("p/bad/IM1").write_bytes(content[: at + 6] + b"\1\0\1" + content[at + 10 :])
    inputs = find_cases(["p"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["whole"]
    assert sorted(reason.split(":")[0].split(os.sep)[-1] for reason in inputs.skipped) == ["bad", "damaged"]
    assert all("its DICOM files are damaged (IM1 has a" in reason for reason in inputs.skipped)
    assert found("p/damaged") == {"damaged": "p/damaged"}, "reading it says what is wrong"
    tree("q/disk/one/IM1", SeriesInstanceUID="1.9")
    tree("q/disk/two/IM1", SeriesInstanceUID="1.9", ImagePositionPatient=None)
    assert found("q") == {"disk": "q/disk"}


def test_a_link_to_a_folder_is_said_to_be_passed_over(tree):
    tree("a/ct.nii", "b/other.nii")
    Path("a/link").symlink_to(Path("b").absolute())
    inputs = find_cases(["a"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["ct"] and "a link to a folder is not followed" in inputs.skipped[0]


def test_a_name_that_no_file_can_have_and_a_folder_that_may_not_be_entered_stay_cases(tree, monkeypatch):
    tree("ct.nii")
    assert len(find_cases(["ct.nii", "x" * 300 + ".nii"], exclude=Path("/none")).cases) == 2


def test_names_of_other_alphabets_and_of_old_archives_fit_a_file():
    names = distinct_names(
        [Path("/a/" + "肝" * 80 + ".nii"), Path(os.fsdecode(b"/a/M\xfcller.nii")), Path("/a/cases.csv.nii")]
    )
    assert all(len(name.encode()) <= 100 for name in names.values())
    assert [name for name in names.values()][1:] == ["M_ller", "_cases.csv"]


@pytest.mark.parametrize(
    "name",
    [
        "segmentation-0.nii.gz",
        "CT.seg.nrrd",
        "case.labels.nii.gz",
        "CT-label.nrrd",
        "my_seg.nii",
        "liver mask.nii",
        "Segmentation.nrrd",
        "phantom-truth.nii.gz",
        "case.liver-probability.nii.gz",
        "labelsTr/liver_1.nii.gz",
    ],
)
def test_masks_and_maps_are_skipped_with_a_reason(tree, name):
    tree(f"a/{name}", "a/volume-0.nii.gz")
    inputs = find_cases(["a"], exclude=Path("/none"))
    assert [case.name for case in inputs.cases] == ["volume-0"]
    assert len(inputs.skipped) == 1 and name.split("/")[-1] in inputs.skipped[0]


@pytest.mark.parametrize(
    "name", ["volume-segment.nii", "Massegno.nii", "unmasked.nii", "CT labeled.nrrd", "segno.nii", "truthful.nii"]
)
def test_names_that_only_resemble_masks_are_cases(tree, name):
    tree(f"a/{name}")
    assert list(found("a").values()) == [f"a/{name}"]


def test_masks_named_one_by_one_are_skipped_too_as_shells_expand_patterns(tree):
    tree("volume-1.nii", "segmentation-1.nii")
    assert found("segmentation-1.nii", "volume-1.nii") == {"volume-1": "volume-1.nii"}
    with pytest.raises(
        UsageError, match="no CT among the inputs. .*segmentation-1.nii: its name is that of a segmentation"
    ):
        find_cases(["segmentation-1.nii"], exclude=Path("/none"))


def test_patterns_are_expanded_here_too(tree):
    tree("a/1/ct.nii", "a/2/ct.nii", "a/3/other.nii", "a/4/deep/ct.nii", "odd[1].nii")
    assert set(found("a/*/ct.nii").values()) == {"a/1/ct.nii", "a/2/ct.nii"}
    assert set(found("a/**/ct.nii").values()) == {"a/1/ct.nii", "a/2/ct.nii", "a/4/deep/ct.nii"}
    assert found("odd[1].nii") == {"odd[1]": "odd[1].nii"}, "a file of that very name comes before the pattern"


def test_dicom_files_of_one_folder_are_one_case(tree):
    tree("scan/IM1", "scan/IM2", "scan/notes.txt")
    assert found("scan/IM*") == {"scan": "scan"}
    assert found("scan/IM2") == {"IM2": "scan/IM2"}


def test_an_input_given_twice_is_done_once(tree):
    tree("a/ct.nii")
    assert found("a/ct.nii", "./a/../a/ct.nii", "a", "a/*.nii") == {"ct": "a/ct.nii"}


def test_what_does_not_exist_or_holds_nothing_stays_a_case_for_the_reader_to_refuse(tree):
    tree("empty/readme.txt", "masks-only/segmentation-1.nii")
    assert found("missing.nii", "*.nrrd", "empty") == {"missing": "missing.nii", "_": "*.nrrd", "empty": "empty"}
    assert found("masks-only", "empty") == {"empty": "empty"}, "its files have their reasons already"


def test_a_series_is_looked_for_in_the_whole_folder(tree):
    tree("patient/1/IM1", "patient/2/IM1")
    assert found("patient") == {"1": "patient/1", "2": "patient/2"}
    assert found("patient", whole_folders=True) == {"patient": "patient"}


def test_same_names_get_their_folders_before_them(tree):
    tree("p1/ct.nii.gz", "p2/CT.nii.gz", "p3/pet.nii.gz")
    assert set(found("p1", "p2", "p3")) == {"p1_ct", "p2_CT", "pet"}
    tree("q/a/s/ct.nii", "q/b/s/ct.nii")
    assert set(found("q")) == {"a_s_ct", "b_s_ct"}
    tree("r/a.nii", "r/a.nrrd", "r/b.nii")
    assert set(found("r")) == {"a.nii", "a.nrrd", "b"}


def test_names_fit_every_file_system(tree):
    tree("aux.nii", "Ünï 肝.nii")
    names = found("aux.nii", "Ünï 肝.nii", "ques?tion:.nii")
    assert set(names) == {"_aux", "Ünï 肝", "ques_tion_"}


PARTS = st.text(st.sampled_from("abA.:_ é"), min_size=1, max_size=4).filter(lambda part: part not in (".", ".."))


@given(st.lists(st.lists(PARTS, min_size=1, max_size=4), min_size=1, max_size=8))
def test_names_are_always_distinct_and_harmless(chains):
    paths = list(dict.fromkeys(Path("/no/where", *chain) for chain in chains))
    names = distinct_names(paths)
    assert list(names) == paths
    assert len({name.lower() for name in names.values()}) == len(paths)
    assert all(
        name and name == os.path.basename(name) and not name.startswith(".") and not name.endswith((".", " "))
        for name in names.values()
    )
