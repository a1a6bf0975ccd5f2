"""What the user chooses for a workflow, kept in the parameter node; what of it can be chosen depends on the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from LiverTumorLib.errors import LiverTumorError
from slicer.i18n import tr as _

from ..workflow.config import NETWORKS
from ..workflow.folder import finished_stages
from ..workflow.request import PATIENT, SLICE, WorkflowChoices, WorkflowRequest, request_workflow, workflow_of
from .stage_list import StageList
from .widgets import PathChoice, TextChoice

FILE = "file"
# By parameter: the widget, and whether it holds a file; the start may also be the id of a model.
_PATHS = {
    "dataFolder": ("dataPath", False),
    "splitFile": ("splitPath", True),
    "configurationFile": ("configurationPath", True),
    "outputFolder": ("outputPath", False),
    "imagenetFile": ("imagenetPath", True),
    "startFile": ("startPath", True),
}


class Choices:
    """The widgets of the sections Data, Model and Advanced.

    Args:
        ui: the panel's widgets.
        parameters: gives the parameter node as it is now, or None.
    """

    def __init__(self, ui, parameters: Callable) -> None:
        self._ui = ui
        self._parameters = parameters
        splits = {
            PATIENT: _("by patient (70/15/15 %)"),
            SLICE: _("slice by slice, as the paper did"),
            FILE: _("from a file"),
        }
        configurations = {
            "paper": _("paper: the classifier paper's pipeline"),
            "fast": _("fast: in minutes, to see that it runs"),
            "best": _("best: as the shipped models are made"),
            "small": _("small: a slice classifier made smaller in every way"),
            FILE: _("a file of your own"),
        }
        networks = {"": _("the configuration's own")} | {
            name: name for name in sorted(path.stem for path in NETWORKS.glob("*.toml"))
        }
        self._texts = {
            "split": TextChoice(ui.splitBox, splits, self._setter("split")),
            "configuration": TextChoice(ui.configurationBox, configurations, self._setter("configuration")),
            "network": TextChoice(ui.networkBox, networks, self._setter("network")),
        }
        self._paths = {
            parameter: PathChoice(getattr(ui, edit), is_file, self._setter(parameter))
            for parameter, (edit, is_file) in _PATHS.items()
        }
        ui.nameEdit.connect("textChanged(QString)", self._setter("modelName"))
        self.stages = StageList(ui.stageTable, lambda left_out: self._setter("leaveOut")(" ".join(left_out)))

    def show(self) -> None:
        """Bring the widgets up to date with the parameter node."""
        parameters, ui = self._parameters(), self._ui
        for name, choice in (self._texts | self._paths).items():
            choice.show(getattr(parameters, name))
        if ui.nameEdit.text != parameters.modelName:
            ui.nameEdit.text = parameters.modelName
        ui.splitPath.enabled = parameters.split == FILE
        ui.skipBadCheckBox.enabled = parameters.split != FILE
        ui.splitLabel.text = _split_text(parameters.split)
        ui.splitLabel.visible = bool(ui.splitLabel.text)
        ui.configurationPath.enabled = parameters.configuration == FILE
        ui.networkBox.enabled = self._network_is_free
        ui.outputLabel.text = _folder_text(parameters.outputFolder)
        ui.outputLabel.visible = bool(ui.outputLabel.text)
        self._show_stages()

    def request(self, until: str | None = None) -> WorkflowRequest:
        """The workflow that is asked for. Raises LiverTumorError where something is missing or does not fit."""
        parameters = self._parameters()
        return request_workflow(
            WorkflowChoices(
                parameters.dataFolder,
                parameters.outputFolder,
                self._configuration,
                network=self._network,
                name=parameters.modelName or None,
                split=parameters.splitFile if parameters.split == FILE else parameters.split,
                leave_out=parameters.leaveOut.split(),
                skip_bad=parameters.skipBad,
                imagenet=parameters.imagenetFile or None,
                start=parameters.startFile or None,
                until=until,
                overwrite=parameters.overwrite,
            )
        )

    @property
    def _configuration(self) -> str:
        parameters = self._parameters()
        return parameters.configurationFile if parameters.configuration == FILE else parameters.configuration

    @property
    def _network(self) -> str | None:
        return self._parameters().network or None if self._network_is_free else None

    @property
    def _network_is_free(self) -> bool:
        """The other presets stand for one network."""
        return self._parameters().configuration in ("best", FILE)

    def _show_stages(self) -> None:
        parameters = self._parameters()
        try:
            names = list(workflow_of(self._configuration, self._network).stages)
        except LiverTumorError:  # `request` tells why
            names = []
        first = [] if parameters.split == FILE else ["prepare"]
        finished = finished_stages(Path(parameters.outputFolder)) if parameters.outputFolder else []
        self.stages.show(first, [name for name in names if name != "prepare"], parameters.leaveOut.split(), finished)

    def _setter(self, parameter: str) -> Callable[[str], None]:
        def put(value: str) -> None:
            parameters = self._parameters()
            if parameters is not None and getattr(parameters, parameter) != value:
                setattr(parameters, parameter, value)

        return put


def _split_text(split: str) -> str:
    if split == SLICE:
        return _(
            "Slices of one patient train and test: they look alike, so the figures are far too good for new patients. "
            "Only for comparison with the paper."
        )
    return ""


def _folder_text(folder: str) -> str:
    """What the output folder holds."""
    if not folder:
        return ""
    finished = finished_stages(Path(folder))
    if finished:
        return _("{count} stages are finished there; Start continues after them.").format(count=len(finished))
    if (Path(folder) / "about.json").is_file():
        return _("A run was started there; Start continues it.")
    return ""
