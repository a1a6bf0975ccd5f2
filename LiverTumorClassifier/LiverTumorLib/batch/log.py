"""What the user is not bothered with but a bug report needs, in a file."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from .. import __version__
from ..errors import LiverTumorError

_PREFIX, _SUFFIX = "livertumor-", ".log"
_KEPT, _LONGEST = 20, 1 << 20  # files of one user, and bytes of one

_own: Path | None = None  # this process's


def write_log(error: BaseException) -> str:
    """Write an error with its traceback (and the worker's log, if it has one) to this process's log file; returns its
    path.

    No more than `_KEPT` such files stay, the newest, and what goes beyond `_LONGEST` is not written: the first errors
    tell most.
    """
    global _own
    try:
        if _own is None:
            descriptor, path = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX)
            os.close(descriptor)
            _own = Path(path)
            _remove_oldest(_own.parent)
        head = f"livertumor {__version__}, Python {platform.python_version()}, {platform.platform()}\n{sys.argv}\n\n"
        text = head + "".join(traceback.format_exception(error)) + "\n"
        with open(_own, "ab") as file:
            file.write(text.encode("utf-8", "backslashreplace")[: max(0, _LONGEST - file.tell())])
    except OSError:
        return "no file, since no temporary file could be written"
    return str(_own)


def _remove_oldest(place: Path) -> None:
    logs = {}
    for path in place.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not hasattr(os, "getuid") or status.st_uid == os.getuid():
                logs[path] = status.st_mtime
    for path in sorted(logs, key=lambda path: logs[path])[:-_KEPT]:
        with contextlib.suppress(OSError):
            path.unlink()


def unexpected(error: Exception) -> LiverTumorError:
    """The sentence for an exception that nobody has foreseen; its traceback goes to a log file."""
    return LiverTumorError(
        f"Something unexpected went wrong ({type(error).__name__}: {error}); details are in {write_log(error)}."
    )


def with_log(error: LiverTumorError) -> LiverTumorError:
    """The error itself; for one that came with a worker's log, the same with the place of that log."""
    if getattr(error, "__notes__", None):
        return type(error)(f"{error} Details are in {write_log(error)}.")
    return error
