"""What the user is not bothered with but a bug report needs, in a file."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback

from .. import __version__
from ..errors import LiverTumorError


def write_log(error: BaseException) -> str:
    """Write an error with its traceback (and the worker's log, if it has one) to a file of its own; answers with its path."""
    head = f"livertumor {__version__}, Python {platform.python_version()}, {platform.platform()}\n{sys.argv}\n\n"
    try:
        descriptor, path = tempfile.mkstemp(prefix="livertumor-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(head + "".join(traceback.format_exception(error)))
    except OSError:
        return "no file, since no temporary file could be written"
    return path


def unexpected(error: Exception) -> LiverTumorError:
    """The sentence for an exception that nobody has foreseen; its traceback goes to a log file."""
    return LiverTumorError(f"Something unexpected went wrong ({type(error).__name__}: {error}); details are in {write_log(error)}.")


def with_log(error: LiverTumorError) -> LiverTumorError:
    """The error itself; for one that came with a worker's log, the same with the place of that log."""
    if getattr(error, "__notes__", None):
        return type(error)(f"{error} Details are in {write_log(error)}.")
    return error
