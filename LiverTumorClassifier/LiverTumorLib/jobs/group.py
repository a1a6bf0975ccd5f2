"""A child process at the head of a group of its own: Ctrl-C in a terminal reaches only us, and we reach all that it
starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


def start_group(command: Sequence[str], log, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a command with pipes for stdin and stdout and stderr in a file; raises OSError where it cannot be
    started."""
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=environment,
        start_new_session=os.name != "nt",
        creationflags=flags,
    )


def signal_group(process: subprocess.Popen, terminate: bool) -> None:
    """End a process and everything it or a launcher before it started; `terminate` asks first, where the system knows
    asking."""
    if os.name == "nt":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        # macOS says no permission for a group of zombies
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM if terminate else signal.SIGKILL)
