"""Objects on disk: `objects/<study>/<series>/<object>.dcm`, named by UID, whole or not at all, and there after a power
cut."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_INCOMING = ".incoming"


def is_uid(text: str) -> bool:
    """Whether a text is a UID, and so safe as the name of a file; "" is none."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


class Store:
    """The objects of a node. Its methods raise OSError where the disk does not do what they ask.

    Attributes:
        placing: held by whoever changes which files there are together with what the queue knows of them.
    """

    def __init__(self, folder: Path) -> None:
        self.placing = threading.Lock()
        self._folder = folder
        self._incoming = folder / _INCOMING

    def prepare(self, is_known: Callable[[str, str, str], bool]) -> None:
        """Make the folders, and remove what a killed node has left: half objects, and whole ones that it had not
        acknowledged.

        Args:
            is_known: of study, series and object UID.
        """
        self._incoming.mkdir(parents=True, exist_ok=True)
        for file in self._incoming.iterdir():
            file.unlink()
        for file in self._folder.glob("*/*/*.dcm"):
            if not is_known(file.parent.parent.name, file.parent.name, file.stem):
                file.unlink()

    def folder(self, study: str, series: str) -> Path:
        """Where the objects of a series lie."""
        return self._folder / study / series

    def path(self, study: str, series: str, sop: str) -> Path:
        """Where an object lies."""
        return self.folder(study, series) / f"{sop}.dcm"

    def files(self, study: str, series: str) -> list[Path]:
        """The objects of a series."""
        return sorted(self.folder(study, series).glob("*.dcm"))

    def write_incoming(self, content: bytes) -> Path:
        """Write an object under a name of no meaning; `accept` gives it its place, `refuse` removes it."""
        path = self._incoming / secrets.token_hex(8)
        try:
            with open(path, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.refuse(path)
            raise
        return path

    def accept(self, incoming: Path, study: str, series: str, sop: str) -> None:
        """Give an object its place; it is there after a power cut."""
        path = self.path(study, series, sop)
        new = [parent for parent in (path.parent, path.parent.parent) if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(incoming, path)
        for folder in (path.parent, *(parent.parent for parent in new)):
            _sync_folder(folder)

    def refuse(self, incoming: Path) -> None:
        """Remove an object that has no place."""
        incoming.unlink(missing_ok=True)

    def remove_series(self, study: str, series: str) -> None:
        """Remove the objects of a series."""
        shutil.rmtree(self.folder(study, series), ignore_errors=True)
        with contextlib.suppress(OSError):  # where other series of the study are there
            self.folder(study, series).parent.rmdir()

    def free_bytes(self) -> int:
        """Room on the disk."""
        return shutil.disk_usage(self._folder).free


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # where a folder cannot be opened, and a rename is written with it
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
