"""Pixels are deleted some days after their series is over; what is known of it, and its results, stay."""

from __future__ import annotations

import time

from .configuration import Keeping
from .logs import log
from .queue import Queue
from .store import Store

_DAY_S = 86400.0


def delete_past(keep: Keeping, store: Store, queue: Queue) -> int:
    """Delete the pixels that are past their time; returns of how many series."""
    deleted = 0
    for series in queue.past(time.time() - keep.pixels_days * _DAY_S):
        with store.placing:
            is_past = queue.purge(series)  # first, so that what is half deleted is never taken for whole
            if is_past:
                store.remove_series(series.study, series.uid)
        if is_past:
            log("pixels deleted", series=series.id, images=series.images)
            deleted += 1
    return deleted
