"""What the node tells its keeper: one line of JSON for each event on stderr, for journald or a container's log.

A series is named by its number in the queue, a peer by its AE title and address. Nothing of a patient, and no UID, is
ever logged.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime

_OTHERS = ("pynetdicom", "pydicom", "uvicorn", "dicomweb_client", "urllib3", "distributed", "tornado", "asyncio")
_lock = threading.Lock()


def log(event: str, *, level: str = "info", **fields: object) -> None:
    """Write one event; the fields are numbers, short texts, or None."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event, **fields}
    with _lock:
        try:
            sys.stderr.write(json.dumps(line, ensure_ascii=True, default=str) + "\n")
            sys.stderr.flush()
        except OSError:  # nobody reads; the queue knows the states all the same
            pass


def log_unforeseen(where: str, error: BaseException) -> None:
    """Write an error that nobody has foreseen: its kind and the lines of code, not its text, which may quote a data
    set."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    log("unforeseen", level="error", where=where, error=type(error).__name__, at=" > ".join(frames))


def quiet_others() -> None:
    """The logs of libraries that are imported by now, and of those to come, go nowhere: they quote what peers send."""
    known = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _OTHERS]
    for name in [*_OTHERS, *known]:
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
