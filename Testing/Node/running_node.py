"""A node as a process of its own, for the tests and the scripts beside this file: started, asked, killed, started
again."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ct_slice import ct_slice
from ports import free_port
from pydicom.dataset import Dataset, FileDataset

AE_TITLE = "LIVERTUMOR"


def target(name: str, ae_title: str, port: int) -> str:
    """The lines of a configuration that send to a DICOM node on this machine."""
    return f'[[targets]]\nname = "{name}"\nae_title = "{ae_title}"\nhost = "127.0.0.1"\nport = {port}\n'


@contextlib.contextmanager
def dicomweb_server(status: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A DICOMweb server that answers every STOW-RS with a status, as long as the block lasts: its address, and the path
    and the Authorization of each request."""
    asked: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.end_headers()
            self.wfile.write(b"{}" if status == 200 else b"[]")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/dicom-web", asked
    finally:
        server.shutdown()


class RunningNode:
    """A node in a folder; leaving the block kills it.

    Args:
        sections: of the configuration: lines by section, "[[targets]]" among them as text in `more`.
        command: what stands before "listen".
        authority: what the page's certificate is signed by, where it speaks HTTPS.
    """

    def __init__(
        self,
        folder: Path,
        more: str = "",
        *,
        command: list[str] | None = None,
        authority: Path | None = None,
        **sections: dict,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self.page_port = folder / "node", free_port(), free_port()
        given = {
            "dicom": {"port": self.port, "quiet_s": 2.0, "settle_s": 0.3, "min_free_gb": 0.0},
            "page": {"port": self.page_port},
        }
        for name, values in sections.items():
            given[name] = given.get(name, {}) | values
        tables = "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
            for name, values in given.items()
        )
        self.configuration = folder / "node.toml"
        self.configuration.write_text(f'folder = "node"\n{tables}{more}', encoding="utf-8")
        self.log = folder / "node.log"
        self.url = f"http{'' if authority is None else 's'}://127.0.0.1:{self.page_port}"
        self._trusted = None if authority is None else ssl.create_default_context(cafile=authority)
        self._command = [*(command or [sys.executable, "-m", "LiverTumorLib.cli"]), "listen", str(self.configuration)]
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> RunningNode:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, timeout: float = 180) -> None:
        """Start, and wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while True:
            try:
                if self.ask("/healthz"):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The node has not started: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut does, if not for what the system has buffered."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """Politely; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def ask(self, path: str) -> str:
        """What the page says."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=20, context=self._trusted) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def figure(self, name: str) -> float:
        """A figure of /metrics, without labels."""
        return next(float(line.split()[1]) for line in self.ask("/metrics").splitlines() if line.startswith(f"{name} "))

    def rows(self, query: str) -> list[tuple]:
        """What the queue holds."""
        database = sqlite3.connect(f"file:{self.folder / 'queue.sqlite'}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()

    def states(self) -> list[str]:
        """The states of all series, by number."""
        return [state for (state,) in self.rows("SELECT state FROM series ORDER BY id")]

    def wait_for(self, holds: Callable[[], bool], timeout: float = 180) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > deadline:
                reasons = self.rows("SELECT id, state, reason FROM series")
                raise AssertionError(f"waited in vain; {reasons}; the log ends with {self.log.read_text()[-1500:]}")
            time.sleep(0.1)


def small_object(study: str, series: str, k: int = 0, size: int = 16, **tags: object) -> FileDataset:
    """A CT slice that is big enough to be one, with a bright spot in it, and with all that a study has."""
    hu = np.full((size, size), 56)
    hu[size // 2 - 2 : size // 2 + 2, size // 2 - 2 : size // 2 + 2] = 276 + k
    values = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "PatientName": "Secret^Name",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "StudyID": "1",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Manufacturer": "",
        "InstanceNumber": k + 1,
        "FrameOfReferenceUID": f"{series[:60]}.1" if series else "",
        "SeriesDescription": "Abdomen",
        "ImagePositionPatient": [0.0, 0.0, 5.0 * k],
        "ImageOrientationPatient": [1.0, 0, 0, 0, 1, 0],
        "PixelSpacing": [10.0, 10.0],
        "SliceThickness": "5",
    }
    return ct_slice(hu, values | tags)


def is_stored(node: RunningNode, data: Dataset) -> bool:
    """Whether an object lies on the node's disk, whole."""
    from pydicom import dcmread

    path = node.folder / "objects" / data.StudyInstanceUID / data.SeriesInstanceUID / f"{data.SOPInstanceUID}.dcm"
    return path.is_file() and dcmread(path).PixelData == data.PixelData
