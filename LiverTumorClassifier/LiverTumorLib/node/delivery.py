"""Results go to the targets, one thread for each so that one that is away holds no other up."""

from __future__ import annotations

from pathlib import Path

from .backoff import delay_s
from .configuration import Target
from .figures import Figures
from .logs import log
from .queue import Queue
from .targets import Away, Sender
from .workers import case_folder


class Deliverer:
    """Sends what waits for one target."""

    def __init__(self, target: Target, sender: Sender, folder: Path, queue: Queue, figures: Figures) -> None:
        self._target, self._sender, self._folder, self._queue, self._figures = target, sender, folder, queue, figures
        self._failures = 0  # in a row: a target that is away is asked for once at a time, not for each series

    def step(self) -> bool:
        """Send the files of one series; False where none is due, or the target is away."""
        waiting = self._queue.next_delivery(self._target.name)
        if not waiting:
            return False
        left = []
        for each in waiting:
            if (self._path(each.series, each.file)).is_file():
                left.append(each)
            else:
                self._queue.delivered(each, "the file is not in the results any more")
        try:
            for verdict in self._sender.send([self._path(each.series, each.file) for each in left]):
                each = left.pop(0)
                self._queue.delivered(each, verdict)
                self._figures.sent.labels(self._target.name, "refused" if verdict else "sent").inc()
                log(
                    "result refused" if verdict else "result sent",
                    series=each.series,
                    target=self._target.name,
                    file=each.file,
                )
        except Away as away:
            self._failures += 1
            wait = delay_s(min(self._failures - 1, max(each.tries for each in left)) if left else 0)
            self._queue.deliver_later(left, f"{self._target.name} is away: {away}", wait)
            self._figures.sent.labels(self._target.name, "put off").inc()
            log("target away", level="warning", target=self._target.name, series=waiting[0].series, seconds=wait)
            return False
        self._failures = 0
        return True

    def _path(self, series: int, file: str) -> Path:
        return case_folder(self._folder, series) / file
