"""Where a user wants a file or a folder of files to be."""

from __future__ import annotations

import re
from pathlib import Path


def ask_path(ct_node, title: str, name: str, kinds: str) -> Path | None:
    """Ask where to save a file on a CT; None where the user has changed their mind.

    Args:
        title: of the dialog.
        name: proposed, after the CT's; its ending is added where the user gives none.
        kinds: of files, as Qt writes them.
    """
    import qt

    proposed = re.sub(r'[<>:"/\\|?*]', "_", f"{ct_node.GetName()} {name}")  # what Windows has no names with
    chosen = qt.QFileDialog.getSaveFileName(None, title, proposed, kinds)
    # PySide's answer, which PythonQt for Qt 6 may share.
    chosen = chosen[0] if isinstance(chosen, tuple) else chosen
    if not chosen:
        return None
    return Path(chosen) if Path(chosen).suffix else Path(chosen + name[name.index(".") :])


def ask_folder(title: str, start: str = "") -> Path | None:
    """Ask for an existing folder, from `start` on; None where the user has changed their mind."""
    import qt

    chosen = qt.QFileDialog.getExistingDirectory(None, title, start)
    return Path(chosen) if chosen else None
