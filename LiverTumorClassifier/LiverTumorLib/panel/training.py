"""The part of the segmentation panel that adds a corrected case to the data that models are trained on."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..mrml.training import adding_training_case
from .files import ask_folder
from .run_control import RunControl

_SETTING = "LiverTumor/TrainingFolder"  # of the user's settings


class TrainingPart:
    """Asks for the folder once, and adds a case to it with each click.

    Args:
        ui: the panel's widgets: `trainingButton`, `trainingFolderButton`.
        run: the panel's run control, which writes it.
    """

    def __init__(self, ui, run: RunControl) -> None:
        self._ui = ui
        self._run = run
        self._segmentation = self._ct = None
        ui.trainingButton.connect("clicked(bool)", self._add)
        ui.trainingFolderButton.connect("clicked(bool)", self._choose)

    def show(self, segmentation, ct) -> None:
        """Bring the part up to date with the chosen segmentation."""
        self._segmentation, self._ct = segmentation, ct
        self._ui.trainingButton.enabled = segmentation is not None and ct is not None and not self._run.running
        self._ui.trainingButton.toolTip = _(
            "Write the CT and the labels as they are now into the folder of training data: {folder}"
        ).format(folder=self._folder or _("asked for with the first click"))

    @property
    def _folder(self) -> str:
        return str(slicer.app.userSettings().value(_SETTING) or "")

    def _choose(self, checked: bool = False) -> None:
        folder = ask_folder(_("Folder of training data"), self._folder)
        if folder is not None:
            slicer.app.userSettings().setValue(_SETTING, str(folder))
            self.show(self._segmentation, self._ct)

    def _add(self, checked: bool = False) -> None:
        if not self._folder:
            self._choose()
        if folder := self._folder:
            segmentation, ct = self._segmentation, self._ct
            self._run.compute(
                lambda: adding_training_case(segmentation, ct, folder),
                _("Writing the case"),
                _("The case could not be written."),
                lambda name: _("{name} is in {folder}.").format(name=name, folder=folder),
            )
