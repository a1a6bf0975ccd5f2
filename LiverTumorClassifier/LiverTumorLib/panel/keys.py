"""Keys of a panel, which work wherever the user is in Slicer's window while the module is open."""

from __future__ import annotations

from collections.abc import Callable

import slicer


class Keys:
    """Single keys; text fields that have the focus get them as letters, as always.

    Args:
        form: the panel's widget, for where there is no main window.
        actions: what a key does, by the key's name in Qt.
    """

    def __init__(self, form, actions: dict[str, Callable[[], None]]) -> None:
        self._form = form
        self._actions = actions
        self._shortcuts: list = []

    def on(self) -> None:
        """Listen to the keys."""
        import qt

        self.off()
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), slicer.util.mainWindow() or self._form)
            shortcut.connect("activated()", action)
            self._shortcuts.append(shortcut)

    def off(self) -> None:
        """Leave the keys to others."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
