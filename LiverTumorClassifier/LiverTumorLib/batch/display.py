"""What is told of a batch. Progress on a terminal: one line that is rewritten; where the output goes to a file, a plain
line for each new stage."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from typing import TextIO

from ..jobs.protocol import WRITING
from ..jobs.remaining import duration
from ..records.results import CaseResult

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: object) -> str:
    """A text without what a terminal would obey, be it in a file's name: escape codes, and marks that turn the
    direction of writing."""
    return _UNSEEN.sub("?", str(text))


class Display:
    """What a run shows on stderr while it works; results go to stdout through `say`.

    Args:
        quiet: show neither progress nor results, errors only.
    """

    def __init__(self, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._rewrites = self._stream.isatty()
        self._width = 0
        self._head = ""
        self._stages: dict[str, str] = {}

    def begin(self, number: int, total: int, name: str) -> None:
        """What is shown from now on is of this case."""
        self._head = visible(f"[{number}/{total}] {name}: " if total > 1 else f"{name}: ")

    def progress(
        self, stage: str, fraction: float | None = None, message: str = "", remaining_s: float | None = None
    ) -> None:
        """The case's present stage; `fraction` of the whole case is done."""
        if self._quiet:
            return
        if not self._rewrites:
            if stage != self._stages.get(self._head):
                self._show(f"{self._head}{stage}\n")
            self._stages[self._head] = stage
            return
        parts = [f"{self._head}{visible(message or stage)}"]
        if fraction is not None:
            parts.append(f"{100 * fraction:.0f} %")
        if remaining_s:
            parts.append(f"about {duration(remaining_s)} left")
        line = "  ".join(parts)[: shutil.get_terminal_size().columns - 1]
        self._show("\r" + line.ljust(self._width))
        self._width = len(line)

    def event(self, event: dict) -> None:
        """Show an event of a job, but not that the analysis is over: writing its results comes after it."""
        if event["event"] == "progress" and (event["fraction"] < 1 or event["stage"] == WRITING):
            self.progress(event["stage"], event["fraction"], event["message"], event["remaining_s"])

    def say(self, text: str) -> None:
        """A line of the results, on stdout."""
        self.clear()
        if not self._quiet:
            # What has been found is in files; that it cannot be shown, `main` says in the end.
            with contextlib.suppress(OSError):
                print(visible(text), flush=True)

    def warn(self, text: str) -> None:
        """A line that is shown even when quiet, on stderr."""
        self.clear()
        self._show(visible(text) + "\n")

    def clear(self) -> None:
        """Take the progress line away."""
        if self._width:
            self._show("\r" + " " * self._width + "\r")
            self._width = 0

    def _show(self, text: str) -> None:
        with contextlib.suppress(OSError):  # progress that nobody can see stops no work
            self._stream.write(text)
            self._stream.flush()


class CaseDisplay:
    """A display as one of several cases sees it that are worked on at once."""

    def __init__(self, display: Display, number: int, total: int, name: str) -> None:
        self._display, self._place = display, (number, total, name)
        self.say = display.say

    def begin(self) -> None:
        """The case starts."""
        self._display.begin(*self._place)

    def event(self, event: dict) -> None:
        """As of `Display`."""
        self._display.begin(*self._place)
        self._display.event(event)


def describe(result: CaseResult) -> str:
    """A case in one line."""
    summary = result.summary
    parts = []
    if summary.liver_ml is not None:
        parts.append(f"liver {summary.liver_ml:.0f} ml")
    if summary.tumor_ml is not None and summary.lesion_count is not None:
        burden = (
            f", {summary.tumor_burden_percent:.1f} % of the liver" if summary.tumor_burden_percent is not None else ""
        )
        parts.append(
            f"{summary.lesion_count} lesion{'s' * (summary.lesion_count != 1)}, {summary.tumor_ml:.2f} ml{burden}"
        )
    if summary.largest_diameter_mm:
        parts.append(f"largest {summary.largest_diameter_mm:.0f} mm")
    if summary.suspicious_slices:
        parts.append(f"{len(summary.suspicious_slices)} suspicious slices")
    return f"{result.name}: {'; '.join(parts) or 'done'}"
