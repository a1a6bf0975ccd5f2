"""DICOM objects to a node of the user's choice: by DCMTK's storescu, which Slicer brings, or to a DICOMweb server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutputError
from .web_sender import Away, WebSender

_CONNECT_S, _ANSWER_S = 15, 60
# What storescu says, and what that means for a user.
_REFUSALS = (
    ("Called AE Title Not Recognized", "it does not call itself {title}; check the AE title"),
    ("Calling AE Title Not Recognized", "it does not know this computer; let STORESCU be added to those it takes from"),
    ("unknown host", "there is no such computer; check the address"),
    ("No presentation context", "it takes no {object}"),
    ("TLS", "the secure connection fails; check the certificates in Slicer's settings"),
    ("Connection refused", "nobody listens there; check the port, and whether the node is running"),
    ("TCP Initialization Error", "it cannot be reached; check the address and the network"),
    ("Association Rejected", "it refuses to talk; ask whoever runs it"),
    ("Association Request Failed", "it does not answer as a DICOM node does; check the port"),
    ("OutOfResources", "it has no room left"),
)
_OBJECTS = {"seg": "segmentation objects", "sr": "structured reports", "pdf": "PDF documents", "sc": "pictures"}


@dataclass(frozen=True)
class Destination:
    """Where objects go.

    Attributes:
        url: of a DICOMweb server; "" for a DICOM node, which has the next four.
        host, port, title: address and AE title of a node.
        command: storescu, and what it needs for TLS.
        user, password: for a DICOMweb server; "" without.
    """

    url: str = ""
    host: str = ""
    port: int = 0
    title: str = ""
    command: Sequence[str] = ()
    user: str = ""
    password: str = ""

    @property
    def name(self) -> str:
        """What a user calls it."""
        return self.url or f"{self.title} at {self.host}:{self.port}"


def send(folder: Path, destination: Destination) -> None:
    """Send all DICOM files of a folder, the segmentation first, which the report refers to.

    Raises:
        OutputError: not all of them have arrived; sending them again does no harm, for they keep their UIDs.
    """
    files = sorted(folder.glob("*.dcm"), key=lambda file: (not file.name.endswith(".seg.dcm"), file.name))
    if destination.url:
        arrived, why = _by_web(files, destination)
    else:
        arrived, why = _by_storescu(files, destination)
    if arrived < len(files):
        raise OutputError(
            f"{destination.name} has taken {arrived or 'none'} of the {len(files)} DICOM objects: {why}. Sending them "
            "again does no harm."
        )


def _by_web(files: Sequence[Path], destination: Destination) -> tuple[int, str]:
    """How many have arrived, and why no more."""
    import requests

    session = requests.Session()
    if destination.user or destination.password:
        session.auth = (destination.user, destination.password)
    arrived = 0
    try:
        for refused in WebSender(destination.url, session, _ANSWER_S).send(files):
            if refused:
                return arrived, f"it refuses {_kind(files[arrived])} ({refused})"
            arrived += 1
    except Away as away:
        return arrived, str(away)
    return arrived, ""


def _by_storescu(files: Sequence[Path], destination: Destination) -> tuple[int, str]:
    """As `_by_web`. One association proposes what the files need: storescu's usual list has neither segmentations nor
    Comprehensive 3D SR."""
    program, *tls = destination.command
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    waits = ["-to", str(_CONNECT_S), "-ta", str(_CONNECT_S), "-td", str(_ANSWER_S)]
    where = ["-aec", destination.title, destination.host, str(destination.port)]
    try:
        ended = subprocess.run(
            [program, "-v", "-R", *tls, *waits, *where, *map(str, files)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            encoding="utf-8",
            errors="replace",
            creationflags=flags,
        )
    except OSError as error:
        return 0, f"{program}, which would send them, cannot be started ({error.strerror})"
    arrived = len(re.findall(r"Received Store Response \((?:Success|Warning)", ended.stdout))
    if ended.returncode == 0 and arrived == len(files):
        return arrived, ""
    kind = _kind(files[min(arrived, len(files) - 1)])
    return arrived, next(_reasons(ended.stdout, destination.title, kind))


def _reasons(said: str, title: str, kind: str) -> Iterator[str]:
    """Why, the best first."""
    for words, meaning in _REFUSALS:
        if words in said:
            yield meaning.format(title=title, object=kind)
    if answers := re.findall(r"Received Store Response \(([^)]+)\)", said):
        yield f"it answers {answers[-1]!r} to {kind}"
    problems = re.findall(r"^[EF]: (.+)$", said, re.MULTILINE)
    yield problems[-1].strip() if problems else "it has broken off"


def _kind(file: Path) -> str:
    return _OBJECTS.get(file.name.removesuffix(".dcm").rpartition(".")[2], file.name)
