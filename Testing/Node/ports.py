"""Ports for servers that the tests start."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

_FIRST, _COUNT = 10_000 + os.getpid() % 100 * 200, 200
_PORTS = itertools.cycle(range(_FIRST, _FIRST + _COUNT))


def free_port() -> int:
    """A port that nobody has, nor gets unasked: systems choose from higher ones. Each process looks in a range of its
    own, so that tests that run side by side do not choose the same."""
    for number in itertools.islice(_PORTS, _COUNT):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
    raise RuntimeError("No port is free.")
