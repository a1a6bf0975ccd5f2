"""Results as DICOM: the same voxels and figures are read back, of exactly the images that were read."""

from __future__ import annotations

import json
import shutil

import highdicom as hd
import numpy as np
import pydicom
import pytest

pytest.importorskip("highdicom", reason="DICOM results need highdicom")

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from LiverTumorLib.ct import to_axial
from LiverTumorLib.dicom import write_dicom
from LiverTumorLib.records.results import TUMOR
from result_objects import (
    CAPTURE,
    DOCUMENT,
    PDF,
    PICTURE,
    REPORT,
    SEG,
    check_masks,
    check_report,
    numbers,
    results_of,
    write_uneven,
)
from scipy.spatial.transform import Rotation
from study_writer import MODELS, ORIGIN, STUDY, found_in, phantom_hu, write_study


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A plain series and its results."""
    out = tmp_path_factory.mktemp("results")
    folder = write_study(
        tmp_path_factory.mktemp("study") / "ct", PatientName="Müller^Jürgen", SpecificCharacterSet="ISO_IR 100"
    )
    return out, folder, *results_of(folder, out, pages=True)


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


@pytest.mark.parametrize("name", [SEG, REPORT, DOCUMENT, CAPTURE])
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
    content = json.dumps(made.to_json_dict())
    assert all(model[key] in content for model in MODELS[:2] for key in ("id", "version", "sha256"))
    if name == CAPTURE:
        assert np.array_equal(made.pixel_array, PICTURE) and made.BurnedInAnnotation == "YES"
    elif name == DOCUMENT:
        assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == PDF


def test_networks_are_named_by_uids_that_change_with_their_weights_only(written, tmp_path):
    """As IHE's AI Results profile has it; the device that observes is the same in every run."""
    out, folder, volume, output = written

    def names(path):
        made = pydicom.dcmread(path)
        equipment = [item for item in made.ContributingEquipmentSequence if "DeviceUID" in item]
        observer = [item.UID for item in made.get("ContentSequence", []) if item.ValueType == "UIDREF"]
        return [item.DeviceUID for item in equipment], observer

    networks, observer = names(out / REPORT)
    assert len(set(networks)) == len(MODELS) and len(observer) == 1
    assert all(names(out / name)[0] == networks for name in (SEG, DOCUMENT, CAPTURE))
    retrained = [MODELS[0] | {"sha256": "f" * 64}, *MODELS[1:]]
    write_dicom(tmp_path, "ct", volume, output, ORIGIN | {"options": {"roi": False}, "models": retrained}, None)
    others, same = names(tmp_path / REPORT)
    assert [a == b for a, b in zip(networks, others, strict=True)] == [False] + [True] * (len(MODELS) - 1)
    assert same == observer


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
    results_of(moved, tmp_path, pages=True)
    for name in (SEG, REPORT, DOCUMENT, CAPTURE):
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
