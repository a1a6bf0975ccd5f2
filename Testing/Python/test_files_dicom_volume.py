"""What makes one DICOM volume: patients, studies and acquisitions apart, broken-up series together, every slice at its
place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_writer import write_series, write_slice
from LiverTumorLib.errors import UsageError
from LiverTumorLib.files import read_ct
from test_files_reading import ct_values, refusal

HU = ct_values((12, 32, 32))
LATE = np.where(HU > 20, HU + 40, HU)


def write(folder: Path, hu: np.ndarray, heights, prefix: str = "IM", first_number: int = 1, times=None, **tags) -> None:
    """Slices of one series at given heights, mm."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, (plane, height) in enumerate(zip(hu, heights, strict=True)):
        own = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "InstanceNumber": first_number + k}
        if times is not None:
            own["AcquisitionTime"] = f"{120000 + times[k]:013.6f}"
        write_slice(folder / f"{prefix}{k:03d}", plane, (0, 0, height), **(own | tags))


EVEN = 5.0 * np.arange(12)


@pytest.mark.parametrize("up", [0, 60, 2.5], ids=["same places", "stacked", "interleaved"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PatientID": "A"}, {"PatientID": "B"}),
        ({"PatientID": "", "PatientName": "A"}, {"PatientID": "", "PatientName": "B"}),
        ({"PatientID": "A", "StudyInstanceUID": "1.2.1"}, {"PatientID": "B", "StudyInstanceUID": "1.2.2"}),
    ],
)
def test_two_patients_under_one_series_uid_are_never_one_volume(tmp_path, one, other, up):
    write(tmp_path / "ct", HU, EVEN, "A", **one)
    write(tmp_path / "ct", HU, EVEN + up, "B", **other)
    refusal(tmp_path / "ct", "several patients", "A000 is one of them", "B000 is one of them")
    assert np.array_equal(read_ct(tmp_path / "ct" / "B003").array, HU)


def test_two_studies_under_one_series_uid_are_two_series(tmp_path):
    write(tmp_path / "ct", HU, EVEN, "A", StudyInstanceUID="1.2.1")
    write(tmp_path / "ct", LATE, EVEN + 60, "B", StudyInstanceUID="1.2.2")
    refusal(tmp_path / "ct", "2 CT series that fit equally well", "A000", "B000")
    (tmp_path / "ct" / "B011").unlink()
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and "passed over: number 2 (11 slices)" in volume.notes[0]


def test_a_patient_id_that_some_slices_lack_does_not_split(tmp_path):
    write(tmp_path / "ct", HU[:6], EVEN[:6], "A")
    write(tmp_path / "ct", HU[6:], EVEN[6:], "B", first_number=7, PatientID="", StudyInstanceUID="")
    assert np.array_equal(read_ct(tmp_path / "ct").array, HU)


ACQUISITIONS = {
    "number": ({"AcquisitionNumber": "1"}, {"AcquisitionNumber": "2"}),
    "time": ({"times": [0] * 12}, {"times": [500] * 12}),
    "time of each slice": ({"times": list(range(12))}, {"times": list(range(500, 512))}),
    "image numbers": ({}, {"first_number": 101}),
}


@pytest.mark.parametrize("up", [2.5, 1.3, 0], ids=["interleaved", "irregular", "same places"])
@pytest.mark.parametrize("told_by", ACQUISITIONS)
def test_acquisitions_whose_places_overlap_are_a_choice(tmp_path, told_by, up):
    one, other = ACQUISITIONS[told_by]
    write(tmp_path / "ct", HU, EVEN, "A", **one)
    write(tmp_path / "ct", LATE, EVEN + up, "B", **({"first_number": 13} | other))
    sentence = refusal(
        tmp_path / "ct", "2 CT series or acquisitions of one, such as contrast phases, that fit equally well"
    )
    assert "acquisition 1" in sentence and "acquisition 2" in sentence and "A000" in sentence and "B000" in sentence
    volume = read_ct(tmp_path / "ct" / "B005")
    assert np.array_equal(volume.array, LATE) and volume.ijk_to_ras[2, 3] == pytest.approx(up)
    with pytest.raises(UsageError, match="--series 2 fits 2 CT series in .*name a file of the one you want"):
        read_ct(tmp_path / "ct", "2")


def test_the_longer_acquisition_is_taken_with_a_note(tmp_path):
    write(tmp_path / "ct", HU, EVEN, "A", AcquisitionNumber="1")
    write(tmp_path / "ct", LATE[:9], EVEN[:9] + 2.5, "B", first_number=13, AcquisitionNumber="2")
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU)
    assert (
        "number 2, acquisition 1 (12 slices) was read" in volume.notes[0]
        and "number 2, acquisition 2 (9 slices)" in volume.notes[0]
    )


@pytest.mark.parametrize("case", ["blocks", "each slice", "times", "rotations", "numbers of chance"])
def test_acquisitions_that_follow_each_other_are_one_volume(tmp_path, case):
    for k, plane in enumerate(HU):
        tags = {
            "blocks": {"AcquisitionNumber": 1 + k // 6},
            "each slice": {"AcquisitionNumber": k + 1, "AcquisitionTime": f"{120000 + 3 * k}"},
            "times": {"AcquisitionTime": f"{120000 + k + 40 * (k > 5)}"},
            "rotations": {"AcquisitionNumber": 1 + k // 4, "AcquisitionTime": f"{120000 + k // 4}"},
            "numbers of chance": {"InstanceNumber": (k * 7) % 12 + 1},
        }[case]
        (tmp_path / "ct").mkdir(exist_ok=True)
        write_slice(
            tmp_path / "ct" / f"{k}",
            plane,
            EVEN[k] * np.array([0, 0, 1]),
            **({"SeriesInstanceUID": "1.2.3", "InstanceNumber": k + 1} | tags),
        )
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ()


def test_missing_slices_do_not_pass_for_two_acquisitions(tmp_path):
    keep = [0, 1, 2, 3, 4, 8, 9, 10, 11]
    write(tmp_path / "ct", HU[keep], EVEN[keep], times=keep)
    refusal(tmp_path / "ct", "lacks 3 slices")


def test_slices_with_a_series_uid_each_are_one_volume(tmp_path):
    (tmp_path / "ct").mkdir()
    for k, plane in enumerate(HU):
        tags = {
            "SeriesInstanceUID": f"1.2.3.{k}",
            "StudyInstanceUID": "1.2",
            "FrameOfReferenceUID": "1.3",
            "InstanceNumber": k + 1,
        }
        write_slice(tmp_path / "ct" / f"{k}", plane, (0, 0, EVEN[k]), **tags)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.spacing[2] == pytest.approx(5)
    assert len(volume.notes) == 1 and volume.notes[0].startswith(
        "12 images had a series UID each; they were put together"
    )
    write_slice(
        tmp_path / "ct" / "12",
        HU[0],
        (0, 0, 60),
        SeriesInstanceUID="1.2.3.12",
        StudyInstanceUID="1.2",
        ImagePositionPatient=None,
    )
    assert any("1 of 13 images" in note for note in read_ct(tmp_path / "ct").notes)


@pytest.mark.parametrize(
    "tag", ["StudyInstanceUID", "SeriesNumber", "SeriesDescription", "FrameOfReferenceUID", "PatientID", "PixelSpacing"]
)
def test_single_slices_that_do_not_agree_are_not_joined(tmp_path, tag):
    (tmp_path / "ct").mkdir()
    for k, plane in enumerate(HU[:4]):
        other = {"PixelSpacing": [0.5 + k, 0.5 + k]}.get(tag, str(k + 5))
        write_slice(
            tmp_path / "ct" / f"{k}", plane, (0, 0, EVEN[k]), **({"SeriesInstanceUID": f"1.2.3.{k}"} | {tag: other})
        )
    refusal(tmp_path / "ct", "several patients" if tag == "PatientID" else "4 CT series that fit equally well")


def test_long_lists_of_choices_are_cut_short(tmp_path):
    for number in range(9):
        write_series(tmp_path / "ct", HU[:3], uid=f"1.2.{number}", SeriesNumber=str(number + 1))
    sentence = refusal(tmp_path / "ct", "9 CT series that fit equally well", "; and 4 more.")
    assert sentence.count("slices)") == 5
    write_series(tmp_path / "ct", HU, uid="1.2.99")
    assert "; and 4 more." in read_ct(tmp_path / "ct").notes[0]


@pytest.mark.parametrize("drifting", ["upper half", "lower half", "growing", "shrinking"])
@pytest.mark.parametrize("tilt", [0.0, 0.3], ids=["straight", "tilted"])
def test_drifting_places_are_brought_to_an_even_grid(tmp_path, drifting, tilt):
    """A ramp along the body must keep its values at their heights, whatever the distances."""
    steps = {
        "upper half": [5.0] * 12 + [4.6] * 12,
        "lower half": [4.6] * 12 + [5.0] * 12,
        "growing": np.linspace(4.6, 5.4, 24),
        "shrinking": np.linspace(5.4, 4.6, 24),
    }[drifting]
    heights = np.concatenate([[0], np.cumsum(steps)])
    ramp = np.tile(HU[:1], (25, 1, 1)) + np.rint(heights).astype(np.int16)[:, None, None]
    (tmp_path / "ct").mkdir()
    for k, plane in enumerate(ramp):
        write_slice(
            tmp_path / "ct" / f"{k}",
            plane,
            (0, tilt * heights[k], heights[k]),
            SeriesInstanceUID="1.2.3",
            InstanceNumber=k + 1,
        )
    volume = read_ct(tmp_path / "ct")
    assert volume.shape == ramp.shape and volume.array.dtype == np.int16
    for k in range(25):
        height = volume.ras([0, 0, k])[2]
        assert np.abs(volume.array[k] - HU[0] - height).max() <= 1.1, "as far as rounding goes"
    assert np.allclose(volume.ras([0, 0, 24]), (0, -tilt * heights[-1], heights[-1]), atol=1e-3)
    (note,) = (note for note in volume.notes if "gantry" not in note)
    assert (
        note.startswith(f"The slices lie {min(steps):.2f} to {max(steps):.2f} mm apart") and "off an even grid" in note
    )


def test_small_differences_are_no_drift(tmp_path):
    heights = EVEN + np.tile([0.0, 0.2], 6)
    write(tmp_path / "ct", HU, heights)
    volume = read_ct(tmp_path / "ct")
    assert np.array_equal(volume.array, HU) and volume.notes == ()


def test_a_missing_slice_in_a_drifting_stack(tmp_path):
    heights = np.concatenate([[0], np.cumsum([5.0] * 12 + [4.6] * 12)])
    ramp = np.tile(HU[:1], (25, 1, 1)) + np.rint(heights).astype(np.int16)[:, None, None]
    keep = [k for k in range(25) if k != 7]
    write(tmp_path / "ct", ramp[keep], heights[keep])
    volume = read_ct(tmp_path / "ct")
    assert volume.shape == ramp.shape and len(volume.notes) == 2
    assert all(np.abs(volume.array[k] - HU[0] - volume.ras([0, 0, k])[2]).max() <= 1.6 for k in range(25))


def test_what_is_kept_of_a_series_names_nothing_of_the_patient(tmp_path):
    """Notes and refusals travel into tables and reports."""
    secret = dict(
        SeriesDescription="Liver of Mr. Smith",
        PatientName="Smith^John",
        StudyInstanceUID="1.2.826.77",
        AcquisitionNumber="1",
    )
    write_series(tmp_path / "ct" / "a", HU, uid="1.2.826.99", PatientID="777888", **secret)
    write_series(tmp_path / "ct" / "b", HU[:8], uid="1.2.826.98", leave_out=(2, 3), PatientID="777888", **secret)
    for file in [*tmp_path.rglob("*.dcm")]:
        file.rename(file.with_name(f"{file.name.split('_')[0]}.dcm"))
    told = " ".join(read_ct(tmp_path / "ct").notes)
    assert "Passed over" in told
    told += refusal(tmp_path / "ct" / "b", "lacks 2 slices")
    write_series(tmp_path / "ct" / "c", HU, uid="1.2.826.97", PatientID="777999", **secret)
    for file in [*(tmp_path / "ct" / "c").rglob("*.dcm")]:
        file.rename(file.with_name(f"{file.name.split('_')[0]}.dcm"))
    told += refusal(tmp_path / "ct", "several patients")
    assert not [word for word in ("Smith", "1.2.826", "777", "Liver of") if word in told], told
