"""A slice view as Slicer draws it: by its own displayable managers, which slicer-core holds and which draw
off-screen."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D", "vtkMRMLMarkupsDisplayableManager")


class SliceViewOfSlicer:
    """An axial view of a scene that no application draws; one that the scene has already is turned to be axial.

    Args:
        scene: with what is drawn; color tables and the logics that drawing needs are added.
        size: pixels of the square view.
        name: of the view in Slicer.
    """

    def __init__(self, scene, size: int = 400, name: str = "Red") -> None:
        self._application = slicer.vtkSlicerApplicationLogic()
        self._application.SetMRMLScene(scene)
        self._application.GetColorLogic().SetMRMLScene(scene)
        self._application.GetColorLogic().AddDefaultColorNodes()
        self._application.SetSliceLogics(vtk.vtkCollection())
        self._application.SetViewLogics(vtk.vtkCollection())
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        self._logics = {
            "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic(),
            "Markups": slicer.vtkSlicerMarkupsLogic(),
        }
        for module, logic in self._logics.items():
            logic.SetMRMLScene(scene)
            logic.SetMRMLApplicationLogic(self._application)
            self._application.SetModuleLogic(module, logic)
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetSize(size, size)
        self._renderer = vtk.vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(self._application)
        for manager in MANAGERS:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.SetRenderer(self._renderer)
        self._group.Initialize(factory, self._renderer)
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(self._application)
        self._application.GetSliceLogics().AddItem(self._logic)
        self._logic.SetMRMLScene(scene)
        self.node = scene.GetNodeByID(f"vtkMRMLSliceNode{name}") or self._logic.AddSliceNode(name)
        self._logic.SetSliceNode(self.node)
        self._group.SetMRMLDisplayableNode(self.node)
        self.node.SetOrientation("Axial")
        self._size = size

    def show(self, ct_node) -> None:
        """Put a CT into the background, in gray, and fit it."""
        ct_node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        self._logic.GetSliceCompositeNode().SetBackgroundVolumeID(ct_node.GetID())
        self._logic.ResizeSliceNode(self._size, self._size)
        self._logic.FitSliceToBackground()

    def draw(self) -> np.ndarray:
        """What is seen: uint8 (y, x, rgb), y upward as in VTK."""
        self._logic.UpdatePipeline()
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        mapper.SetInputConnection(self._logic.GetImageDataConnection())
        background = vtk.vtkActor2D()
        background.SetMapper(mapper)
        background.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(background)
        self._window.Render()
        self._window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self._window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        self._renderer.RemoveViewProp(background)
        image = grabber.GetOutput()
        return (
            vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*image.GetDimensions()[1::-1], -1)[..., :3].copy()
        )

    def at(self, picture: np.ndarray, ras: np.ndarray) -> np.ndarray:
        """The colors (n, 3) of a picture at places (n, 3) in RAS mm."""
        x, y = self._xy(ras)
        return picture[y, x].astype(int)

    def drag(self, start: np.ndarray, end: np.ndarray) -> None:
        """Move the mouse from a place to another (RAS mm) with the left button down, as Slicer's view tells Markups."""
        manager = self._group.GetDisplayableManagerByClassName("vtkMRMLMarkupsDisplayableManager")
        for event, place in (
            (vtk.vtkCommand.MouseMoveEvent, start),
            (vtk.vtkCommand.LeftButtonPressEvent, start),
            (vtk.vtkCommand.MouseMoveEvent, (np.add(start, end)) / 2),
            (vtk.vtkCommand.MouseMoveEvent, end),
            (vtk.vtkCommand.LeftButtonReleaseEvent, end),
        ):
            data = slicer.vtkMRMLInteractionEventData()
            data.SetType(event)
            data.SetViewNode(self.node)
            data.SetRenderer(self._renderer)
            data.SetDisplayPosition([int(value) for value in self._xy(np.array([place]))[:, 0]])
            data.SetWorldPosition([float(value) for value in place])
            distance = vtk.reference(0.0)
            if manager.CanProcessInteractionEvent(data, distance):
                manager.ProcessInteractionEvent(data)

    def _xy(self, ras: np.ndarray) -> np.ndarray:
        """Pixels (2, n), from the left and from below, of places (n, 3) in RAS mm."""
        to_ras = np.array([[self.node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(4)])
        x, y, *_ = np.rint(np.linalg.inv(to_ras) @ np.c_[ras, np.ones(len(ras))].T).astype(int)
        return np.array([x, y])
