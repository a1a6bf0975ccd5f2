"""The overlay of where the slice classifier sees tumor: real network, real worker, real slice views; button and
console."""

import numpy as np
import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

from dataclasses import replace

import slicer
from LiverTumorLib.errors import InputError, ModelError
from LiverTumorLib.models.bundle import MODEL, load_bundle, write_bundle
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.mrml import ct_to_node, remove_evidence
from LiverTumorLib.mrml.evidence import evidence_of, show_evidence
from LiverTumorLib.pipelines.evidence import map_evidence
from mrml_scene import add_ct, new_scene
from panel_tools import add_phantom, phantom, spin
from scipy.ndimage import maximum_filter, minimum_filter
from slicer_standin import application
from vtk.util.numpy_support import vtk_to_numpy

from LiverTumorClassifier import LiverTumorClassifierLogic

NAME = "LiverTumorClassifier"


@pytest.fixture(scope="module")
def output():
    """The maps of the phantom's slices."""
    return map_evidence(phantom()[0])


def foregrounds() -> list[tuple]:
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return [(view.GetForegroundVolumeID(), view.GetForegroundOpacity()) for view in views]


def picture(view, k: int) -> np.ndarray:
    """What a slice view shows at the voxels of the phantom's slice k, (j, i, rgba)."""
    volume, node, logic = phantom()[0], view.mrmlSliceNode(), view.sliceLogic()
    node.SetDimensions(300, 300, 1)
    logic.FitSliceToAll()
    node.SetSliceOffset(float(volume.ras([0, 0, k])[2]))
    pipe = logic.GetImageDataConnection().GetProducer()
    pipe.Update()
    image = pipe.GetOutput()
    drawn = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*image.GetDimensions()[1::-1], -1).astype(int)
    j, i = np.indices(volume.shape[1:])
    ras = volume.ras(np.stack([i, j, np.full_like(i, k)], axis=-1).reshape(-1, 3))
    to_ras = np.array([[node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(4)])
    x, y, *_ = np.rint(np.linalg.inv(to_ras) @ np.c_[ras, np.ones(len(ras))].T).astype(int)
    return drawn[y, x].reshape(*volume.shape[1:], -1)


def test_the_cell_that_is_suspected_most_lies_at_tumor(output):
    truth, maps = phantom()[1], output.probabilities["evidence"]
    assert maps.shape == truth.shape and maps.dtype == np.float16
    for k in np.flatnonzero((truth == 2).any(axis=(1, 2))):
        row, column = np.unravel_index(maps[k].argmax(), maps[k].shape)
        nearest = np.linalg.norm(np.argwhere(truth[k] == 2) - (row, column), axis=1).min() * phantom()[0].spacing[0]
        assert nearest < 48  # the size of a cell in mm
    has_tumor = (truth == 2).any(axis=(1, 2))
    strongest = maps.max(axis=(1, 2)).astype(float)
    assert strongest[has_tumor].min() > np.median(strongest[~has_tumor])


def test_any_orientation_gives_the_same_map(output):
    from LiverTumorLib.ct import CTVolume

    volume = phantom()[0]
    matrix = volume.ijk_to_ras @ np.array([[0, 0, -1.0, volume.shape[2] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    # Its k axis is the old -i.
    turned = CTVolume(np.ascontiguousarray(volume.array[..., ::-1].transpose(2, 0, 1)), matrix, "turned")
    maps = map_evidence(turned).probabilities["evidence"]
    np.testing.assert_array_equal(maps.transpose(1, 2, 0)[..., ::-1], output.probabilities["evidence"])


def test_the_button_shows_the_map_and_takes_it_away(app, output, tmp_path):
    ct = add_phantom()
    other = add_ct(slicer.mrmlScene, name="Other")
    panel = application.open_module(NAME).panel
    slicer.util.setSliceViewerLayers(background=ct, foreground=other, foregroundOpacity=0.25)
    before, nodes = foregrounds(), slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.evidenceButton.click()
    assert panel.run.running and not panel.ui.evidenceButton.checked and not panel.ui.evidenceButton.enabled
    spin(lambda: not panel.run.running)
    assert panel.ui.evidenceButton.checked and panel.ui.evidenceButton.enabled, panel.ui.statusLabel.text
    node = evidence_of(ct)
    assert {volume for volume, _ in foregrounds()} == {node.GetID()}
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(node), np.floor(output.probabilities["evidence"].astype(float) * 100)
    )
    panel.ui.evidenceButton.click()
    assert foregrounds() == before and slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert not panel.ui.evidenceButton.checked and evidence_of(ct) is None


def test_the_overlay_colors_the_tumor_and_nothing_else(app, output):
    ct = add_phantom()
    truth = phantom()[1]
    gray = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", "Gray")  # which the application brings
    gray.SetTypeToGrey()
    ct.GetDisplayNode().SetAndObserveColorNodeID(gray.GetID())
    slicer.util.setSliceViewerLayers(background=ct)
    k = int((truth == 2).sum(axis=(1, 2)).argmax())
    view = app.layoutManager().sliceWidget("Red")
    plain = picture(view, k)
    assert np.ptp(plain[..., :3], axis=-1).max() == 0  # shades of gray
    show_evidence(output, ct)
    shown = picture(view, k)
    maps = output.probabilities["evidence"][k].astype(float)
    threshold = output.result.models[-1]["threshold"]
    assert (maximum_filter(maps, 3) < threshold).mean() > 0.5
    assert (shown[..., 0] - shown[..., 2])[minimum_filter(maps, 3) > threshold + 0.01].min() > 40  # red or yellow
    np.testing.assert_array_equal(
        shown[maximum_filter(maps, 3) < threshold - 0.01], plain[maximum_filter(maps, 3) < threshold - 0.01]
    )


def test_the_map_goes_with_its_node_its_scene_and_its_ct(app, output):
    ct = add_phantom()
    panel = application.open_module(NAME).panel
    show_evidence(output, ct)
    panel.refresh()
    assert panel.ui.evidenceButton.checked
    slicer.mrmlScene.RemoveNode(evidence_of(ct))  # the user, in the Data module
    assert not panel.ui.evidenceButton.checked
    show_evidence(output, ct)
    panel.refresh()
    slicer.mrmlScene.Clear()
    assert not panel.ui.evidenceButton.checked and not panel.ui.evidenceButton.enabled
    add_phantom()
    panel.parameters.inputVolume = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
    assert panel.ui.evidenceButton.enabled


def test_a_second_map_takes_the_place_of_the_first(output):
    scene = new_scene()
    ct = ct_to_node(phantom()[0], scene)
    first = show_evidence(output, ct).evidenceVolume
    count = scene.GetNumberOfNodes()
    assert show_evidence(output, ct).evidenceVolume is first and scene.GetNumberOfNodes() == count
    remove_evidence(ct)
    remove_evidence(ct)
    assert evidence_of(ct) is None


def test_another_ct_than_the_one_mapped_is_told(output):
    scene = new_scene()
    ct = add_ct(scene)
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="has changed its size"):
        show_evidence(output, ct)
    assert scene.GetNumberOfNodes() == count


@pytest.fixture
def without_cells(tmp_path, monkeypatch):
    """A model of the user's: the shipped one without its second output."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    import flatbuffers

    shipped = load_bundle(SHIPPED / "tumor-slice")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(shipped.model.read_bytes()))
    graph = model.subgraphs[0]
    graph.outputs = [output for output in graph.outputs if len(graph.tensors[output].shape) == 2]
    model.signatureDefs = None
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    manifest = replace(shipped.manifest, id="plain", files={MODEL: {"quantization": "int8"}})
    write_bundle(tmp_path / "plain", manifest, {MODEL: bytes(builder.Output()), "card.md": b"# Plain"})
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))


def test_a_model_without_cells_says_so(app, without_cells):
    """In the panel, which works on with another model; and from the console."""
    ct = add_phantom()
    with pytest.raises(ModelError, match="Model 'plain' gives a probability for the whole slice only"):
        LiverTumorClassifierLogic().mapEvidence(ct, sliceModel="plain")
    panel = application.open_module(NAME).panel
    panel.parameters.sliceModel = "plain"
    panel.ui.evidenceButton.click()
    spin(lambda: not panel.run.running)
    assert "nothing says where it sees tumor" in panel.ui.statusLabel.text and not panel.ui.evidenceButton.checked
    panel.parameters.sliceModel = "tumor-slice"
    panel.ui.evidenceButton.click()
    spin(lambda: not panel.run.running)
    assert panel.ui.evidenceButton.checked
