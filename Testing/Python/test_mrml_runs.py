"""The logic classes on real nodes, with runs in real children; small thresholds stand in for the networks."""

import os
import time
from pathlib import Path

import LiverTumorLib
import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

import slicer
from job_tools import PATIENCE_S, comes, keeps_its_promise
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.errors import Cancelled, InputError, ModelError, SomeCasesFailed, UsageError
from LiverTumorLib.files import read_labels
from LiverTumorLib.jobs.protocol import TASKS
from LiverTumorLib.models.bundle import write_bundle
from LiverTumorLib.models.manifest import Manifest
from LiverTumorLib.mrml import ct_from_node, labels_from_segmentation, labels_to_segmentation, options_from
from LiverTumorLib.records.options import RunOptions
from mrml_scene import GRIDS, add_ct, add_transform, make_ct, make_labels, new_scene, scene_state
from study_writer import write_study

from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic
from LiverTumorClassifier import LiverTumorClassifierLogic

LABELS = make_labels(make_ct())


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    """Put the small tasks in place of the networks', in the parent's table and on the child's path."""
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:segment")
    monkeypatch.setitem(TASKS, "classify", "mrml_tasks:classify")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path(LiverTumorLib.__file__).parents[1])])
    )


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture
def ct(scene):
    return add_ct(scene, GRIDS["oblique"])


def count(scene, class_name: str) -> int:
    return scene.GetNumberOfNodesByClass(class_name)


def test_segmentation_makes_all_nodes(scene, ct):
    seen = []
    nodes = LiverSegmentationMobileUNetLogic().process(ct, progressCallback=lambda *event: seen.append(event))
    np.testing.assert_array_equal(labels_from_segmentation(nodes.segmentationNode, ct), LABELS)
    assert [
        node.GetName() for node in (nodes.segmentationNode, nodes.lesionTable, nodes.summaryTable, nodes.sliceTable)
    ] == [
        "Abdomen segmentation",
        "Abdomen lesions",
        "Abdomen summary",
        "Abdomen slices",
    ]
    voxel_ml = make_ct(GRIDS["oblique"]).voxel_ml
    assert nodes.summary.tumor_ml == pytest.approx((LABELS == 2).sum() * voxel_ml, abs=1e-3)
    assert nodes.lesionTable.GetTable().GetColumnByName("volume_ml").GetValue(0) == pytest.approx(
        nodes.summary.tumor_ml, abs=1e-3
    )
    assert nodes.sliceTable.GetNumberOfRows() == LABELS.shape[0]
    assert nodes.plotChart.GetNthPlotSeriesNode(0).GetTableNode() is nodes.sliceTable
    assert ("liver", 0.2, "Looking for the liver") in seen
    assert [fraction for _, fraction, _ in seen] == sorted(fraction for _, fraction, _ in seen)


def test_a_second_run_fills_the_same_nodes(scene, ct):
    logic = LiverSegmentationMobileUNetLogic()
    first = logic.process(ct)
    number = scene.GetNumberOfNodes()
    second = logic.process(ct, first.segmentationNode, tumor=False)
    assert scene.GetNumberOfNodes() == number
    assert second.segmentationNode is first.segmentationNode
    assert second.lesionTable is first.lesionTable
    assert second.plotChart is first.plotChart
    assert second.lesionTable.GetNumberOfRows() == 0


def test_another_run_without_an_output_makes_nodes_with_other_names(scene, ct):
    logic = LiverSegmentationMobileUNetLogic()
    first, second = logic.process(ct), logic.process(ct)
    assert first.segmentationNode is not second.segmentationNode
    assert first.segmentationNode.GetName() != second.segmentationNode.GetName()


def test_options_reach_the_child(ct):
    nodes = LiverSegmentationMobileUNetLogic().process(ct, tumor=False, slices=False)
    assert nodes.summary.lesion_count == 0
    assert nodes.sliceTable is None
    assert nodes.plotChart is None


def test_options_in_slicers_spelling():
    options = options_from(
        {"liverModel": "a", "roiMarginMm": 2.5, "minLesionMl": 0.2, "sliceThreshold": 0.4, "threads": 1}
    )
    assert options == RunOptions(liver_model="a", roi_margin_mm=2.5, min_lesion_ml=0.2, slice_threshold=0.4, threads=1)
    with pytest.raises(UsageError, match="Unknown option 'min_lesion_ml'; known are .*minLesionMl"):
        options_from({"min_lesion_ml": 0.2})


def test_not_waiting_gives_the_run(scene, ct):
    ended = []
    run = LiverSegmentationMobileUNetLogic().process(ct, wait=False, finishedCallback=ended.append)
    assert count(scene, "vtkMRMLSegmentationNode") == 0
    with pytest.raises(UsageError, match="not over yet"):
        run.result()
    nodes = run.wait(timeout=PATIENCE_S)
    assert ended == [run]
    assert run.result() is nodes
    assert run.wait() is nodes
    assert count(scene, "vtkMRMLSegmentationNode") == 1


def test_polling_finishes_the_run_too(scene, ct):
    run = LiverTumorClassifierLogic().process(ct, wait=False)
    assert comes(run.poll)
    assert run.result().sliceTable.GetNumberOfRows() == LABELS.shape[0]


def test_cancel_leaves_the_scene_as_it_was(scene, ct, monkeypatch):
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:endless")
    given = labels_to_segmentation(LABELS, ct)
    before = scene_state(scene)

    def attempt() -> float:
        ended = []
        run = LiverSegmentationMobileUNetLogic().process(ct, given, wait=False, finishedCallback=ended.append)
        assert comes(lambda: run.poll() or getattr(run.job, "events", None)), "the CT is handed over first"
        begin = time.monotonic()
        run.cancel()
        with pytest.raises(Cancelled):
            run.wait(timeout=PATIENCE_S)
        took = time.monotonic() - begin
        assert ended == [run]
        assert scene_state(scene) == before
        return took

    keeps_its_promise(2.5, attempt)


def test_a_callback_can_stop_a_waiting_run(scene, ct, monkeypatch):
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:endless")
    before = scene_state(scene)

    def stop(stage, fraction, message):
        raise Cancelled("Enough.")

    with pytest.raises(Cancelled, match="Enough"):
        LiverSegmentationMobileUNetLogic().process(ct, progressCallback=stop)
    assert scene_state(scene) == before


def test_an_error_of_the_child_arrives_and_leaves_the_scene_alone(scene, ct, monkeypatch):
    monkeypatch.setitem(TASKS, "segment", "mrml_tasks:without_model")
    before = scene_state(scene)
    with pytest.raises(ModelError, match="liver-roi is missing"):
        LiverSegmentationMobileUNetLogic().process(ct)
    assert scene_state(scene) == before


def test_a_failure_while_nodes_are_made_takes_them_away(scene, ct, monkeypatch):
    before = set(scene_state(scene))
    monkeypatch.setattr("LiverTumorLib.mrml.results.plot_probability", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        LiverSegmentationMobileUNetLogic().process(ct)
    assert set(scene_state(scene)) == before


def test_a_ct_that_was_removed_meanwhile(scene, ct):
    run = LiverSegmentationMobileUNetLogic().process(ct, wait=False)
    scene.RemoveNode(ct)
    with pytest.raises(InputError, match="Abdomen was removed while it was analyzed"):
        run.wait(timeout=PATIENCE_S)
    assert count(scene, "vtkMRMLSegmentationNode") == 0


def test_what_is_no_ct_is_refused_before_anything_starts(scene):
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Drawn")
    for logic in (LiverSegmentationMobileUNetLogic(), LiverTumorClassifierLogic()):
        with pytest.raises(InputError, match="label map"):
            logic.process(label_map)


def test_results_under_a_transform(scene):
    """The segmentation moves with the CT; the figures are in world coordinates."""
    ct = add_ct(scene, GRIDS["axial"])
    shift = np.eye(4)
    shift[:3, 3] = 10, 20, 30
    add_transform(scene, shift, ct)
    nodes = LiverSegmentationMobileUNetLogic().process(ct)
    np.testing.assert_array_equal(labels_from_segmentation(nodes.segmentationNode, ct), LABELS)
    kji = np.argwhere(LABELS == 2).mean(axis=0)
    expected = GRIDS["axial"] @ [*kji[::-1], 1] + [10, 20, 30, 0]
    table = nodes.lesionTable.GetTable()
    centroid = [table.GetColumnByName(f"centroid_{axis}").GetValue(0) for axis in "ras"]
    np.testing.assert_allclose(centroid, expected[:3], atol=0.01)


def test_tables_follow_a_users_corrections(scene, ct):
    logic = LiverSegmentationMobileUNetLogic()
    nodes = logic.process(ct)
    corrected = LABELS.copy()
    corrected[7, 2:4, 2:4] = 2  # a lesion that was missed
    labels_to_segmentation(corrected, ct, nodes.segmentationNode)
    again = logic.updateTables(ct, nodes.segmentationNode)
    assert again.lesionTable is nodes.lesionTable
    assert again.lesionTable.GetNumberOfRows() == 2
    voxel_ml = ct_from_node(ct).voxel_ml
    assert again.summary.tumor_ml == pytest.approx((corrected == 2).sum() * voxel_ml, abs=1e-3)
    assert again.summaryTable.GetTable().GetColumnByName("lesion_count").GetValue(0) == 2


def test_classification_makes_table_and_plot(scene, ct):
    nodes = LiverTumorClassifierLogic().process(ct)
    assert nodes.segmentationNode is None
    probability = slicer.util.arrayFromTableColumn(nodes.sliceTable, "probability")
    np.testing.assert_allclose(probability, 0.5 + 0.01 * np.arange(len(probability)))
    assert nodes.plotChart.GetNthPlotSeriesNode(0).GetTableNode() is nodes.sliceTable
    number = scene.GetNumberOfNodes()
    assert LiverTumorClassifierLogic().process(ct, outputTable=nodes.sliceTable).sliceTable is nodes.sliceTable
    assert scene.GetNumberOfNodes() == number


@pytest.mark.parametrize("grid", ["axial", "sagittal", "head first flipped"])
def test_a_liver_gates_the_slices(scene, grid):
    """Whatever the acquisition, axial slices without liver have the probability 0, and only those."""
    ct = add_ct(scene, GRIDS[grid])
    labels = np.zeros_like(LABELS)
    labels[3:6, 4:8, 6:10] = 1
    liver = labels_to_segmentation(labels, ct)
    nodes = LiverTumorClassifierLogic().process(ct, liver)
    ijk = np.argwhere(labels)[:, ::-1]
    liver_s = ijk @ GRIDS[grid][2, :3] + GRIDS[grid][2, 3]
    s = slicer.util.arrayFromTableColumn(nodes.sliceTable, "ras_s")
    expected = np.isclose(s[:, None], np.unique(liver_s)[None], atol=1e-3).any(axis=1)
    probability = slicer.util.arrayFromTableColumn(nodes.sliceTable, "probability")
    np.testing.assert_array_equal(probability > 0, expected)
    assert 0 < expected.sum() < len(s)
    np.testing.assert_array_equal(sorted(nodes.summary.suspicious_slices), np.flatnonzero(expected))


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Bundles for the batch, which records the models it uses; the small tasks do not run them."""
    for identifier, task in (("liver-roi", "liver"), ("liver-tumor", "tumor"), ("tumor-slice", "slice")):
        manifest = Manifest(identifier, "1.0.0", identifier, task, InputSpec((64, 64), 4.0), 0.5, {}, "test")
        write_bundle(tmp_path / "models" / identifier, manifest, {"model.tflite": b"model", "card.md": b"# card"})
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))


@pytest.mark.usefixtures("models")
def test_a_folder_is_done_as_on_the_command_line(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    volume = make_ct(GRIDS["oblique"])
    ct_path = source / "first.nii"
    write_ct(ct_path, volume)
    (source / "broken.nii").write_bytes(b"no image")
    seen = []
    logic = LiverSegmentationMobileUNetLogic()
    with pytest.raises(SomeCasesFailed, match="broken"):
        logic.processFolder(source, out, picture=False, progressCallback=lambda *event: seen.append(event))
    labels, matrix = read_labels(out / "first" / "first.seg.nrrd")
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_allclose(matrix, volume.ijk_to_ras, atol=1e-4)
    assert all(0 <= fraction <= 1 for _, fraction, _ in seen)
    assert any(message.startswith("first: ") for *_, message in seen)
    assert logic.processFolder([ct_path], out, picture=False) == out / "cases.csv"


@pytest.mark.usefixtures("models")
def test_a_folder_is_not_waited_for(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a", "b"):
        write_ct(source / f"{name}.nii", make_ct())
    ended = []
    run = LiverSegmentationMobileUNetLogic().processFolder(
        source, out, picture=False, wait=False, finishedCallback=ended.append
    )
    assert not run.poll() and not (out / "cases.csv").exists() and not ended
    assert run.wait() == out / "cases.csv" and ended == [run]
    assert (out / "b" / "b.seg.nrrd").is_file()
    again = LiverSegmentationMobileUNetLogic().processFolder(source, out, picture=False, wait=False)
    assert again.poll() and again.result() == out / "cases.csv", "all of it was done"
    stopped = LiverSegmentationMobileUNetLogic().processFolder(source, tmp_path / "o", picture=False, wait=False)
    stopped.cancel()
    with pytest.raises(Cancelled, match="0 of 2 cases are done, the same command continues"):
        stopped.wait()


@pytest.mark.usefixtures("models")
def test_a_folder_is_classified(tmp_path):
    write_ct(tmp_path / "first.nii", make_ct())
    table = LiverTumorClassifierLogic().processFolder(tmp_path / "first.nii", tmp_path / "out", picture=False)
    assert "first" in table.read_text()
    assert (tmp_path / "out" / "first" / "slices.csv").is_file()


@pytest.mark.usefixtures("models")
def test_a_dicom_folder_gets_dicom_results_too(tmp_path):
    pytest.importorskip("highdicom", reason="DICOM results need highdicom")
    write_study(tmp_path / "ct")
    out = tmp_path / "out"
    LiverSegmentationMobileUNetLogic().processFolder(tmp_path / "ct", out, picture=False, dicom=True)
    assert {"ct.seg.dcm", "ct.sr.dcm"} <= {path.name for path in (out / "ct").iterdir()}


def write_ct(path: Path, volume) -> None:
    """A CT as NIfTI, by nibabel itself."""
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(volume.array.T, volume.ijk_to_ras), path)
