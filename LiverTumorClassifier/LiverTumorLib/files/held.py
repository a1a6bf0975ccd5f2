"""Working folders that are gone with their process: where it was killed, the next one that starts removes them.

A held folder has a lock in it that lasts as long as its process and that no process number, clock or container can
mistake. Where the file system knows no locks, nothing is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path
from typing import BinaryIO

_LOCK = "lock"
_LOCKED_WITHIN_S = 60.0  # of its making a folder has its lock; killed before, it never gets one


class HeldFolder:
    """An existing folder of this process alone, held until `remove`. Raises OSError where nothing can be written into
    it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if os.name == "nt":  # where an open file cannot be deleted, which is lock enough
            self._file = open(path / _LOCK, "wb")  # noqa: SIM115 - as long as the folder
            return
        unlocked = path / f".{_LOCK}"
        self._file = open(unlocked, "wb")  # noqa: SIM115
        if _lock(self._file):
            os.replace(unlocked, path / _LOCK)  # only now: nobody may find it without its lock

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        if os.name == "nt":
            self._file.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self._file.close()


def remove_abandoned(place: Path, pattern: str) -> None:
    """Remove held folders of this user whose processes are gone."""
    with contextlib.suppress(OSError):
        for folder in place.glob(pattern):
            if _is_own_folder(folder) and (_is_abandoned(folder / _LOCK) or _never_locked(folder)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (not hasattr(os, "getuid") or status.st_uid == os.getuid())


def _never_locked(folder: Path) -> bool:
    """Whether a folder is empty since a while, its process killed between making and locking it."""
    try:
        empty = all(file.name == f".{_LOCK}" for file in folder.iterdir())
        return empty and time.time() - folder.lstat().st_mtime > _LOCKED_WITHIN_S
    except OSError:
        return False


def _is_abandoned(lock: Path) -> bool:
    try:
        if os.name == "nt":
            lock.unlink()
            return True
        with open(os.open(lock, os.O_RDWR | os.O_NOFOLLOW), "rb") as file:
            return _lock(file)
    except OSError:
        return False


def _lock(file: BinaryIO) -> bool:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
