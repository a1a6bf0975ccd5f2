"""Pixels and results are deleted some days after their series is over; what is known of it stays."""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path

from .configuration import Configuration
from .logs import log
from .queue import Queue
from .store import Store
from .workers import results_folder

_DAY_S = 86400.0
_GOING = ".deleted-"


def delete_past(chosen: Configuration, store: Store, queue: Queue) -> int:
    """Delete the pixels and the results that are past their time; returns of how many series."""
    deleted = _delete_pixels(chosen.keep.pixels_days, store, queue)
    if chosen.keep.results_days is not None:
        deleted += _delete_results(chosen.keep.results_days, chosen.folder, queue)
    return deleted


def _delete_pixels(days: float, store: Store, queue: Queue) -> int:
    deleted = 0
    for series in queue.past(time.time() - days * _DAY_S):
        with store.placing:
            is_past = queue.purge(series)  # first, so that what is half deleted is never taken for whole
            if is_past:
                store.remove_series(series.study, series.uid)
        if is_past:
            log("pixels deleted", series=series.id, images=series.images)
            deleted += 1
    return deleted


def _delete_results(days: float, folder: Path, queue: Queue) -> int:
    deleted, before = 0, time.time() - days * _DAY_S
    for results in sorted(results_folder(folder).iterdir()):
        if results.name.startswith(_GOING):  # the node ended within the deletion
            shutil.rmtree(results)
        elif results.name.isdecimal():
            going = results.with_name(f"{_GOING}{results.name}")
            # Aside first, in one step, so that a series that opens again never meets half of its former results.
            if queue.while_past(int(results.name), before, partial(results.rename, going)):
                shutil.rmtree(going)
                log("results deleted", series=int(results.name))
                deleted += 1
    return deleted
