"""`livertumor view` of one series at a time, which the page starts when somebody asks for it."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import WorkerError
from .configuration import Page

_START_S = 90.0
_IDLE_MIN = 15
_END_S = 10.0


class Viewer:
    """The viewer of a node whose configuration names its command; it ends when nobody looks, or with `close`."""

    def __init__(self, command: Path, chosen: Page) -> None:
        self._words = [str(command), "view", "--host", chosen.address, "--port", str(chosen.viewer_port)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._shown: Path | None = None
        self._address = ""

    def show(self, folder: Path) -> str:
        """Show the results in a folder, in place of those that were shown; returns port and query of the address.

        Raises WorkerError with what the command says where it does not start.
        """
        with self._lock:
            if self._shown != folder or self._process is None or self._process.poll() is not None:
                self._end()
                self._start(folder)
            return self._address

    def close(self) -> None:
        """Nothing is shown any more."""
        with self._lock:
            self._end()

    def _start(self, folder: Path) -> None:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            words = [*self._words, "--idle-minutes", str(_IDLE_MIN), str(folder)]
            try:
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True
                )
            except OSError as error:
                raise WorkerError(f"{self._words[0]} cannot be run: {error.strerror or error}.") from error
            assert process.stdout is not None
            watch = threading.Timer(_START_S, process.kill)
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            if "?secret=" not in line:
                process.kill()
                process.wait()
                said.seek(0)
                last = said.read().strip().splitlines()[-1:]
                raise WorkerError(last[0] if last else f"{self._words[0]} view has ended without a word.")
        parts = urlsplit(line.strip())
        self._process, self._shown, self._address = process, folder, f"{parts.port}/?{parts.query}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process = self._shown = None
