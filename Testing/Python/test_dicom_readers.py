"""Results as DICOM, read by other programs: dciodvfy and dcmqi."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

import numpy as np
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.records.results import TUMOR
from result_objects import REPORT, SEG, results_of, tool, write_uneven
from study_writer import ORIGIN, phantom_hu, write_study


@pytest.fixture(scope="module", params=["plain", "gap", "uneven", "tilted", "coronal", "no liver"])
def kinds(request, tmp_path_factory):
    """Results of series of several kinds, for other programs to read."""
    out = tmp_path_factory.mktemp(request.param.replace(" ", ""))
    folder = out / "ct"
    if request.param == "uneven":
        write_uneven(folder, phantom_hu())
    else:
        more = {
            "gap": {"leave_out": [4]},
            "tilted": {"step": (0, 0.7, 2.5)},
            "coronal": {"orientation": (1, 0, 0, 0, 0, -1), "step": (0, 2.5, 0)},
            "no liver": {"hu": np.where(phantom_hu() > 0, -90, -1000)},
        }
        write_study(folder, **more.get(request.param, {}))
    return request.param, out, *results_of(folder, out, pages=True)


def test_dciodvfy_finds_no_error(kinds):
    name, out, *_ = kinds
    objects = list(out.glob("*.dcm"))
    assert len(objects) == (3 if name == "no liver" else 4)
    for path in objects:
        said = subprocess.run([tool("dciodvfy"), "-new", path], capture_output=True, text=True).stderr
        assert "Error" not in said, said
        # Private codes, and an attribute that the standard has got since this dciodvfy was made.
        known = r"Warning.*99LIVERTUMOR.*|Warning.*ContributingEquipmentSequence.*DeviceUID.*"
        assert set(re.findall(r"Warning.*", said)) <= set(re.findall(known, said)), said


def test_dcmqi_reads_the_same_segments(kinds, tmp_path):
    """By the program that Slicer's own reader of DICOM segmentations starts."""
    sitk = pytest.importorskip("SimpleITK")
    name, out, volume, output = kinds
    if name == "no liver":
        assert not (out / SEG).exists()
        return
    command = [tool("segimage2itkimage"), "--inputDICOM", out / SEG, "--outputDirectory", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    images = [sitk.ReadImage(str(tmp_path / f"{number}.nrrd")) for number in (1, 2, 3)]
    sizes = [
        np.count_nonzero(output.labels),
        *(round(each.volume_ml / volume.voxel_ml) for each in output.result.lesions),
    ]
    assert [np.count_nonzero(sitk.GetArrayViewFromImage(image)) for image in images] == sizes
    inside = labels_at(images[0], volume, output) > 0
    if name == "tilted":  # which an ITK image cannot be
        assert not inside.all() and any(
            "gantry tilt" in note for note in write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
        )
    else:
        assert inside.all()
        assert (labels_at(images[1], volume, output) == TUMOR).all()


def labels_at(image, volume, output) -> np.ndarray:
    """The labels of a run where an ITK image has its voxels."""
    import SimpleITK as sitk

    kji = np.argwhere(sitk.GetArrayViewFromImage(image))
    lps = np.array([image.TransformIndexToPhysicalPoint([int(x) for x in place[::-1]]) for place in kji])
    ijk = np.column_stack((lps * (-1, -1, 1), np.ones(len(lps)))) @ np.linalg.inv(volume.ijk_to_ras).T
    index = np.clip(np.rint(ijk[:, :3]).astype(int), 0, np.array(volume.shape[::-1]) - 1)
    return output.labels[tuple(index.T[::-1])]


def test_dcmqi_reads_the_same_figures(kinds, tmp_path):
    name, out, volume, output = kinds
    command = [tool("tid1500reader"), "--inputDICOM", out / REPORT, "--outputMetadata", tmp_path / "report.json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "E: " not in done.stdout + done.stderr
    if name == "no liver":
        return
    groups = json.loads((tmp_path / "report.json").read_text())["Measurements"]
    assert [group["TrackingIdentifier"] for group in groups if "ReferencedSegment" in group] == [
        "Liver",
        "Lesion 1",
        "Lesion 2",
    ]
    volumes = [float(group["measurementItems"][0]["value"]) for group in groups if "ReferencedSegment" in group]
    assert volumes == pytest.approx(
        [output.result.summary.liver_ml, *(each.volume_ml for each in output.result.lesions)]
    )
