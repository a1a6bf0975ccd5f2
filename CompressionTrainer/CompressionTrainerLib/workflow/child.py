"""One stage as a child process: a fresh TensorFlow whose memory is given back, and which can be ended with all it started."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from LiverTumorLib import errors
from LiverTumorLib.jobs.group import signal_group, start_group
from LiverTumorLib.jobs.process import KILL_AFTER_S, LOG_TAIL_BYTES, TERMINATE_AFTER_S
from LiverTumorLib.jobs.protocol import crash_error, error_from_event, parse_event

from ..environment.process import child_environment

PROGRAM = (sys.executable, "-m", "LiverTumorLib.cli")
TICK_S = 0.2
_SENTENCE = "livertumor: "


def run_child(words: Sequence[str], log: Path, listen: Callable[[dict | None], None]) -> None:
    """Run one command to its end.

    Args:
        words: the command line after the program's name.
        log: what the command prints is appended here.
        listen: called with each progress event, and at least every TICK_S seconds with None; what it raises ends the command.

    Raises:
        LiverTumorError: what the command ended with: its own sentence, its own exit code.
        OutputError: the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab", buffering=0) as file:
            file.write(f"\n{datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(words)}\n".encode())
            start = file.tell()
            code, told = _run([*PROGRAM, *words], file, listen)
    except BrokenPipeError:  # nobody reads what we tell
        raise
    except OSError as error:
        raise errors.OutputError(f"{log} cannot be written: {error.strerror or error}.") from error
    if code:
        raise told or _error(code, log, start)


def _run(command: list[str], log, listen: Callable[[dict | None], None]) -> tuple[int, errors.LiverTumorError | None]:
    """Exit code of a command, and the error that it told of by an event."""
    told = None
    try:
        process = start_group(command, log, child_environment())
    except OSError as error:
        raise errors.WorkerError(f"{command[0]} cannot be started: {error.strerror or error}.") from error
    try:
        for line in _lines(process):
            event = parse_event(line) if line else None
            if line and event is None:
                log.write(line)
            elif event and event["event"] == "error":
                told = error_from_event(event)
            listen(event if event and event["event"] == "progress" else None)
        return process.wait(), told
    finally:
        end_process(process)


def _lines(process: subprocess.Popen):
    """The lines that a command prints until it closes its stdout; None where there is none for TICK_S seconds."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put(b"")

    threading.Thread(target=read, name="stage output", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=TICK_S)
        except queue.Empty:
            line = None
        if line == b"":
            return
        yield line


def end_process(process: subprocess.Popen) -> None:
    """End a command and all that it started, if it has not ended itself; in less than the two seconds that a user is promised."""
    try:
        with contextlib.suppress(OSError):
            process.stdin.close()
        if process.poll() is None and not _waited(process, TERMINATE_AFTER_S):
            signal_group(process, terminate=True)
            _waited(process, KILL_AFTER_S)
    finally:
        signal_group(process, terminate=False)  # also where it has ended: what it started may have stayed
        process.wait()


def _waited(process: subprocess.Popen, seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _error(code: int, log: Path, start: int) -> errors.LiverTumorError:
    """The error of a command that has told of none by an event, from its exit code and its last words in the log."""
    with open(log, "rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
        return error_of(code, file.read().decode("utf-8", errors="replace"))


def error_of(code: int, text: str) -> errors.LiverTumorError:
    """The error of a command that has told of none by an event, from its exit code and the end of what it printed."""
    kinds = {kind.exit_code: kind for kind in errors.LiverTumorError.__subclasses__()} | {1: errors.LiverTumorError}
    said = [line.removeprefix(_SENTENCE) for line in text.splitlines() if line.startswith(_SENTENCE)]
    return kinds[code](said[-1]) if said and code in kinds else crash_error(code, text)
