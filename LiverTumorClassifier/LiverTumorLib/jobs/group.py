"""A child process at the head of a group of its own: Ctrl-C in a terminal reaches only us, and we reach all that it
starts."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO, cast


def start_group(
    command: Sequence[str], log: BinaryIO, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], BinaryIO, io.BufferedReader]:
    """Start a command with stderr in a file; its process, and the pipes to its stdin and from its stdout.

    Raises OSError where it cannot be started.
    """
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=sys.platform != "win32",
        creationflags=flags,
    )
    return process, cast(BinaryIO, process.stdin), cast(io.BufferedReader, process.stdout)


def signal_group(process: subprocess.Popen[bytes], terminate: bool) -> None:
    """End a process and everything it or a launcher before it started; `terminate` asks first, where the system knows
    asking."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        # macOS says no permission for a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM if terminate else signal.SIGKILL)
