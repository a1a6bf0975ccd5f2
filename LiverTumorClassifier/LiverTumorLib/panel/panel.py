"""What all panels do alike: load their form, keep the parameter node and the form alike, and survive whatever happens
to the scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import Cancelled
from ..mrml import segmentations
from ..mrml.results import CaseNodes
from ..mrml.scans import show_scan
from ..mrml.views import shown_volumes
from ..mrml.volumes import is_map
from .consent import ask_consent
from .models import ModelChooser
from .run_control import RunControl
from .times import remember_times


class Panel(VTKObservationMixin):
    """A module's panel. A subclass says what a run is and how its results look.

    Args:
        module: the module's ScriptedLoadableModuleWidget, whose layout the form is put into.
        logic: the module's logic; the parameter node it gives has an `inputVolume`.
        models: for each parameter that holds a model id, the name of its combo box and the models' task.
    """

    def __init__(self, module, logic, models: dict[str, tuple[str, str]]) -> None:
        VTKObservationMixin.__init__(self)
        self.module = module
        self.logic = logic
        self.parameters: Any = (
            None  # of the class that the module wraps its parameter node with; None while there is none
        )
        self._guiTag = None
        self._ct = None
        self._cards = ""
        form = slicer.util.loadUI(module.resourcePath(f"UI/{module.moduleName}.ui"))
        module.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.choosers = {
            parameter: ModelChooser(getattr(self.ui, box), task, partial(self._choose_model, parameter))
            for parameter, (box, task) in models.items()
        }
        self.run = self.make_run_control()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_scene_closing)
        self.addObserver(scene, scene.EndCloseEvent, self._on_scene_closed)
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_node_removed)
        self.addObserver(scene, scene.EndImportEvent, self._hide_maps)

    def make_run_control(self) -> RunControl:
        """What starts and stops a run."""
        return RunControl(self.ui, self.launch, self.show_results, self.refresh, install=self.install)

    def install(self) -> None:
        """Ask for the user's consent and for missing packages, before a run. Raises RequirementError, Cancelled."""
        bundles = [self.choosers[name].bundle for name in self.needed_models()]
        try:
            ask_consent(bundle for bundle in bundles if bundle is not None)
        except Cancelled as error:
            self.ui.statusLabel.text = str(error)
            raise

    def launch(self, progress, finished):
        """Start a run and return it. Raises LiverTumorError."""
        raise NotImplementedError

    def show_results(self, result: Any) -> str:
        """Show what came of a run, what its class says; returns a line for the status label."""
        raise NotImplementedError

    def show_parameters(self) -> None:
        """Bring what the form does not connect by itself up to date; there is a parameter node when this is called."""

    def on_ct_chosen(self) -> None:
        """Another CT has been chosen: what belongs to the one before must not be taken for its own."""

    def chosen_segmentation(self):
        """The result segmentation that is looked at; None where the panel has none, or it is not of the chosen CT."""

    def own_output(self, output: str, ct_of: Callable):
        """The node of a parameter, None where it belongs to another CT, as `ct_of` says: what is of another stays as it
        is."""
        node = getattr(self.parameters, output)
        return node if node is not None and ct_of(node) in (None, self.parameters.inputVolume) else None

    def let_go_of_others(self, output: str, ct_of: Callable, class_name: str, ct_of_result: Callable) -> None:
        """For `on_ct_chosen`: the liver of another CT is chosen no longer, nor its output, in whose place comes the
        CT's own newest result.

        Args:
            output: the parameter.
            ct_of: the CT of such a node, None where nobody knows.
            class_name, ct_of_result: of nodes that may be results, and their CT, None for nodes that are none.
        """
        parameters = self.parameters
        if self.own_output("liverSegmentation", segmentations.ct_of) is None:
            parameters.liverSegmentation = None
        if self.own_output(output, ct_of) is None:
            nodes = slicer.util.getNodesByClass(class_name)
            setattr(
                parameters,
                output,
                next((node for node in reversed(nodes) if ct_of_result(node) is parameters.inputVolume), None),
            )

    def needed_models(self) -> list[str]:
        """The parameters whose models a run with the present choices uses."""
        return list(self.choosers)

    def problem(self) -> str:
        """Why a run cannot be started; "" when it can."""
        if self.parameters is None or self.parameters.inputVolume is None:
            return _("Choose a CT volume first; load one with the DICOM or the Add Data module.")
        if is_map(self.parameters.inputVolume):
            return _("{name} is a map of probabilities; choose the CT it was made of.").format(
                name=self.parameters.inputVolume.GetName()
            )
        return next((problem for name in self.needed_models() if (problem := self.choosers[name].problem)), "")

    def enter(self) -> None:
        """The module is shown: follow the scene's parameter node."""
        for chooser in self.choosers.values():
            chooser.refresh()
        parameters = self.logic.getParameterNode()
        chosen = self.choose(parameters)  # before the selector is connected, which takes the first volume there is
        self._use(parameters)
        if chosen:
            self.on_ct_chosen()

    def choose(self, parameters) -> bool:
        """Choose a CT for the user where none is chosen yet; whether one was."""
        if not parameters.inputVolume:
            parameters.inputVolume = _likely_volume()
            return parameters.inputVolume is not None
        return False

    def exit(self) -> None:
        """The module is left; a run continues, and its results are put into the scene."""
        self._disconnect()

    def cleanup(self) -> None:
        """The module is unloaded or reloaded."""
        self._use(None)
        self.run.abandon()
        self.removeObservers()

    def refresh(self, caller=None, event=None) -> None:
        """Bring the form up to date with the parameter node and the run."""
        self._hide_maps()
        if self.parameters is not None:
            self._follow_ct()
            for parameter, chooser in self.choosers.items():
                chooser.show(getattr(self.parameters, parameter))
            self.show_parameters()
            self._show_cards()
        self.run.set_ready(self.problem())

    def chosen_meanwhile(self, ct) -> str:
        """A line where another CT was chosen while this one was analyzed, whose results wait for it then; "" else."""
        chosen = self.parameters.inputVolume if self.parameters is not None else None
        if chosen in (None, ct):
            return ""
        show_scan(chosen, segmentation_node=self.chosen_segmentation())
        return _("The results of {name} are in the scene; choose it to see them.").format(name=ct.GetName())

    def learn_times(self, nodes: CaseNodes) -> None:
        """Keep how long the models took, and show it with them."""
        remember_times(nodes.result)
        for chooser in self.choosers.values():
            chooser.refresh()

    def _show_cards(self) -> None:
        """The cards of the models that a run would use, where the panel has any."""
        cards = "\n\n---\n\n".join(self.choosers[name].card for name in self.needed_models())
        if cards != self._cards:
            self.ui.cardText.markdown = cards
            self._cards = cards

    def _choose_model(self, parameter: str, identifier: str) -> None:
        if self.parameters is not None:
            setattr(self.parameters, parameter, identifier)

    def _follow_ct(self) -> None:
        ct = getattr(self.parameters, "inputVolume", None)  # the trainer has none
        if ct is not self._ct:
            before, self._ct = self._ct, ct
            if not self.run.running:
                self.ui.statusLabel.text = ""  # it speaks of the one before
            if ct is not None:
                self.on_ct_chosen()
                show_scan(ct, before, self.chosen_segmentation())

    def _hide_maps(self, caller=None, event=None) -> None:
        """Maps of probabilities are volumes, but no CT: the selector does not offer them."""
        if hasattr(self.ui, "inputSelector"):  # the trainer has none
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            self.ui.inputSelector.sortFilterProxyModel().hiddenNodeIDs = [
                node.GetID() for node in volumes if is_map(node)
            ]

    def _use(self, parameters) -> None:
        self._disconnect()
        self.parameters = parameters
        self._ct = getattr(parameters, "inputVolume", None)  # with a scene that is loaded come its results
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
        self._use(None)  # first, so that nothing is put into the scene anymore
        self.run.abandon()

    def _on_scene_closed(self, caller, event) -> None:
        if self.module.parent.isEntered:
            self.enter()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, caller, event, node) -> None:
        """Somebody deleted the parameter node: a new one is used from now on."""
        if self.parameters is not None and node is self.parameters.parameterNode and not slicer.mrmlScene.IsClosing():
            connected = self._guiTag is not None
            self._use(None)
            if connected:
                self.enter()


def _likely_volume():
    """What the slice views show, else the scene's first volume, but no map of ours and no label map; or None."""
    nodes = [*shown_volumes(slicer.mrmlScene), *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not is_map(node)), None)
