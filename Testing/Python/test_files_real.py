"""Real CT: NIfTI and DICOM agree in place with their masks, and no real CT is refused."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import check_ct, read_ct, read_labels

DATA = Path(os.environ.get("LIVERTUMOR_TEST_DATA", ""))
pytestmark = pytest.mark.skipif(
    "LIVERTUMOR_TEST_DATA" not in os.environ, reason="LIVERTUMOR_TEST_DATA names no folder of real CT"
)


@pytest.mark.parametrize(
    ("ct", "mask", "low", "high"),
    [
        ("real-ct/totalsegmentator-3mm/ct.nii.gz", "real-ct/totalsegmentator-3mm/liver.nii.gz", 0, 90),
        ("real-ct/totalsegmentator-dicom20/dicom", "real-ct/totalsegmentator-dicom20/liver.nii.gz", 60, 130),
        ("lits17-subset/volume-0.nii.gz", "lits17-subset/segmentation-0.nii.gz", 30, 150),
        ("lits17-subset/volume-46.nii.gz", "lits17-subset/segmentation-46.nii.gz", 30, 150),
    ],
)
def test_ct_and_its_mask_lie_at_the_same_place(ct, mask, low, high):
    volume = read_ct(DATA / ct)
    labels, matrix = read_labels(DATA / mask)
    assert volume.array.dtype == np.int16 and volume.notes == ()
    assert labels.shape == volume.shape and np.allclose(matrix, volume.ijk_to_ras, atol=1e-3)
    assert low < np.median(volume.array[labels > 0]) < high
    axial = to_axial(volume).volume
    liver = to_axial(volume.with_array(labels)).volume.array > 0
    # The liver is on the patient's right, which comes first.
    assert np.argwhere(liver)[:, 2].mean() < liver.shape[2] / 2
    assert (np.diff([axial.ras(np.array([0, 0, k]))[2] for k in range(axial.shape[0])]) > 0).all()


def test_compressed_real_dicom_gives_the_values_of_another_decoder():
    folder = DATA / "real-ct/totalsegmentator-dicom20/dicom"
    volume = read_ct(folder)
    files = sorted(
        folder.iterdir(), key=lambda file: pydicom.dcmread(file, stop_before_pixels=True).ImagePositionPatient[2]
    )
    for k in (0, 7, 19):
        assert np.array_equal(volume.array[k], sitk.GetArrayFromImage(sitk.ReadImage(str(files[k])))[0])


@pytest.mark.parametrize("number", [0, 3, 22, 37, 46, 48, 50])
def test_windowed_real_ct_is_not_taken_for_something_else(number):
    volume = read_ct(DATA / f"lits17-subset/volume-{number}.nii.gz")
    assert volume.array.dtype == np.int16 and volume.notes == ()
    assert (volume.array.min(), volume.array.max()) == (-40, 161)


@pytest.mark.parametrize(
    "mask",
    [
        "real-ct/totalsegmentator-3mm/liver.nii.gz",
        "real-ct/totalsegmentator-dicom20/liver.nii.gz",
        "lits17-subset/segmentation-0.nii.gz",
    ],
)
def test_real_masks_are_not_taken_for_ct(mask):
    with pytest.raises(
        InputError, match=r"(liver|segmentation-0) holds .* only, as masks and label maps do; choose the CT"
    ):
        read_ct(DATA / mask)


@pytest.mark.parametrize("ct", ["real-ct/totalsegmentator-3mm/ct.nii.gz", "lits17-subset/volume-0.nii.gz"])
def test_small_cut_outs_of_real_ct_pass(ct):
    volume = read_ct(DATA / ct)
    rng = np.random.default_rng(1)
    passed = 0
    for size in (2, 4, 8, 16) * 25:
        k, j, i = (rng.integers(0, length - size) for length in volume.shape)
        crop = CTVolume(volume.array[k : k + size, j : j + size, i : i + size], volume.ijk_to_ras, volume.name)
        if np.ptp(crop.array) > 0:  # outside the window all is one value, which is another refusal
            passed += check_ct(crop).array.size > 0
    assert passed > 30
