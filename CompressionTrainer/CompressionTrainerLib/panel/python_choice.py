"""The Python that trains, as the user chooses it: kept in the settings of this computer, since a scene may come from
another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..environment.choice import OTHER, OWN, SLICER, TrainerPython, own_folder
from ..mrml.runs import KIND_KEY, PROGRAM_KEY, WHEELS_KEY, Installation, setting
from .widgets import PathChoice, TextChoice


class PythonChoice:
    """The widgets of the section Python.

    Args:
        ui: the panel's widgets.
        changed: called when something else was chosen.
    """

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        self._ui = ui
        self._changed = changed
        kinds = {
            SLICER: _("Slicer's own, nothing it brings is changed"),
            OWN: _("an environment of its own, made for you"),
            OTHER: _("another program"),
        }
        self._kind = TextChoice(ui.pythonBox, kinds, self._setter(KIND_KEY))
        self._path = PathChoice(ui.pythonPath, True, self._setter(PROGRAM_KEY))
        self._wheels = PathChoice(ui.wheelsPath, False, self._setter(WHEELS_KEY))
        self.show()

    def show(self) -> None:
        """Bring the widgets up to date with the settings."""
        kind = setting(KIND_KEY, SLICER)
        self._kind.show(kind)
        self._path.show(setting(PROGRAM_KEY))
        self._wheels.show(setting(WHEELS_KEY))
        self._ui.pythonPath.enabled = kind == OTHER
        self._ui.wheelsPath.enabled = kind != OTHER

    def installation(self, requirements: Path) -> Installation:
        """How packages get into it, once the user has agreed."""
        return Installation(requirements, _ask, Path(wheels) if (wheels := setting(WHEELS_KEY)) else None)

    def tell(self, versions: dict[str, str]) -> None:
        """Say what the chosen Python has."""
        self._ui.pythonLabel.text = ", ".join(f"{name} {version}" for name, version in versions.items() if version)

    def _setter(self, key: str) -> Callable[[str], None]:
        def put(value: str) -> None:
            slicer.app.userSettings().setValue(key, value)
            self._ui.pythonLabel.text = ""
            self.show()
            self._changed()

        return put


def _ask(python: TrainerPython, why: str) -> bool:
    """Whether the user agrees that packages are installed; not while Slicer is tested, where there is no user."""
    if slicer.app.testingEnabled():
        return False
    where = own_folder() if python.kind == OWN else _("Slicer's Python ({path})").format(path=python.executable)
    text = _(
        "{why}\n\nInstall TensorFlow and what else training needs into {where}? That is about 700 MB to download and 3 "
        "GB on the disk; packages that come with Slicer stay as they are. A folder of wheels takes the place of the "
        "internet, see 'Python of the trainer'."
    )
    return bool(slicer.util.confirmOkCancelDisplay(text.format(why=why, where=where)))
