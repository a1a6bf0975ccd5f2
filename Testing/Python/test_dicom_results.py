"""Results as DICOM: other programs read the same voxels and figures back, of exactly the images that were read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
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
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
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
    folder = tmp_path / "ct"
    write_uneven(folder, phantom_hu())
    volume, output = results_of(folder, tmp_path)
    assert any("interpolated" in note for note in volume.notes)
    check_masks(tmp_path / SEG, volume, output)
    check_report(tmp_path / REPORT, folder, output)


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
    return request.param, out, *results_of(folder, out, page=True)


def write_uneven(folder: Path, hu: np.ndarray) -> None:
    """Slices whose distances grow, so that they are interpolated; twice as thick as they are apart."""
    folder.mkdir()
    places = np.cumsum([0, *(2.5 + 0.02 * np.arange(len(hu) - 1))])
    tags = STUDY | {"SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.9", "SliceThickness": "5"}
    for k, plane in enumerate(hu):
        write_slice(folder / f"{k}.dcm", plane, (-10, -20, float(places[k])), **tags)


def test_dciodvfy_finds_no_error(kinds):
    name, out, *_ = kinds
    objects = list(out.glob("*.dcm"))
    assert len(objects) == (2 if name == "no liver" else 3)
    for path in objects:
        said = subprocess.run([tool("dciodvfy"), "-new", path], capture_output=True, text=True).stderr
        assert "Error" not in said, said
        assert set(re.findall(r"Warning.*", said)) <= set(re.findall(r"Warning.*99LIVERTUMOR.*", said)), said


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


def test_notes_are_in_the_report(tmp_path):
    folder = write_study(tmp_path / "ct")
    volume, output = found_in(folder)
    output.result.summary.notes.append("The liver is unusually small – Prüfung.")
    write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
    texts = [
        item.TextValue
        for container in pydicom.dcmread(tmp_path / REPORT).ContentSequence
        if container.ConceptNameCodeSequence[0].CodeMeaning == "Qualitative Evaluations"
        for item in container.ContentSequence
    ]
    assert texts == ["Research use only, not for diagnosis.", "The liver is unusually small – Prüfung."]


def test_a_liver_without_tumor_stage_has_no_count(tmp_path):
    folder = write_study(tmp_path / "ct")
    volume, output = found_in(folder)
    output.labels[output.labels == TUMOR] = 1
    output.result.lesions = []
    summary = output.result.summary
    summary.tumor_ml = summary.tumor_burden_percent = summary.lesion_count = None
    write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
    (liver,) = hd.sr.srread(tmp_path / REPORT).content.get_volumetric_roi_measurement_groups()
    assert numbers(liver) == {"Volume": pytest.approx(summary.liver_ml)}
    assert len(pydicom.dcmread(tmp_path / SEG).SegmentSequence) == 1


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"StudyInstanceUID": "", "SOPInstanceUID": ""}, "no valid SOP instance UID, study UID (an anonymizer"),
        ({"FrameOfReferenceUID": None}, "no valid frame of reference UID"),
        ({"SOPInstanceUID": "1.2.3"}, "several images of ct have the same SOP instance UID"),
    ],
    ids=["blank", "missing", "same"],
)
def test_images_that_nothing_can_refer_to(tmp_path, tags, said):
    volume, output = found_in(write_study(tmp_path / "ct", **tags))
    with pytest.raises(InputError, match=re.escape(said)):
        write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
    assert not list(tmp_path.glob("*.dcm"))


def test_odd_values_of_the_source_are_left_empty(tmp_path):
    """As old systems write them; the study's own objects need none of these."""
    odd = {
        "PatientSex": "W",
        "StudyDate": "19.5.2020",
        "StudyTime": "noon",
        "StudyID": None,
        "PatientID": None,
        "KVP": None,
    }
    folder = write_study(tmp_path / "ct", **odd)
    results_of(folder, tmp_path, page=True)
    for name in (SEG, REPORT, "ct.pdf.dcm"):
        made = pydicom.dcmread(tmp_path / name)
        assert not made.PatientSex and not made.StudyDate and not made.StudyTime
        assert made.ContentDate == STUDY["AcquisitionDate"]


def test_lesions_that_have_no_part_on_the_grid_are_refused(tmp_path):
    volume, output = found_in(write_study(tmp_path / "ct"))
    output.result.lesions.append(replace(output.result.lesions[1], id=3, centroid_ras=(500.0, 0.0, 0.0)))
    with pytest.raises(InputError, match="lesion 3 cannot be told from the others"):
        write_dicom(tmp_path, "ct", volume, output, ORIGIN, None)
