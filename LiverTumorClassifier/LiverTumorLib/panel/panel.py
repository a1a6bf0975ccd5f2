"""What all panels do alike: load their form, keep the parameter node and the form alike, and survive whatever happens
to the scene."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from .run_control import RunControl


class Panel(VTKObservationMixin):
    """A module's panel. A subclass says what a run is and how its results look.

    Args:
        module: the module's ScriptedLoadableModuleWidget, whose layout the form is put into.
        logic: the module's logic, which gives the parameter node.
    """

    def __init__(self, module, logic) -> None:
        VTKObservationMixin.__init__(self)
        self.module = module
        self.logic = logic
        # Of the class that the module wraps its parameter node with; None while there is none.
        self.parameters: Any = None
        self._guiTag = None
        self.ui = SimpleNamespace()  # all widgets of the form, by name
        self.load_form(module.moduleName, module.layout)
        self.run = self.make_run_control()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_scene_closing)
        self.addObserver(scene, scene.EndCloseEvent, self._on_scene_closed)
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_node_removed)

    def load_form(self, name: str, layout) -> None:
        """Put a form, or a part of it that has a file of its own, into a layout; all of it is used as one form."""
        form = slicer.util.loadUI(self.module.resourcePath(f"UI/{name}.ui"))
        layout.addWidget(form)
        vars(self.ui).update(vars(slicer.util.childWidgetVariables(form)))
        form.setMRMLScene(slicer.mrmlScene)
        if self._guiTag is not None:
            self.parameters.disconnectGui(self._guiTag)
            self._guiTag = self.parameters.connectGui(self.ui)

    def make_run_control(self) -> RunControl:
        """What starts and stops a run."""
        return RunControl(self.ui, self.launch, self.show_results, self.refresh, install=self.install)

    def install(self) -> None:
        """Ask for what is missing before a run. Raises RequirementError, Cancelled."""

    def launch(self, progress, finished):
        """Start a run and return it. Raises LiverTumorError."""
        raise NotImplementedError

    def show_results(self, result: Any) -> str:
        """Show what came of a run, what its class says; returns a line for the status label."""
        raise NotImplementedError

    def problem(self) -> str:
        """Why a run cannot be started; "" when it can."""
        raise NotImplementedError

    def on_parameters(self) -> None:
        """Another parameter node, or none, is used from now on; the form is not connected to it yet."""

    def show_parameters(self) -> None:
        """Bring what the form does not connect by itself up to date; there is a parameter node when this is called."""

    def enter(self) -> None:
        """The module is shown: follow the scene's parameter node."""
        self.use(self.logic.getParameterNode())

    def exit(self) -> None:
        """The module is left; a run continues, and its results are put into the scene."""
        self._disconnect()

    def cleanup(self) -> None:
        """The module is unloaded or reloaded."""
        self.use(None)
        self.run.abandon()
        self.removeObservers()

    def refresh(self, caller=None, event=None) -> None:
        """Bring the form up to date with the parameter node and the run."""
        if self.parameters is not None:
            self.show_parameters()
        self.run.set_ready(self.problem())

    def use(self, parameters) -> None:
        """Connect the form with a parameter node, or with none."""
        self._disconnect()
        self.parameters = parameters
        self.on_parameters()
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh)
        self.refresh()

    def _disconnect(self) -> None:
        if self._guiTag is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.refresh)
            self._guiTag = None

    def _on_scene_closing(self, caller, event) -> None:
        self.use(None)  # first, so that nothing is put into the scene anymore
        self.run.abandon()

    def _on_scene_closed(self, caller, event) -> None:
        if self.module.parent.isEntered:
            self.enter()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, caller, event, node) -> None:
        """Somebody deleted the parameter node: a new one is used from now on."""
        if self.parameters is not None and node is self.parameters.parameterNode and not slicer.mrmlScene.IsClosing():
            connected = self._guiTag is not None
            self.use(None)
            if connected:
                self.enter()
