"""The check of a data folder: each kind of fault is one row that says the file, what is wrong and what to do."""

import json

import numpy as np
import pytest
from CompressionTrainerLib.data.check import alike, check_case, check_folder, copies
from CompressionTrainerLib.data.layouts import find_cases
from CompressionTrainerLib.data.splits import LabeledCase
from labeled_data import MATRIX, make_ct, make_labels, save
from LiverTumorLib.errors import Cancelled

pytest.importorskip("nibabel")


def moved(mm: float) -> np.ndarray:
    matrix = MATRIX.copy()
    matrix[2, 3] += mm
    return matrix


FAULTS = {
    "other size": (
        make_ct(),
        make_labels()[:-1],
        MATRIX,
        "has 28 x 24 x 7 voxels and its CT 28 x 24 x 8",
        "resample it onto the CT",
    ),
    "moved": (
        make_ct(),
        make_labels(),
        moved(5),
        "by its header (another origin) it lies up to 5 mm away",
        "copy the CT's header to the mask",
    ),
    "unknown label": (
        make_ct(),
        make_labels() * 2,
        MATRIX,
        "has the label values 4",
        "use 0 background, 1 liver, 2 tumor",
    ),
    "no whole numbers": (
        make_ct(),
        make_labels() * np.float32(0.5),
        MATRIX,
        "its values are not whole numbers",
        "repair or remove",
    ),
    "negative labels": (
        make_ct(),
        -make_labels().astype(np.int16),
        MATRIX,
        "is not a label volume",
        "repair or remove",
    ),
    "empty": (make_ct(), np.zeros_like(make_labels()), MATRIX, "the mask is empty", "take the right mask"),
    "tumor only": (
        make_ct(),
        np.where(make_labels() == 2, 2, 0).astype(np.uint8),
        MATRIX,
        "no liver",
        "label the liver too",
    ),
    "not HU": (
        (make_ct() / 4000.0).astype(np.float32),
        make_labels(),
        MATRIX,
        "intensities were normalized",
        "Hounsfield",
    ),
    "mask as CT": (make_labels(), make_labels(), MATRIX, "as masks and label maps do", "choose the CT"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_row(tmp_path, fault):
    ct, mask, matrix, what, remedy = FAULTS[fault]
    case = LabeledCase("p", "p", save(tmp_path / "p.nii.gz", ct), save(tmp_path / "p_seg.nii.gz", mask, matrix))
    facts, (problem,) = check_case(case)
    assert facts is None and problem.blocking and problem.case == "p"
    assert what in problem.what and remedy in problem.remedy
    assert problem.file == (case.ct if fault in ("not HU", "mask as CT") else case.mask)
    row = problem.row()
    assert row["severity"] == "error" and not row["what to do"].endswith(".")
    assert str(problem).startswith("error  case p: ") and str(problem).endswith(".") and "\n" not in str(problem)


def test_what_was_repaired_while_a_ct_was_read_is_a_note(tmp_path):
    ct = make_ct().astype(np.float32)
    ct[0, 0, :3] = np.nan
    facts, notes = check_case(
        LabeledCase("p", "p", save(tmp_path / "p.nii.gz", ct), save(tmp_path / "p_seg.nii.gz", make_labels()))
    )
    assert facts is not None and not any(note.blocking for note in notes)
    [note] = [note for note in notes if "3 voxels without a finite value were set to air" in note.what]
    assert note.file.name == "p.nii.gz" and "export the CT again" in note.remedy


@pytest.mark.parametrize("name", ["p.nii.gz", "p_seg.nii.gz"])
@pytest.mark.parametrize("content", [b"", b"no NIfTI at all", None])
def test_an_unreadable_file_is_named(tmp_path, name, content):
    case = LabeledCase("p", "p", save(tmp_path / "p.nii.gz", make_ct()), save(tmp_path / "p_seg.nii.gz", make_labels()))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    facts, (problem,) = check_case(case)
    assert facts is None and problem.blocking and problem.file == path
    assert "copy or export it again" in problem.remedy


def test_headers_that_differ_by_rounding_fit(tmp_path):
    case = LabeledCase(
        "p", "p", save(tmp_path / "p.nii.gz", make_ct()), save(tmp_path / "p_seg.nii.gz", make_labels(), moved(0.02))
    )
    assert check_case(case)[1] == []


def test_facts_are_measured_on_the_full_mask(tmp_path):
    labels = make_labels(tumor=(2, 5), pixels=3)
    facts, problems = check_case(
        LabeledCase("p", "p", save(tmp_path / "p.nii.gz", make_ct()), save(tmp_path / "p_seg.nii.gz", labels))
    )
    assert problems == []
    assert facts.slice_mm == pytest.approx(5)
    assert facts.tumor_mm2 == pytest.approx([0, 0, 12, 0, 0, 12, 0, 0])
    assert facts.liver_mm2 == pytest.approx([0, *[120 * 4] * 6, 0])


def test_no_tumor_is_a_note_and_the_case_is_used(tmp_path):
    case = LabeledCase(
        "p", "p", save(tmp_path / "p.nii.gz", make_ct()), save(tmp_path / "p_seg.nii.gz", make_labels(tumor=()))
    )
    facts, (note,) = check_case(case)
    assert sum(facts.tumor_mm2) == 0 and not note.blocking and note.row()["severity"] == "note"


@pytest.fixture
def folder(tmp_path):
    """Four cases: c is a's CT in another format and order of axes, d has no tumor; b is its own."""
    pytest.importorskip("SimpleITK")
    from LiverTumorLib.files.itk import image_from, import_sitk

    data = tmp_path / "data"
    for name, seed, tumor in (("a", 0, (3,)), ("b", 1, (3,)), ("d", 2, ())):
        save(data / f"{name}.nii.gz", make_ct(seed))
        save(data / f"{name}_seg.nii.gz", make_labels(tumor))
    flipped = MATRIX.copy()
    flipped[:3, 1] *= -1
    flipped[1, 3] -= (make_ct().shape[1] - 1) * 2.0
    sitk = import_sitk()
    sitk.WriteImage(image_from(np.ascontiguousarray(make_ct(0)[:, ::-1]), flipped), str(data / "c.nrrd"))
    sitk.WriteImage(image_from(np.ascontiguousarray(make_labels((3,))[:, ::-1]), flipped), str(data / "c_seg.nrrd"))
    return data


def test_copies_are_found_by_content(folder, tmp_path):
    cases = find_cases(folder).cases
    facts, problems = check_folder(cases, tmp_path / "keep", lambda *_: None)
    assert alike(facts) == [("a", "c", 0.0)]
    problems += copies(cases, alike(facts))
    assert [(problem.case, problem.blocking) for problem in problems] == [("d", False), ("c", False)]
    assert problems[1].what == "its voxels are those of case a (a.nii.gz)" and "one patient" in problems[1].remedy
    assert facts["a"].ct_sha256 != facts["c"].ct_sha256


def test_a_stopped_check_goes_on_and_changed_files_are_checked_again(folder, tmp_path):
    cases, keep, seen = find_cases(folder).cases, tmp_path / "keep", []

    def stop(number, total, case):
        assert total == 4
        seen.append(case)
        if case == "c":
            raise KeyboardInterrupt

    with pytest.raises(Cancelled):
        check_folder(cases, keep, stop)
    assert seen == ["a", "b", "c"] and {"a.json", "b.json"} <= {path.name for path in keep.iterdir()}
    # A mark in what was kept shows that it is used again; damage and a changed file show that it is not.
    kept = json.loads((keep / "a.json").read_text())
    kept["facts"]["slice_mm"] = 77.0
    (keep / "a.json").write_text(json.dumps(kept))
    (keep / "b.json").write_text("{")
    facts, _ = check_folder(cases, keep, lambda *_: None)
    assert facts["a"].slice_mm == 77 and facts["b"].slice_mm == 5 and len(facts) == 4
    save(folder / "a_seg.nii.gz", make_labels((1, 2)))
    facts, _ = check_folder(cases, keep, lambda *_: None)
    assert facts["a"].slice_mm == 5 and np.flatnonzero(facts["a"].tumor_mm2).tolist() == [1, 2]


def save_phantom(folder, array, labels, matrix, mask_matrix=None) -> LabeledCase:
    mask_matrix = matrix if mask_matrix is None else mask_matrix
    return LabeledCase(
        "p", "p", save(folder / "p.nii.gz", array, matrix), save(folder / "p_seg.nii.gz", labels, mask_matrix)
    )


@pytest.fixture(scope="module")
def phantom():
    from LiverTumorLib.phantom import make_phantom

    volume, labels = make_phantom(seed=1, shape=(70, 128, 128), spacing_mm=(3.0, 3.0, 4.0))
    return volume.array, labels, volume.ijk_to_ras


@pytest.mark.parametrize(
    ("axes", "what", "remedy"),
    [
        ((), None, None),
        (
            (1, 2),
            "The liver lies on the patient's left and the spine in front",
            "correct the orientation in its header",
        ),
        ((2,), "The liver lies on the patient's left", "unless the patient's organs are mirrored"),
        ((0,), "The lungs lie below the liver", "correct the orientation in its header"),
    ],
)
@pytest.mark.parametrize("part", ["all", "lower part"])
def test_a_header_that_turns_the_patient_is_noted(tmp_path, phantom, axes, what, remedy, part):
    array, labels, matrix = phantom
    keep = slice(None) if part == "all" else slice(5, 45)
    case = save_phantom(tmp_path, np.flip(array[keep], axes), np.flip(labels[keep], axes), matrix)
    facts, notes = check_case(case)
    assert facts is not None and not any(note.blocking for note in notes)
    if what is None or (axes == (0,) and part != "all"):  # the lungs are cut off then
        assert notes == []
    else:
        [note] = notes
        assert note.file == case.ct and what in note.what and remedy in note.remedy


def test_an_identity_matrix_is_noted(tmp_path, phantom):
    array, labels, _ = phantom
    for folder, matrix in (("identity", np.eye(4)), ("LPS", np.diag([-1.0, -1, 1, 1]))):
        case = save_phantom(tmp_path / folder, array, labels, matrix)
        facts, notes = check_case(case)
        assert facts is not None and "voxels of exactly 1 mm and no place in the patient" in notes[0].what
        assert "put the true voxel size" in notes[0].remedy and not notes[0].blocking
    placed = np.diag([-1.0, -1, 1, 1])
    placed[:3, 3] = 120, 90, -300
    assert not [
        note
        for note in check_case(save_phantom(tmp_path / "placed", array, labels, placed))[1]
        if "no place" in note.what
    ]


def test_a_mask_on_other_organs_and_one_of_a_giant_are_noted(tmp_path, phantom):
    array, labels, matrix = phantom
    _, notes = check_case(save_phantom(tmp_path / "moved", array, np.roll(labels, (12, 20), (1, 2)), matrix))
    assert any(
        note.file.name == "p_seg.nii.gz" and "varies by" in note.what and "look at its outline" in note.remedy
        for note in notes
    )
    [note] = check_case(save_phantom(tmp_path / "giant", array, labels, matrix @ np.diag([2, 2, 2, 1])))[1]
    assert "where 400 to 5000 ml are usual" in note.what and not note.blocking


@pytest.mark.parametrize("differs", ["another voxel size", "another orientation and another origin", "another origin"])
def test_headers_that_differ_are_never_resampled_by(tmp_path, phantom, differs):
    array, labels, matrix = phantom
    other = matrix.copy()
    if differs == "another voxel size":
        other[:3, :3] *= 0.5
    elif differs == "another origin":
        other[:3, 3] = 0
    else:
        other[:2] *= -1
    facts, [problem] = check_case(save_phantom(tmp_path, array, labels, matrix, other))
    assert (
        facts is None
        and problem.blocking
        and "has as many voxels as its CT" in problem.what
        and f"({differs})" in problem.what
    )
    assert "copy the CT's header to the mask" in problem.remedy and "resampl" not in str(problem)
