"""What the panels that analyze a CT do alike: choose it and the models, show it, and keep results of others apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import slicer
from slicer.i18n import tr as _

from ..errors import Cancelled
from ..mrml.case_nodes import CaseNodes
from ..mrml.case_nodes import ct_of as ct_of_segmentation
from ..mrml.nodes import is_map
from ..mrml.scans import show_scan
from ..mrml.views import shown_volumes
from .models import ModelChooser, find_models
from .panel import Panel
from .times import remember_times


class CTPanel(Panel):
    """The panel of a module that analyzes a CT, the `inputVolume` of its parameter node.

    Args:
        module, logic: see `Panel`.
        models: for each parameter that holds a model id, the name of its combo box and the models' task.
    """

    def __init__(self, module, logic, models: dict[str, tuple[str, str]]) -> None:
        super().__init__(module, logic)
        self._ct = None
        self._cards = ""
        self.choosers = {
            parameter: ModelChooser(getattr(self.ui, box), task, partial(self._choose_model, parameter))
            for parameter, (box, task) in models.items()
        }
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._hide_maps)

    def install(self) -> None:
        """Ask for the user's consent to the licenses of the models. Raises RequirementError, Cancelled."""
        from .consent import ask_consent  # a panel opens without it

        bundles = [self.choosers[name].bundle for name in self.needed_models()]
        try:
            ask_consent(bundle for bundle in bundles if bundle is not None)
        except Cancelled as error:
            self.ui.statusLabel.text = str(error)
            raise

    def on_parameters(self) -> None:
        # With a scene that is loaded come its results.
        self._ct = None if self.parameters is None else self.parameters.inputVolume

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
        if self.own_output("liverSegmentation", ct_of_segmentation) is None:
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
        self._look_for_models()
        parameters = self.logic.getParameterNode()
        chosen = _choose(parameters)  # before the selector is connected, which takes the first volume there is
        self.use(parameters)
        if chosen:
            self.on_ct_chosen()

    def refresh(self, caller=None, event=None) -> None:
        self._hide_maps()
        if self.parameters is not None:
            self._follow_ct()
            for parameter, chooser in self.choosers.items():
                chooser.show(getattr(self.parameters, parameter))
            self._show_cards()
        super().refresh()

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
        self._look_for_models()

    def _look_for_models(self) -> None:
        models = find_models()
        for chooser in self.choosers.values():
            chooser.refresh(models)

    def _show_cards(self) -> None:
        """The cards of the models that a run would use."""
        cards = "\n\n---\n\n".join(self.choosers[name].card for name in self.needed_models())
        if cards != self._cards:
            self.ui.cardText.markdown = cards
            self._cards = cards

    def _choose_model(self, parameter: str, identifier: str) -> None:
        if self.parameters is not None:
            setattr(self.parameters, parameter, identifier)

    def _follow_ct(self) -> None:
        ct = self.parameters.inputVolume
        if ct is not self._ct:
            before, self._ct = self._ct, ct
            if not self.run.running:
                self.ui.statusLabel.text = ""  # it speaks of the one before
            if ct is not None:
                self.on_ct_chosen()
                show_scan(ct, before, self.chosen_segmentation())

    def _hide_maps(self, caller=None, event=None) -> None:
        """Maps of probabilities are volumes, but no CT: the selector does not offer them."""
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        self.ui.inputSelector.sortFilterProxyModel().hiddenNodeIDs = [node.GetID() for node in volumes if is_map(node)]


def _choose(parameters) -> bool:
    """Choose a CT for the user where none is chosen yet; whether one was."""
    if parameters.inputVolume:
        return False
    parameters.inputVolume = _likely_volume()
    return parameters.inputVolume is not None


def _likely_volume():
    """What the slice views show, else the scene's first volume, but no map of ours and no label map; or None."""
    nodes = [*shown_volumes(slicer.mrmlScene), *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not is_map(node)), None)
