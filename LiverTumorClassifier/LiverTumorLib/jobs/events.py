"""What a worker says while it works: one JSON object a line.

{"event": "progress", "stage": str, "fraction": 0..1, "message": str, "remaining_s": float or null}
{"event": "file", "path": str or null}    a file that is opened by a reader that may crash; null: no more
{"event": "answer", ...}                  from a task that is asked questions, see `dialog`
{"event": "result", "folder": path of the output folder}                the last line of a run that went well
{"event": "error", "kind": name of a class of errors.py, "message": str}   the last line of one that did not
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import errors

Event = dict[str, Any]


@dataclass
class JobState:
    """What is known of a running worker, from the bytes it has printed so far.

    Attributes:
        stage, fraction, message, remaining_s: the latest progress; remaining_s is None while it cannot be told.
        events: every event so far but answers and files, oldest first.
        result_folder: where the results lie, once the worker has said so.
        error: what the worker reported as its end, if it failed.
        file: what a reader that may crash has opened and not yet read.
    """

    stage: str = ""
    fraction: float = 0.0
    message: str = ""
    remaining_s: float | None = None
    events: list[Event] = field(default_factory=list)
    result_folder: Path | None = None
    error: errors.LiverTumorError | None = None
    file: str | None = None
    _rest: bytes = b""

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes from the worker's stdout, in any portions; returns the events completed by them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines if (event := parse_event(line)) and self.take(event)]

    def take(self, event: Event) -> bool:
        """Note one event; False when it is not part of the protocol."""
        kind = event["event"]
        if kind == "progress":
            self.stage, self.fraction, self.message = event["stage"], event["fraction"], event["message"]
            self.remaining_s = event["remaining_s"]
        elif kind == "result":
            self.fraction, self.remaining_s, self.result_folder = 1.0, 0.0, Path(event["folder"])
        elif kind == "error":
            self.error = error_from_event(event)
        elif kind == "file":
            self.file = event["path"]
        elif kind != "answer":
            return False
        if kind not in ("answer", "file"):  # of which there may be any number
            self.events.append(event)
        return True


_Kinds = tuple[type, ...]
_NUMBER: _Kinds = (int, float)
_TEXT: _Kinds = (str,)
_NOTHING: _Kinds = (type(None),)
_FIELDS: dict[str, dict[str, _Kinds]] = {
    "progress": {"stage": _TEXT, "fraction": _NUMBER, "message": _TEXT, "remaining_s": _NUMBER + _NOTHING},
    "result": {"folder": _TEXT},
    "error": {"kind": _TEXT, "message": _TEXT},
    "file": {"path": _TEXT + _NOTHING},
}


def parse_event(line: bytes) -> Event | None:
    """One line of the worker's stdout; None for anything that is not an event (a launcher may print there too)."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    fields = _FIELDS.get(event["event"], {})
    return event if all(isinstance(event.get(name, fields), kinds) for name, kinds in fields.items()) else None


def error_from_event(event: Event) -> errors.LiverTumorError:
    """The exception an error event stands for; WorkerError where its kind is not one of errors.py."""
    kind = getattr(errors, str(event.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.LiverTumorError)):
        kind = errors.WorkerError
    return kind(str(event.get("message")))


def crash_error(exit_code: int, log: str, file: str | None = None) -> errors.LiverTumorError:
    """The error for a worker that ended without a last event.

    Args:
        log: what it wrote to stderr.
        file: what it was reading.
    """
    if file is not None:
        how = "it takes more computing time than its size explains"
        if exit_code != _TOO_SLOW:
            how = f"the process that read it has fallen: {_describe_exit(exit_code)}"
        kind = errors.ReaderError if _is_crash(exit_code) else errors.InputError
        return kind(f"{file} cannot be read ({how}); it is damaged, so copy or export it again, or leave it out.")
    message = f"The analysis process ended without a result ({_describe_exit(exit_code)})"
    last = " / ".join([line.strip() for line in log.splitlines() if line.strip()][-3:])
    return errors.WorkerError(f"{message}; its last words: {last[-400:]}" if last else f"{message}.")


_TOO_SLOW = -getattr(signal, "SIGXCPU", 0) or None


_FROM_OUTSIDE = ("SIGHUP", "SIGINT", "SIGKILL", "SIGTERM")


def _is_crash(code: int) -> bool:
    """Whether a process has fallen by its own doing; Windows' exit codes of crashes are larger than a byte."""
    name = _signal_of(code)
    return code > 255 or (name is not None and name not in _FROM_OUTSIDE)


def _signal_of(code: int) -> str | None:
    number = -code if code < 0 else code - 128  # a shell or a launcher passes a signal on as 128 + its number
    try:
        return signal.Signals(number).name if number > 0 else None
    except ValueError:
        return None


def _describe_exit(code: int) -> str:
    name = _signal_of(code)
    if name == "SIGKILL":
        return "it was killed from outside, most often because memory ran out"
    if name:
        return f"signal {name}"
    # Windows' crash codes are known by their hexadecimal form.
    return f"exit code {code:#x}" if code > 255 else f"exit code {code}"
