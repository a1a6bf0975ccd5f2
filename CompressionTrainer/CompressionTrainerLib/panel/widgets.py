"""Widgets that hold texts of the parameter node: combo boxes with fixed entries, and paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class TextChoice:
    """A combo box whose entries stand for texts.

    Args:
        box: the QComboBox.
        entries: what the user reads, by the text that it stands for.
        changed: called with the text when the user has chosen.
    """

    def __init__(self, box, entries: Mapping[str, str], changed: Callable[[str], None]) -> None:
        self._box = box
        self._changed = changed
        self._values = list(entries)
        for title in entries.values():
            box.addItem(title)
        box.connect("currentIndexChanged(int)", self._on_index)

    def show(self, value: str) -> None:
        """Show a choice; one that is not among the entries, of another version for example, as none."""
        index = self._values.index(value) if value in self._values else -1
        if index != self._box.currentIndex:
            wasBlocked = self._box.blockSignals(True)
            self._box.setCurrentIndex(index)
            self._box.blockSignals(wasBlocked)

    def _on_index(self, index: int) -> None:
        if 0 <= index < len(self._values):
            self._changed(self._values[index])


class PathChoice:
    """A line for the path of a folder or a file.

    Args:
        edit: the ctkPathLineEdit. It has no name filters, with which it would keep to itself what fits none of them.
        is_file: whether a file is to be chosen; otherwise it is a folder.
        changed: called with the path when it has changed.
    """

    def __init__(self, edit, is_file: bool, changed: Callable[[str], None]) -> None:
        import ctk

        self._edit = edit
        self._changed = changed
        edit.filters = ctk.ctkPathLineEdit.Files if is_file else ctk.ctkPathLineEdit.Dirs
        edit.connect("currentPathChanged(QString)", self._on_path)
        edit.connect("validInputChanged(bool)", self._on_valid)

    def show(self, path: str) -> None:
        """Show a path."""
        if path != self._edit.currentPath:
            wasBlocked = self._edit.blockSignals(True)
            self._edit.currentPath = path
            self._edit.blockSignals(wasBlocked)

    def _on_path(self, path: str) -> None:
        self._changed(path)

    def _on_valid(self, valid: bool) -> None:
        """An empty line counts as no path, of which CTK does not tell as of a change."""
        if not valid:
            self._changed(self._edit.currentPath)
