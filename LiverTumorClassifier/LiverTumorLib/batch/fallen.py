"""Inputs on which a reader has fallen, listed in the output folder, so that no run after it falls there again."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..errors import OutputError, ReaderError
from ..files import read_json, write_json

LIST = "unreadable.json"
_HEAD = (
    "Inputs whose reader crashed, hung or ran out of memory; not tried again until they change or this file is removed."
)


class FallenReaders:
    """The list of one output folder."""

    def __init__(self, out: Path) -> None:
        self._path = out / LIST

    def check(self, attempt: dict) -> None:
        """Raise ReaderError where the very same attempt (input, size, time, how it is read) has failed before."""
        for entry in self._entries():
            if entry["attempt"] == attempt:
                raise ReaderError(
                    f"{entry['reason']} It was not tried again; remove {self._path} to try all such inputs again."
                )

    def add(self, attempt: dict, error: ReaderError) -> None:
        """Take an attempt that has failed into the list; where that cannot be written, the next run tries it again."""
        rest = [
            entry
            for entry in self._entries()
            if entry["attempt"].get("input", {}).get("path") != attempt["input"]["path"]
        ]
        with contextlib.suppress(OutputError):
            write_json(self._path, {"about": _HEAD, "inputs": [*rest, {"attempt": attempt, "reason": str(error)}]})

    def _entries(self) -> list[dict]:
        """What the list holds; nothing where there is none, or somebody has broken it."""
        try:
            entries = read_json(self._path)["inputs"]
            return [
                entry for entry in entries if isinstance(entry["attempt"], dict) and isinstance(entry["reason"], str)
            ]
        except (OSError, ValueError, KeyError, TypeError):
            return []
