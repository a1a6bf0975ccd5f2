"""The usual layouts of labeled CT are found, read and told apart; what does not fit is a row of the table."""

import json
import shutil

import numpy as np
import pytest
from CompressionTrainerLib.data.labeled import read_case
from CompressionTrainerLib.data.layouts import find_cases
from dicom_writer import write_series, write_slice
from labeled_data import MATRIX, make_ct, make_labels, make_lits, save
from LiverTumorLib.errors import InputError

pytest.importorskip("nibabel")

CT, LABELS = make_ct(), make_labels()


def ids(found) -> list[str]:
    return [case.id for case in found.cases]


def write_patient(folder, step=(0, 0, 2.5), liver=LABELS > 0, tumors=(LABELS == 2,)):
    """A 3D-IRCADb patient: masks are DICOM series of 0 and 255, tumors in folders of their own."""
    write_series(folder / "PATIENT_DICOM", CT, step=step)
    masks = {"liver": liver, "bone": CT > 200} | {f"livertumor{n:02}": mask for n, mask in enumerate(tumors, 1)}
    for name, mask in masks.items():
        write_series(folder / "MASKS_DICOM" / name, np.where(mask, 255, 0) - 1024, step=step, Modality="OT")


def test_lits_in_several_folders(tmp_path):
    make_lits(tmp_path / "batch 1", [(3,)] * 11)
    for kind in ("volume", "segmentation"):
        (tmp_path / "batch 2").mkdir(exist_ok=True)
        (tmp_path / "batch 1" / f"{kind}-10.nii.gz").rename(tmp_path / "batch 2" / f"{kind}-12.nii.gz")
    (tmp_path / "batch 1" / "segmentation-4.nii.gz").unlink()
    (tmp_path / "batch 1" / "volume-5.nii.gz").unlink()
    shutil.copy(tmp_path / "batch 1" / "volume-6.nii.gz", tmp_path / "batch 2")
    save(tmp_path / "test-volume-1.nii.gz", CT)  # LiTS' test scans have no masks
    found = find_cases(tmp_path)
    assert found.layout == "LiTS" and ids(found) == ["0", "1", "2", "3", "7", "8", "9", "12"]
    assert [(problem.case, problem.file.name, problem.what) for problem in found.problems] == [
        ("4", "volume-4.nii.gz", "the mask is missing"),
        ("5", "segmentation-5.nii.gz", "the CT is missing"),
        ("6", "volume-6.nii.gz", "case 6 has another file of that kind"),
    ]
    assert all(problem.blocking for problem in found.problems)


def msd(folder, labels=None):
    for case in ("liver_1", "liver_2"):
        save(folder / "imagesTr" / f"{case}.nii.gz", CT)
        save(folder / "labelsTr" / f"{case}.nii.gz", LABELS)
    save(folder / "imagesTs" / "liver_3.nii.gz", CT)
    (folder / "imagesTr" / "._liver_1.nii.gz").write_bytes(b"left by macOS")
    content = {
        "labels": labels or {"0": "background", "1": "liver", "2": "cancer"},
        "training": [
            {"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"}
            for case in ("liver_1", "liver_2")
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def test_msd(tmp_path):
    found = find_cases(msd(tmp_path))
    assert found.layout == "MSD" and ids(found) == ["liver_1", "liver_2"] and found.problems == []
    assert found.cases[0].mask == tmp_path / "labelsTr" / "liver_1.nii.gz"
    (tmp_path / "labelsTr" / "liver_2.nii.gz").unlink()
    assert [problem.what for problem in find_cases(tmp_path).problems] == ["the mask is missing"]
    (tmp_path / "dataset.json").unlink()  # the folders are enough
    assert ids(find_cases(tmp_path)) == ["liver_1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a description of an MSD data set"),
        ("[]", "is not a description of an MSD data set"),
        ('{"labels": {"0": "background", "1": "Vessel", "2": "Tumor"}, "training": []}', "here 1 must be the liver"),
        ('{"labels": {"0": "background", "1": "liver"}, "training": []}', "2 its tumor"),
    ],
)
def test_a_wrong_msd_description_is_told(tmp_path, content, words):
    msd(tmp_path)
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=words):
        find_cases(tmp_path)


@pytest.mark.parametrize("step", [(0, 0, 2.5), (0, 0, -2.5)])
def test_ircadb_masks_become_one_label_volume(tmp_path, step):
    pytest.importorskip("pydicom")
    first, second = (np.where(np.arange(8)[:, None, None] == k, LABELS, 0) == 2 for k in (3, 4))
    write_patient(tmp_path / "3Dircadb1.2", step, tumors=(first, second))
    write_patient(tmp_path / "3Dircadb1.10", step, tumors=())
    found = find_cases(tmp_path)
    assert found.layout == "3D-IRCADb" and ids(found) == ["3Dircadb1.2", "3Dircadb1.10"] and found.problems == []
    labeled = read_case(found.cases[0])
    expected = LABELS if step[2] > 0 else LABELS[::-1]
    assert np.array_equal(labeled.labels, expected) and labeled.labels.dtype == np.uint8
    assert np.array_equal(labeled.volume.array, CT if step[2] > 0 else CT[::-1])
    assert labeled.areas_mm2(labeled.labels == 2).max() == pytest.approx(6 * 0.8 * 0.7)
    assert set(np.unique(read_case(found.cases[1]).labels)) == {0, 1}


def test_ircadb_that_is_not_unpacked_or_incomplete(tmp_path):
    pytest.importorskip("pydicom")
    write_patient(tmp_path / "a")
    write_patient(tmp_path / "b")
    write_patient(tmp_path / "c")
    shutil.rmtree(tmp_path / "a" / "MASKS_DICOM")
    (tmp_path / "a" / "MASKS_DICOM.zip").write_bytes(b"PK")
    shutil.rmtree(tmp_path / "b" / "MASKS_DICOM" / "liver")
    next((tmp_path / "c" / "MASKS_DICOM" / "liver").iterdir()).write_bytes(b"no DICOM")
    found = find_cases(tmp_path)
    (problem,) = found.problems
    assert (
        problem.case == "a"
        and problem.file.name == "MASKS_DICOM"
        and problem.remedy == "unpack the .zip of that name there"
    )
    with pytest.raises(InputError, match="holds no folder 'liver'"):
        read_case(found.cases[0])
    with pytest.raises(InputError, match="is not a DICOM mask with a position"):
        read_case(found.cases[1])


def test_a_damaged_or_incomplete_ircadb_scan_is_told(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    for patient in ("cut", "placeless", "bare"):
        write_patient(tmp_path / patient)
        files = sorted(
            (tmp_path / patient / "PATIENT_DICOM").iterdir(),
            key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2],
        )
        for file in files[-2:]:
            content = file.read_bytes()
            if patient == "cut":
                file.write_bytes(content[:300])
            elif patient == "bare":
                file.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
            else:
                dataset = pydicom.dcmread(file)
                del dataset.ImagePositionPatient
                dataset.save_as(file)
    cases = {case.id: case for case in find_cases(tmp_path).cases}
    assert np.array_equal(read_case(cases["bare"]).volume.array, CT)
    with pytest.raises(InputError, match="2 of 8 images of DICOM series .* damaged or incomplete"):
        read_case(cases["cut"])
    with pytest.raises(
        InputError, match="voxels and its CT .* When the CT was read: 2 of 8 images .* without position"
    ):
        read_case(cases["placeless"])


def test_drifting_ircadb_masks_stay_on_their_scan(tmp_path):
    pytest.importorskip("pydicom")
    ct, labels = (np.repeat(array, 3, axis=0) for array in (CT, LABELS))
    heights = np.concatenate([[0], np.cumsum([2.5] * 12 + [2.27] * 11)])
    for folder, planes, tags in (
        ("PATIENT_DICOM", ct, {}),
        ("MASKS_DICOM/liver", np.where(labels > 0, 255, 0) - 1024, {"Modality": "OT"}),
    ):
        (tmp_path / "p" / folder).mkdir(parents=True)
        for k, plane in enumerate(planes):
            write_slice(
                tmp_path / "p" / folder / f"{k}.dcm", plane, (0, 0, heights[k]), SeriesInstanceUID="1.2.3", **tags
            )
    labeled = read_case(find_cases(tmp_path).cases[0])
    nearest = [int(np.abs(heights - height).argmin()) for height in np.linspace(0, heights[-1], 24)]
    assert nearest != list(range(24)) and np.array_equal(labeled.labels > 0, labels[nearest] > 0)


@pytest.mark.parametrize(
    ("ct", "mask", "name"),
    [
        ("images/p1.nii.gz", "masks/p1.nii.gz", "p1"),
        ("images/p1.nii.gz", "labels/p1_seg.nii.gz", "p1"),
        ("site/imagesTr/p1_0000.nii.gz", "site/labelsTr/p1.nii.gz", "p1"),
        ("p1.nii.gz", "p1_seg.nii.gz", "p1"),
        ("p1.nii.gz", "p1-mask.nii.gz", "p1"),
        ("deep/er/p1.nii.gz", "deep/er/p1-label.nii", "p1"),
        ("p1/ct.nii.gz", "p1/ct_segmentation.nii.gz", "ct"),
    ],
)
def test_pairs(tmp_path, ct, mask, name):
    save(tmp_path / ct, CT)
    save(tmp_path / mask, LABELS)
    found = find_cases(tmp_path)
    assert found.layout == "pairs" and found.problems == []
    assert [(case.id, case.ct, case.mask) for case in found.cases] == [(name, tmp_path / ct, tmp_path / mask)]


def test_pairs_of_several_sites_get_distinct_names_and_orphans_are_told(tmp_path):
    for site in ("a", "b"):
        save(tmp_path / site / "images" / "1.nii.gz", CT)
        save(tmp_path / site / "masks" / "1.nii.gz", LABELS)
    save(tmp_path / "a" / "images" / "2.nii.gz", CT)
    save(tmp_path / "b" / "masks" / "3.nii.gz", LABELS)
    found = find_cases(tmp_path)
    assert ids(found) == ["a_1", "b_1"]
    assert [(problem.case, problem.what) for problem in found.problems] == [
        ("2", "the mask is missing"),
        ("3", "the CT is missing"),
    ]


def test_a_folder_without_cases_says_what_is_looked_for(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_cases(tmp_path / "nowhere")
    save(tmp_path / "scan.nii.gz", CT)
    with pytest.raises(InputError, match=r"holds no labeled CT; it should hold volume-N .* X with X_seg"):
        find_cases(tmp_path)


def test_a_mask_stored_in_another_order_of_axes_comes_in_the_cts(tmp_path):
    flipped = MATRIX.copy()
    flipped[:3, 0] *= -1
    flipped[0, 3] -= (LABELS.shape[2] - 1) * 2.0
    save(tmp_path / "p.nii.gz", CT)
    save(tmp_path / "p_seg.nii.gz", LABELS[:, :, ::-1], flipped)
    (case,) = find_cases(tmp_path).cases
    assert np.array_equal(read_case(case).labels, LABELS)


def test_a_tilted_scan_keeps_its_labels_whole(tmp_path):
    """Beyond 20 degrees a scan is resampled; labels must not be interpolated with it."""
    angle = np.radians(30)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    save(tmp_path / "p.nii.gz", CT, turn @ MATRIX)
    save(tmp_path / "p_seg.nii.gz", LABELS, turn @ MATRIX)
    labeled = read_case(find_cases(tmp_path).cases[0])
    assert labeled.labels.shape == labeled.volume.shape != CT.shape
    assert set(np.unique(labeled.labels)) == {0, 1, 2}
    before = np.count_nonzero(LABELS) * abs(np.linalg.det(MATRIX[:3, :3])) / 1000
    assert np.count_nonzero(labeled.labels) * labeled.volume.voxel_ml == pytest.approx(before, rel=0.1)
