"""What is fuzzed: small valid files, how they are changed, and what takes them. A target may raise LiverTumorError and
nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from record_targets import RECORDS
from scan_targets import SCANS

sys.path += [str(Path(__file__).parents[1] / name) for name in ("Python", "Node")]

TARGETS = {target.name: target for target in (*SCANS, *RECORDS)}
