"""A case in an MRML scene: the CT, the segmentation as outlines and surfaces, and where the views look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from ..ct import CTVolume
from ..records.results import Lesion
from .case import ShownCase

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

# Window and level in HU, as radiology's textbooks have them.
WINDOWS = {"Liver": (150.0, 60.0), "Abdomen": (400.0, 50.0), "Lung": (1500.0, -600.0), "Bone": (1800.0, 400.0)}
_LIVER_OPACITY_3D = 0.25  # so that lesions inside are seen
_OUTLINE_PX = 2


class CaseScene:
    """The scene of one case at a time.

    Args:
        app: the application's scene, logics and views.
    """

    def __init__(self, app: SlicerApp) -> None:
        self._app = app
        for view in app.view_manager.get_threed_views():
            # Software rendering, as servers have it, loses translucent surfaces in depth peeling.
            view.renderer().SetUseDepthPeeling(False)
        self._volume: vtkMRMLScalarVolumeNode | None = None
        self._segmentation: vtkMRMLSegmentationNode | None = None
        self._heights: dict[int, float] = {}  # RAS S in mm of the axial slices

    def show(self, case: ShownCase) -> None:
        """Replace what is shown by a case. Raises InputError where its CT cannot be read."""
        volume = case.read_volume()
        for node in (self._volume, self._segmentation):
            if node is not None:
                self._app.scene.RemoveNode(node)
        self._heights = {record.index: record.ras_s for record in case.result.slices}
        self._segmentation = None
        self._volume = self._add_volume(volume)
        if case.segmentation is not None:
            self._segmentation = self._app.io_manager.load_segmentation(case.segmentation)
            _set_up_segments(self._segmentation)
        self._app.display_manager.show_volume_in_slice_background(self._volume)
        self.set_window("Liver")
        self._app.display_manager.reset_views()
        self._app.view_manager.get_threed_views()[0].reset_camera()
        if case.result.lesions:
            self.jump(max(case.result.lesions, key=lambda lesion: lesion.longest_diameter_mm))

    def set_window(self, name: str) -> None:
        """Show the CT with a preset of WINDOWS."""
        if self._volume is not None:
            display = self._volume.GetDisplayNode()
            display.SetAutoWindowLevel(0)
            display.SetWindowLevel(*WINDOWS[name])
            self._render()

    def jump(self, lesion: Lesion) -> None:
        """Have all slices go through a lesion, the axial one where its longest diameter lies."""
        r, a, s = lesion.centroid_ras
        height = self._heights.get(lesion.diameter_slice, s)
        for view in self._app.view_manager.get_slice_views():
            is_axial = view.get_orientation() == "Axial"
            view.get_view_node().JumpSliceByOffsetting(r, a, height if is_axial else s)
        self._render()

    def set_outlines(self, shown: bool) -> None:
        """Show or hide the segmentation in the slices."""
        if self._segmentation is not None:
            self._segmentation.GetDisplayNode().SetVisibility2D(shown)
            self._render()

    def _add_volume(self, volume: CTVolume) -> vtkMRMLScalarVolumeNode:
        image = vtkImageData()
        image.SetDimensions(volume.array.shape[::-1])
        image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(volume.array).ravel(), deep=True))
        to_ras = vtkMatrix4x4()
        to_ras.DeepCopy(volume.ijk_to_ras.ravel().tolist())
        node = self._app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", volume.name)
        node.SetIJKToRASMatrix(to_ras)
        node.SetAndObserveImageData(image)
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        return node

    def _render(self) -> None:
        for view in self._app.view_manager.get_views():
            view.schedule_render()


def _set_up_segments(segmentation: vtkMRMLSegmentationNode) -> None:
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.CreateDefaultDisplayNodes()
    display = segmentation.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(_OUTLINE_PX)
    display.SetVisibility3D(True)
    segments = segmentation.GetSegmentation()
    for number in range(segments.GetNumberOfSegments()):
        is_liver = segments.GetNthSegment(number).GetName().startswith("Liver")
        display.SetSegmentOpacity3D(segments.GetNthSegmentID(number), _LIVER_OPACITY_3D if is_liver else 1.0)
