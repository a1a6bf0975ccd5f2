"""Make the pictures of the tutorial: python Testing/Screenshots/make_pictures.py [DIR]

The panels are the real ones over real MRML, opened by the tests' stand-in for the application
(Testing/Python/slicer_standin), with the phantom as the CT and the shipped models in a real worker. The slice is drawn
by Slicer's own displayable managers; the other cuts are the library's picture of a case, the surfaces drawn with VTK.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
ROOT = TESTING.parent
MODULES = ("LiverTumorClassifier", "LiverSegmentationMobileUNet", "CompressionTrainer")
sys.path[:0] = [str(TESTING / "Python"), *(str(ROOT / module) for module in MODULES)]

import slicer_standin  # noqa: E402

slicer_standin.install()

import slicer  # noqa: E402
import vtk  # noqa: E402
from LiverTumorLib.ct import CTVolume  # noqa: E402
from LiverTumorLib.jobs import start_job  # noqa: E402
from LiverTumorLib.mrml import (  # noqa: E402
    ct_to_node,
    labels_from_segmentation,
    labels_to_segmentation,
    measure_again,  # noqa: E402
)
from LiverTumorLib.mrml.axes import show_axes  # noqa: E402
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE  # noqa: E402
from LiverTumorLib.mrml.tables import records_of  # noqa: E402
from LiverTumorLib.mrml.views import mark_lesion  # noqa: E402
from LiverTumorLib.mrml.volumes import place_in_slice, toggle_liver_window  # noqa: E402
from LiverTumorLib.phantom import make_phantom  # noqa: E402
from LiverTumorLib.records.judgments import Judgment  # noqa: E402
from LiverTumorLib.records.options import CaseOutput, RunOptions  # noqa: E402
from LiverTumorLib.records.review import Review  # noqa: E402
from LiverTumorLib.report import case_picture  # noqa: E402
from LiverTumorLib.report.page import page_figure  # noqa: E402
from PIL import Image  # noqa: E402
from slice_views import SliceViewOfSlicer  # noqa: E402
from slicer_standin import application  # noqa: E402

COLORS = 128  # of a picture's palette, which keeps the files small
WIDTH = 1000


def main(folder: Path) -> None:
    """Write all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    volume, truth = make_phantom(seed=1)
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "picture.png"

        def keep(name: str) -> None:
            shrink(picture, folder / name)

        output = start_job("segment", volume, RunOptions()).wait()
        case_picture(picture, volume, output, truth)
        keep("results.png")
        page_figure(volume, output, _review(output)).savefig(picture, dpi=110)
        keep("report.png")
        with application.running():
            node = ct_to_node(volume, slicer.mrmlScene)
            segmentation = _segment(node)
            application.screenshot("LiverSegmentationMobileUNet", picture)
            keep("segmentation-panel.png")
            _draw_surfaces(segmentation, picture)
            keep("surfaces.png")
            _draw_slice(volume, node, segmentation, picture)
            keep("slice.png")
            _classify(node, segmentation)
            application.screenshot("LiverTumorClassifier", picture)
            keep("classifier-panel.png")


def _review(output: CaseOutput) -> Review:
    """What a reader might say, for the page."""
    output.result.lesions[0].axes_by_hand = "long"
    return Review(judgments={1: Judgment("accepted", "metastasis", "Compare with the MR of June.")})


def _segment(node):
    panel = application.open_module("LiverSegmentationMobileUNet").panel
    panel.parameters.inputVolume = node
    _apply(panel)
    panel.ui.lesionTable.setCurrentCell(0, 0)
    panel.ui.show3DButton.click()
    return panel.parameters.outputSegmentation


def _classify(node, segmentation) -> None:
    panel = application.open_module("LiverTumorClassifier").panel
    panel.parameters.inputVolume = node
    panel.ui.liverSelector.setCurrentNode(segmentation)
    _apply(panel)
    panel.ui.sliceTable.setCurrentCell(panel.ui.sliceTable.rowCount // 2, 0)


def _apply(panel) -> None:
    panel.ui.applyButton.click()
    assert panel.run.running, panel.ui.statusLabel.text
    while panel.run.running:
        slicer.app.processEvents()
        time.sleep(0.01)


def _draw_surfaces(segmentation, path: Path) -> None:
    """Liver and lesions as the Show 3D button has made them."""
    renderer = vtk.vtkRenderer()
    renderer.SetBackground(0.75, 0.77, 0.91)
    segments = segmentation.GetSegmentation()
    for index in range(segments.GetNumberOfSegments()):
        segment = segments.GetNthSegment(index)
        mapper = vtk.vtkPolyDataMapper()
        mapper.SetInputData(segment.GetRepresentation("Closed surface"))
        mapper.ScalarVisibilityOff()
        actor = vtk.vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(segment.GetColor())
        actor.GetProperty().SetOpacity(0.4 if segment.GetName() == "Liver" else 1.0)
        renderer.AddActor(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(640, 480)
    window.AddRenderer(renderer)
    camera = renderer.GetActiveCamera()
    camera.SetPosition(0, 1, 0)  # from the front: the patient's right is on the left
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(1.5)
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    writer = vtk.vtkPNGWriter()
    writer.SetInputConnection(grabber.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()


def _draw_slice(volume: CTVolume, node, segmentation, path: Path) -> None:
    """The first lesion as Slicer's slice view shows it after a click on its row, by Slicer's displayable managers."""
    lesion = records_of(segmentation.GetNodeReference(LESIONS_ROLE))[0]
    place = place_in_slice(node, [lesion[f"centroid_{axis}"] for axis in "ras"], lesion["diameter_slice"])
    scene = slicer.vtkMRMLScene()
    view = SliceViewOfSlicer(scene, 640)
    ct = ct_to_node(volume, scene)
    toggle_liver_window(ct)
    shown = labels_to_segmentation(labels_from_segmentation(segmentation, node), ct)
    measure_again(shown, ct)
    mark_lesion(shown, place, _marker_text(lesion))
    show_axes(shown, 1)
    view.show(ct)
    view.node.JumpSlice(*place)
    Image.fromarray(view.draw()[::-1]).save(path)


def _marker_text(lesion: dict) -> str:
    long, short = lesion["longest_diameter_mm"], lesion["perpendicular_diameter_mm"]
    return f"Lesion 1: {lesion['volume_ml']:.1f} ml, {long:.0f} x {short:.0f} mm"


def shrink(source: Path, target: Path) -> None:
    """Keep a picture small: at most WIDTH pixels wide, in a palette."""
    image = Image.open(source).convert("RGB")
    image.thumbnail((WIDTH, 10 * WIDTH), Image.Resampling.LANCZOS)
    # The farthest colors first, so that thin contours keep theirs; then the middle of each, so that gray stays gray.
    few = image.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(target, optimize=True)
    print(f"{target} {target.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "pictures")
