"""The data that a training and all that is made of it look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingData:
    """Where labeled CT lie, how they are divided, and where what networks see of them is kept.

    Attributes:
        folder: the CT and mask files of the split.
        split: the frozen split, a JSON file.
        cache: folder of prepared network slices, which runs share.
    """

    folder: Path
    split: Path
    cache: Path
