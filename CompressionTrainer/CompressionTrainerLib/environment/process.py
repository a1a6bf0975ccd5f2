"""The environment variables that a child process of the trainer is started with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from LiverTumorLib.jobs.protocol import worker_environment


def child_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which a child finds both libraries, made from `base` (default: this process's)."""
    environment = worker_environment(base)
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).resolve().parents[2]), environment["PYTHONPATH"]])
    return environment
