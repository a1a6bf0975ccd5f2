"""A choice of model for one task: the shipped bundles and the user's, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from slicer.i18n import tr as _

from ..errors import ModelError
from ..models.bundle import Bundle, load_bundle
from ..models.catalogue import SHIPPED, bundle_folders
from .times import known_time


class Models(NamedTuple):
    """The bundles of all tasks, and what is wrong with others, by the name of their folders."""

    bundles: list[Bundle]
    broken: dict[str, str]


def find_models() -> Models:
    """Look which models there are."""
    models = Models([], {})
    for folder in bundle_folders():
        try:
            models.bundles.append(load_bundle(folder))
        except ModelError as error:
            models.broken.setdefault(folder.name, str(error))
    return models


class ModelChooser:
    """A combo box of the bundles of one task; the choice is the bundle's id, also one that is not installed here. Empty
    until `refresh`.

    Args:
        box: the QComboBox.
        task: "liver", "tumor" or "slice".
        changed: called with the id when the user has chosen.
    """

    def __init__(self, box, task: str, changed: Callable[[str], None]) -> None:
        self._box = box
        self._task = task
        self._changed = changed
        self._chosen = ""
        self._ids: list[str] = []
        self._installed: dict[str, Bundle] = {}
        self._broken: dict[str, str] = {}  # what is wrong, by the name of the folder
        box.connect("currentIndexChanged(int)", self._on_index)

    @property
    def problem(self) -> str:
        """Why the chosen model cannot be used; "" where it can."""
        if self._chosen in self._installed:
            return ""
        missing = _("Model '{id}' is not installed; choose another one.").format(id=self._chosen)
        return self._broken.get(self._chosen, missing)

    @property
    def bundle(self) -> Bundle | None:
        """The chosen model; None where it is not installed."""
        return self._installed.get(self._chosen)

    @property
    def card(self) -> str:
        """The chosen model's card (Markdown), or why there is none."""
        bundle = self.bundle
        return (bundle.card or f"# {bundle.title}") if bundle is not None else self.problem

    def show(self, identifier: str) -> None:
        """Show a choice, from a saved scene for example."""
        if identifier != self._chosen:
            self._chosen = identifier
            self._fill()

    def refresh(self, models: Models) -> None:
        """Offer the models that there are now."""
        self._installed, self._broken = {}, models.broken
        for bundle in models.bundles:
            if bundle.manifest.task == self._task:
                self._installed.setdefault(bundle.id, bundle)
        self._fill()

    def _fill(self) -> None:
        wasBlocked = self._box.blockSignals(True)
        self._box.clear()
        self._ids = list(self._installed)
        for bundle in self._installed.values():
            self._box.addItem(_describe(bundle))
        if self._chosen and self._chosen not in self._ids:
            self._ids.append(self._chosen)
            self._box.addItem(_("{id}: model not installed").format(id=self._chosen))
        self._box.setCurrentIndex(self._ids.index(self._chosen) if self._chosen in self._ids else -1)
        self._box.blockSignals(wasBlocked)
        self._box.toolTip = "\n".join([self._tooltip(), *self._broken.values()])

    def _tooltip(self) -> str:
        bundle = self.bundle
        if bundle is None:
            return self.problem
        whose = _("shipped") if bundle.folder.parent == SHIPPED else _("one of yours")
        known = known_time(bundle) is not None
        time = (
            _("time on this computer in its latest run")
            if known
            else _("its time on this computer is known after a run")
        )
        return _("{title} ({whose}; {time}). See 'About the models'.").format(
            title=bundle.title, whose=whose, time=time
        )

    def _on_index(self, index: int) -> None:
        if 0 <= index < len(self._ids):
            self._chosen = self._ids[index]
            self._box.toolTip = "\n".join([self._tooltip(), *self._broken.values()])
            self._changed(self._chosen)


def _describe(bundle: Bundle) -> str:
    """Name, size and time of a model in one short line."""
    size = sum(entry["bytes"] for entry in bundle.manifest.files.values()) / 1e6
    parts = [f"{bundle.id} {bundle.manifest.version}", f"{size:.1f} MB"]
    if (seconds := known_time(bundle)) is not None:
        parts.append(_("{ms:.0f} ms/slice").format(ms=1000 * seconds))
    return ", ".join(parts)
