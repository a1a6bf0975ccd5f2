"""Results as DICOM: other programs read the same voxels and figures back, and refer to exactly the images that were read."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

import highdicom as hd
import pydicom
from dicom_writer import write_slice
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import to_axial
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.errors import InputError
from LiverTumorLib.records.results import TUMOR
from scipy.spatial.transform import Rotation
from study_writer import MODELS, ORIGIN, STUDY, found_in, phantom_hu, write_study

SEG, REPORT = "ct.seg.dcm", "ct.sr.dcm"
PDF = b"%PDF-1.4\n%%EOF"  # of odd length


def tool(name: str) -> str:
    """The path of a program, or the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(pydicom.__file__).parents[5] / "bin"))
    return found or pytest.skip(f"{name} is not installed")


def results_of(folder: Path, out: Path, page: bool = False):
    """What a run finds in a series, written as DICOM into `out`."""
    volume, output = found_in(folder)
    if page:
        (out / "page.pdf").write_bytes(PDF)
    write_dicom(out, "ct", volume, output, ORIGIN, out / "page.pdf" if page else None)
    return volume, output


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A plain series and its results."""
    out = tmp_path_factory.mktemp("results")
    folder = write_study(
        tmp_path_factory.mktemp("study") / "ct", PatientName="Müller^Jürgen", SpecificCharacterSet="ISO_IR 100"
    )
    return out, folder, *results_of(folder, out, page=True)


def masks(path: Path, volume) -> list[np.ndarray]:
    """Masks (k, j, i) on the volume's grid of the segments of a file, put where each frame says that it lies."""
    seg = hd.seg.segread(path)
    found = [np.zeros(volume.shape, bool) for _ in seg.SegmentSequence]
    shared = seg.SharedFunctionalGroupsSequence[0]
    axes = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient).reshape(2, 3)
    down, along = shared.PixelMeasuresSequence[0].PixelSpacing
    lps_to_ijk = np.linalg.inv(volume.ijk_to_ras) @ np.diag([-1, -1, 1, 1])
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        rows, columns = np.nonzero(frame)
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient)
        lps = corner + np.outer(columns * along, axes[0]) + np.outer(rows * down, axes[1])
        ijk = np.column_stack((lps, np.ones(len(lps)))) @ lps_to_ijk.T
        index = np.rint(ijk[:, :3]).astype(int)
        assert np.abs(ijk[:, :3] - index).max() < 0.15  # of a voxel
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[number - 1][tuple(index.T[::-1])] = True
    return found


def check_masks(path: Path, volume, output) -> None:
    """The liver with its lesions, and each lesion by its own figures."""
    liver, *lesions = masks(path, volume)
    assert np.array_equal(liver, output.labels > 0)
    assert np.array_equal(np.any(lesions, axis=0), output.labels == TUMOR)
    assert len(lesions) == len(output.result.lesions) == 2
    exact = to_axial(volume).axes is not None  # else lesions were measured on an upright grid
    for mask, lesion in zip(lesions, output.result.lesions, strict=True):
        assert mask.sum() * volume.voxel_ml == pytest.approx(lesion.volume_ml, abs=1e-3, rel=1e-6 if exact else 0.3)
        assert volume.array[mask].mean() == pytest.approx(lesion.mean_hu, abs=0.01 if exact else 40)


def line_ends(item, folder: Path) -> np.ndarray:
    """Both ends (2, 3) of a measurement's line, LPS mm."""
    line = item.ContentSequence[0]
    if line.ValueType == "SCOORD3D":
        return np.array(line.GraphicData).reshape(2, 3)
    uid = line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    images = (pydicom.dcmread(file, stop_before_pixels=True) for file in folder.iterdir())
    image = next(image for image in images if uid == image.SOPInstanceUID)
    axes = np.array(image.ImageOrientationPatient).reshape(2, 3)
    places = (np.array(line.GraphicData).reshape(2, 2) - 0.5) * image.PixelSpacing[::-1]
    return np.array(image.ImagePositionPatient) + places @ axes


def numbers(group) -> dict[str, float]:
    """The figures of a measurement group by their names, with how they were derived."""
    figures = {}
    for item in group[0].ContentSequence:
        if item.ValueType == "NUM":
            how = [
                child.ConceptCodeSequence[0].CodeMeaning
                for child in item.get("ContentSequence", [])
                if child.ValueType == "CODE"
            ]
            figures[" ".join([item.ConceptNameCodeSequence[0].CodeMeaning, *how])] = float(
                item.MeasuredValueSequence[0].NumericValue
            )
    return figures


def check_report(path: Path, folder: Path, output) -> list[str]:
    """The figures of all lesions, and their axes by their ends; returns the kinds of the lines' coordinates."""
    report = hd.sr.srread(path)
    groups = report.content.get_volumetric_roi_measurement_groups()
    plain = report.content.get_image_measurement_groups()
    kinds = []
    for number, lesion in enumerate(output.result.lesions, start=1):
        figures = numbers(groups[number])
        expected = {
            "Volume": lesion.volume_ml,
            "Attenuation Coefficient Mean": lesion.mean_hu,
            "Attenuation Coefficient Standard Deviation": lesion.sd_hu,
            "Distance to the liver surface": lesion.distance_to_surface_mm,
            "Mean tumor probability of the voxels": lesion.mean_probability,
        }
        assert figures == pytest.approx(expected)
        axes = plain[number - 1]
        assert axes.tracking_uid == groups[number].tracking_uid
        assert numbers(axes) == pytest.approx(
            {"Long axis": lesion.longest_diameter_mm, "Short axis": lesion.perpendicular_diameter_mm}
        )
        lines = [item for item in axes[0].ContentSequence if item.ValueType == "NUM"]
        for item, ends in zip(lines, (lesion.longest_ends_ras, lesion.perpendicular_ends_ras), strict=True):
            assert line_ends(item, folder) == pytest.approx(np.array(ends) * (-1, -1, 1), abs=0.3)
            length = np.linalg.norm(np.diff(line_ends(item, folder), axis=0))
            assert length == pytest.approx(float(item.MeasuredValueSequence[0].NumericValue), abs=0.02)
            kinds.append(item.ContentSequence[0].ValueType)
    return kinds


def test_the_segmentation_has_the_same_voxels(written):
    out, folder, volume, output = written
    check_masks(out / SEG, volume, output)


def test_the_report_has_the_same_figures(written):
    out, folder, volume, output = written
    assert set(check_report(out / REPORT, folder, output)) == {"SCOORD"}
    report = hd.sr.srread(out / REPORT)
    summary = output.result.summary
    assert numbers(report.content.get_volumetric_roi_measurement_groups()[0]) == pytest.approx(
        {
            "Volume": summary.liver_ml,
            "Volume of all lesions": summary.tumor_ml,
            "Tumor volume as a share of the liver volume": summary.tumor_burden_percent,
            "Number of lesions": 2,
        }
    )


@pytest.mark.parametrize("name", [SEG, REPORT, "ct.pdf.dcm"])
def test_each_object_belongs_to_the_study_and_names_exactly_its_images(written, name):
    out, folder, volume, output = written
    made = pydicom.dcmread(out / name)
    for keyword in (
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "AccessionNumber",
        "StudyDescription",
    ):
        assert made[keyword].value == (STUDY | {"PatientID": "P1"})[keyword]
    assert made.PatientName == "Müller^Jürgen"
    text = str(made)
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in folder.iterdir()]
    assert all(image.SOPInstanceUID in text for image in images) and "esearch use only" in text
    assert made.SeriesInstanceUID != images[0].SeriesInstanceUID and made.SOPInstanceUID.startswith("2.25.")
    if name != "ct.pdf.dcm":
        content = json.dumps(made.to_json_dict())
        assert all(model[key] in content for model in MODELS[:2] for key in ("id", "version", "sha256"))
    else:
        assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == PDF


def test_each_frame_is_of_its_own_image(written):
    out, folder, volume, output = written
    images = {image.SOPInstanceUID: image for image in (pydicom.dcmread(file) for file in folder.iterdir())}
    for groups in hd.seg.segread(out / SEG).PerFrameFunctionalGroupsSequence:
        (source,) = groups.DerivationImageSequence[0].SourceImageSequence
        image = images[source.ReferencedSOPInstanceUID]
        assert list(image.ImagePositionPatient) == list(groups.PlanePositionSequence[0].ImagePositionPatient)


def test_the_same_run_makes_the_same_files(written, tmp_path):
    out, folder, volume, output = written
    moved = shutil.copytree(folder, tmp_path / "moved")
    results_of(moved, tmp_path, page=True)
    for name in (SEG, REPORT, "ct.pdf.dcm"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()
    other = ORIGIN | {"options": {"roi": False}}
    write_dicom(tmp_path, "ct", volume, output, other, None)
    for name in (SEG, REPORT):
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            assert pydicom.dcmread(tmp_path / name)[keyword].value != pydicom.dcmread(out / name)[keyword].value


FLIPS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "flipped": (1, 0, 0, 0, -1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
}


@settings(max_examples=12, phases=[Phase.generate])  # an example takes a second; shrinking one, minutes
@given(
    flip=st.sampled_from(sorted(FLIPS)),
    turn=st.tuples(*[st.floats(-10, 10)] * 3),
    tilt=st.sampled_from((0.0, 0.0, 15.0, -20.0)),
    backwards=st.booleans(),
)
def test_voxels_and_figures_on_any_grid(tmp_path_factory, flip, turn, tilt, backwards):
    """Flipped, oblique and gantry-tilted series."""
    axes = Rotation.from_euler("xyz", turn, degrees=True).apply(np.array(FLIPS[flip]).reshape(2, 3))
    step = np.cross(*axes) * (-2.5 if backwards else 2.5) + axes[1] * 2.5 * np.tan(np.radians(tilt))
    folder = write_study(tmp_path_factory.mktemp("grid") / "ct", orientation=tuple(axes.ravel()), step=tuple(step))
    out = folder.parent
    volume, output = results_of(folder, out)
    check_masks(out / SEG, volume, output)
    kinds = check_report(out / REPORT, folder, output)
    if flip in ("axial", "prone", "flipped") and to_axial(volume).axes is not None:
        assert set(kinds) == {"SCOORD"}


def test_a_missing_slice_is_a_frame_without_image(tmp_path):
    folder = write_study(tmp_path / "ct", leave_out=[4])
    volume, output = results_of(folder, tmp_path)
    assert any("was missing" in note for note in volume.notes)
    check_masks(tmp_path / SEG, volume, output)
    check_report(tmp_path / REPORT, folder, output)


def test_an_uneven_series_keeps_the_grid_of_its_results(tmp_path):
    hu = phantom_hu()
    places = np.cumsum([0, *(2.5 + 0.02 * np.arange(len(hu) - 1))])
    folder = tmp_path / "ct"
    folder.mkdir()
    for k, plane in enumerate(hu):
        write_slice(
            folder / f"{k}.dcm",
            plane,
            (-10, -20, float(places[k])),
            **STUDY,
            SeriesInstanceUID="1.2.826.0.1.3680043.8.498.9",
        )
    volume, output = results_of(folder, tmp_path)
    assert any("interpolated" in note for note in volume.notes)
    check_masks(tmp_path / SEG, volume, output)
    check_report(tmp_path / REPORT, folder, output)
