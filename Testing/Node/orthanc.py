"""A real PACS with the node beside it: python Testing/Node/orthanc.py --studies 1 --slices 129 --size 512

Orthanc gets phantom CTs from storescu, routes them to the node by a Lua script of its own, and gets the results back
into the same study; printed is how long each of it took. Needs Orthanc and DCMTK (Debian: orthanc, dcmtk).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from certificates import Certificate
from LiverTumorLib.phantom import make_phantom
from ports import free_port
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from running_node import AE_TITLE, RunningNode, small_object, target

_ROUTE = """
function OnStableSeries(series, tags, metadata)
  if tags['Modality'] == 'CT' then
    RestApiPost('/modalities/NODE/store', series)
  end
end
"""


class Orthanc:
    """An Orthanc in a folder, which knows a node; leaving the block ends it.

    Args:
        node_port: where the node listens.
        routes: send each CT series to the node when it is stable.
        web: the DICOMweb plugin is loaded (Debian: orthanc-dicomweb).
        tls: its DICOM port speaks TLS only.
    """

    def __init__(
        self, folder: Path, node_port: int, *, routes: bool = True, web: bool = False, tls: Certificate | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._http = free_port(), free_port()
        (folder / "route.lua").write_text(_ROUTE)
        self._settings = {
            "Name": "TESTPACS",
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": self._http,
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "StableAge": 1,
            "DicomModalities": {"NODE": [AE_TITLE, "127.0.0.1", node_port]},
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"] if web else [],
            "LuaScripts": [str(folder / "route.lua")] if routes else [],
        }
        if tls is not None:
            self._settings |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(tls.certificate),
                "DicomTlsPrivateKey": str(tls.key),
                "DicomTlsTrustedCertificates": str(tls.authority),
                "DicomModalities": {
                    "NODE": {"AET": AE_TITLE, "Host": "127.0.0.1", "Port": node_port, "UseDicomTls": True}
                },
            }
        (folder / "orthanc.json").write_text(json.dumps(self._settings))
        self._folder = folder
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Orthanc:
        with open(self._folder / "orthanc.log", "ab") as log:
            self._process = subprocess.Popen(["Orthanc", str(self._folder / "orthanc.json")], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("/system")
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    text = (self._folder / "orthanc.log").read_text()
                    raise RuntimeError(f"Orthanc has not started: {text[-1500:]}") from None
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def url(self) -> str:
        """Of its REST API."""
        return f"http://127.0.0.1:{self._http}"

    @property
    def target(self) -> str:
        """The lines of a node's configuration that send to it."""
        return target("orthanc", "ORTHANC", self.port)

    def ask(self, path: str, post: object = None) -> Any:
        """What its REST API answers."""
        body = None if post is None else json.dumps(post).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body), timeout=30) as answer:
            return json.load(answer)

    def modalities(self, study: str) -> list[str]:
        """The modalities of the series of a study, by its UID."""
        found = self.ask("/tools/find", {"Level": "Series", "Query": {"StudyInstanceUID": study}, "Expand": True})
        return sorted(series["MainDicomTags"]["Modality"] for series in found)


def phantom_study(seed: int, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> list[Dataset]:
    """A phantom as a CT series in a study of its own; spacing is (x, y, z)."""
    (study,) = phantom_studies(1, seed, shape, spacing_mm)
    return study


def phantom_studies(
    count: int, seed: int, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> Iterator[list[Dataset]]:
    """The same phantom as the CT of several patients."""
    volume, _ = make_phantom(seed=seed, shape=shape, spacing_mm=spacing_mm)
    for number in range(seed, seed + count):
        yield _slices(number, np.asarray(volume.array), spacing_mm)


def _slices(number: int, hu: np.ndarray, spacing_mm: tuple[float, float, float]) -> list[Dataset]:
    _, rows, columns = hu.shape
    across, down, up = (round(value, 6) for value in spacing_mm)
    tags = {
        "PatientID": f"PHANTOM{number}",
        "PatientName": f"Phantom^{number}",
        "PatientBirthDate": "",
        "PatientSex": "O",
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "StudyID": "1",
        "AccessionNumber": f"A{number}",
        "ReferringPhysicianName": "",
        "Manufacturer": "",
        "SeriesNumber": "2",
        "BodyPartExamined": "ABDOMEN",
        "SeriesDescription": "Abdomen, portal venous phase",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "FrameOfReferenceUID": generate_uid(),
        "PixelSpacing": [down, across],
        "SliceThickness": str(up),
    }
    study, series = generate_uid(), generate_uid()
    slices = []
    for k, plane in enumerate(hu):
        pixels = {
            "Rows": rows,
            "Columns": columns,
            "PixelData": np.clip(plane.astype(int) + 1024, 0, 65535).astype("<u2").tobytes(),
            "ImagePositionPatient": [round(place, 6) for place in (-across * columns / 2, -down * rows / 2, up * k)],
            "InstanceNumber": k + 1,
        }
        slices.append(small_object(study, series, k, **tags, **pixels))
    return slices


def write_study(folder: Path, slices: list[Dataset]) -> str:
    """Write a study as files; returns its UID."""
    folder.mkdir(parents=True)
    for number, data in enumerate(slices):
        data.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return slices[0].StudyInstanceUID


def storescu(folder: Path, port: int, called: str = "ORTHANC", tls: Certificate | None = None) -> None:
    """Send a folder. Raises CalledProcessError."""
    words = [*(tls.dcmtk if tls is not None else []), "-aec", called, "127.0.0.1", str(port), str(folder)]
    subprocess.run(["storescu", "+sd", *words], check=True, timeout=1800, capture_output=True)


def measured(folder: Path, studies: int, shape: tuple[int, int, int], workers: int, tell=print) -> None:
    """Send studies at once and tell how long it took until their results were in the PACS."""
    spacing = (384.0 / shape[2], 384.0 / shape[1], min(260.0 / shape[0], 10.0))
    uids = [
        write_study(folder / f"study{number}", slices)
        for number, slices in enumerate(phantom_studies(studies, 1, shape, spacing))
    ]
    node = RunningNode(folder / "work", dicom={"quiet_s": 60.0, "settle_s": 3.0}, analysis={"workers": workers})
    with Orthanc(folder / "pacs", node.port) as pacs:
        with open(node.configuration, "a") as file:
            file.write(pacs.target)
        with node, ThreadPoolExecutor(studies) as pool:
            begin = time.monotonic()
            sent = [pool.submit(storescu, folder / f"study{number}", pacs.port) for number in range(studies)]
            came = _wait_for_results(node, pacs, uids, begin)
            for each in sent:
                each.result()
            node.wait_for(lambda: node.states() == ["done"] * studies)
            rows = node.rows("SELECT changed - received, started - changed, finished - started FROM series")
    size = "x".join(map(str, reversed(shape)))
    load = os.getloadavg()[0]
    tell(f"studies of {size}: {studies}, each by its own storescu at once; workers: {workers}; load {load:.1f}")
    tell(f"SEG and SR in the PACS: first {min(came):.0f} s, median {median(came):.0f} s, last {max(came):.0f} s")
    for name, seconds in zip(("received within", "waited", "analyzed within"), zip(*rows, strict=True), strict=True):
        tell(f"{name} {min(seconds):.1f} to {max(seconds):.1f} s, median {median(seconds):.1f} s")


def _wait_for_results(node: RunningNode, pacs: Orthanc, uids: list[str], begin: float) -> list[float]:
    """When each study had its SEG and SR, in seconds since `begin`."""
    left, came = list(uids), []
    while left:
        time.sleep(0.5)
        for uid in list(left):
            if {"SEG", "SR"} <= set(pacs.modalities(uid)):
                came.append(time.monotonic() - begin)
                left.remove(uid)
        lost = node.rows("SELECT state, reason FROM series WHERE state IN ('skipped', 'failed')")
        if lost or time.monotonic() - begin > 3600:
            raise SystemExit(f"Not all studies get results: {lost or 'an hour has passed'}")
    return came


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1)
    parser.add_argument("--slices", type=int, default=129)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    if not (shutil.which("Orthanc") and shutil.which("storescu")):
        sys.exit("Orthanc and storescu are needed: apt-get install orthanc dcmtk")
    with tempfile.TemporaryDirectory() as place:
        measured(Path(place), chosen.studies, (chosen.slices, chosen.size, chosen.size), chosen.workers)
