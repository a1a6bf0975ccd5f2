"""The time that a network alone takes in each engine, side by side."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from unittest import mock

import numpy as np
from LiverTumorLib.models.bundle import Bundle
from LiverTumorLib.models.runtimes import LiteRT
from machine import environment
from peer import KERAS, ONNX_RUNTIME, OPENVINO, OURS, PLAIN, UNET_2D, UNET_3D

__all__ = ["ENGINES", "OURS", "PLAIN", "UNET_2D", "UNET_3D", "Peer", "compare", "engine"]
ENGINES = (OURS, PLAIN, ONNX_RUNTIME, OPENVINO, KERAS)


@contextlib.contextmanager
def engine(name: str) -> Iterator[None]:
    """Sessions opened within use that engine."""
    if name == OURS:
        yield
        return
    with mock.patch.object(LiteRT, "__init__", partialmethod(LiteRT.__init__, delegates=False)):
        yield


class Peer:
    """An engine in a process of its own; `missing` says why there is none, where its package is not installed."""

    def __init__(self, name: str, model: str, threads: int, slices: int, python: str) -> None:
        command = [python, str(Path(__file__).with_name("peer.py")), name, model, str(threads), str(slices)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        told = self._told()
        self.missing: str | None = told.get("missing")
        self.first = np.array(told.get("first", []), np.float32)

    def time(self) -> dict[str, float]:
        """Milliseconds a slice ("ms"), of computing by all threads ("cpu_ms"), and the process's peak memory so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._told()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _told(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line.startswith("{") else {"missing": "it ended without an answer"}


def compare(
    names: tuple[str, ...], bundle: Bundle, threads: int, slices: int, rounds: int, python: str = sys.executable
) -> tuple[dict[str, list[dict[str, float]]], dict[str, float]]:
    """What `Peer.time` says by engine, one value a round, engines taking turns; and the largest difference between the
    output of the first engine and of each other that runs the same network. Engines that are missing
    (in that `python`) are left out."""
    peers = {}
    for name in names:
        peer = Peer(name, bundle.id, threads, slices, python)
        if peer.missing is None:
            peers[name] = peer
        else:
            print(f"{name} is left out: {peer.missing}", file=sys.stderr, flush=True)
            peer.close()
    times: dict[str, list[dict[str, float]]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            times[name].append(peer.time())
    for peer in peers.values():
        peer.close()
    same = [name for name in peers if name in (PLAIN, ONNX_RUNTIME, OPENVINO)]
    apart = {name: float(np.abs(peers[names[0]].first - peers[name].first).max()) for name in same}
    return times, apart
