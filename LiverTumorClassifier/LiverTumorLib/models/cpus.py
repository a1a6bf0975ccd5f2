"""Which CPUs there are for the networks, and how many."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def available_threads() -> int:
    """CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """What the processor is called."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"^model name\s*: (.+)$", info.read_text() if info.exists() else "", re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()
