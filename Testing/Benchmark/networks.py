"""The two engines, and the time that a network alone takes with each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partialmethod
from unittest import mock

import numpy as np
from LiverTumorLib.models.bundle import Bundle
from LiverTumorLib.models.runtimes import LiteRT
from LiverTumorLib.models.session import open_session

OURS = "LiteRT with XNNPACK"
PEER = "LiteRT without XNNPACK"


@contextlib.contextmanager
def engine(name: str) -> Iterator[None]:
    """Sessions opened within use that engine."""
    if name == OURS:
        yield
        return
    with mock.patch.object(LiteRT, "__init__", partialmethod(LiteRT.__init__, delegates=False)):
        yield


def compare(bundle: Bundle, threads: int, slices: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Milliseconds a slice by engine, one value a round, and the largest difference between the engines' outputs."""
    images = np.random.default_rng(1).integers(0, 256, (slices, *bundle.manifest.input.size, 3), np.uint8)
    sessions = {}
    for name in (OURS, PEER):
        with engine(name):
            sessions[name] = open_session(bundle, threads)
    outputs = {name: session.predict(images[: 2 * threads]) for name, session in sessions.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            begin = time.perf_counter()
            session.predict(images)
            times[name].append((time.perf_counter() - begin) / slices * 1000)
    return times, float(np.abs(outputs[OURS] - outputs[PEER]).max())
