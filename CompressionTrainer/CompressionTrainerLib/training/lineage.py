"""What a run that was made from another inherits of its story."""

from __future__ import annotations

import json
from pathlib import Path

_INHERITED = ("imagenet", "distillation", "slimming", "pruning")


def lineage(run: Path) -> dict:
    """What a run's record says of how its network came about; a run made from it says so too."""
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return {key: record[key] for key in _INHERITED if key in record}
