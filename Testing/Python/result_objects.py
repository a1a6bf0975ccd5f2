"""Writes the DICOM results of small series, and reads them back with highdicom and pydicom."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_writer import write_slice
from LiverTumorLib.ct import to_axial
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.records.results import TUMOR
from PIL import Image
from study_writer import ORIGIN, STUDY, found_in

SEG, REPORT, DOCUMENT, CAPTURE = "ct.seg.dcm", "ct.sr.dcm", "ct.pdf.dcm", "ct.sc.dcm"
PDF = b"%PDF-1.4\n%%EOF"  # of odd length
PICTURE = np.random.default_rng(0).integers(0, 256, (31, 47, 3), dtype=np.uint8)  # of odd length, too


def tool(name: str) -> str:
    """The path of a program, or the test is skipped."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    return found or pytest.skip(f"{name} is not installed")


def results_of(folder: Path, out: Path, pages: bool = False):
    """What a run finds in a series, written as DICOM into `out`; with the page as a document and as a picture, too."""
    volume, output = found_in(folder)
    if pages:
        (out / "page.pdf").write_bytes(PDF)
        Image.fromarray(PICTURE).save(out / "page.png")
    for page in ("page.pdf", "page.png") if pages else (None,):
        write_dicom(out, "ct", volume, output, ORIGIN, page and out / page)
    return volume, output


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


def write_uneven(folder: Path, hu: np.ndarray) -> None:
    """Slices whose distances grow, so that they are interpolated; twice as thick as they are apart."""
    folder.mkdir()
    places = np.cumsum([0, *(2.5 + 0.02 * np.arange(len(hu) - 1))])
    tags = STUDY | {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9", "SliceThickness": "5"}
    for k, plane in enumerate(hu):
        write_slice(folder / f"{k}.dcm", plane, (-10, -20, float(places[k])), **tags)
