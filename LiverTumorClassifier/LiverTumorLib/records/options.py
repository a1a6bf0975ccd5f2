"""What a user may choose for a run; the same records serve the panels, the console, the command line and the job
file."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .results import CaseResult

if TYPE_CHECKING:
    import numpy as np

    from ..ct import CTVolume

# Called with (stage, fraction of the whole run, message). Raises `Cancelled` when the user has stopped the run.
Progress = Callable[[str, float, str], None]


# What the page of a case is among its DICOM objects: an encapsulated PDF, or a Secondary Capture image.
DICOM_PAGES = ("pdf", "capture")

EVIDENCE = "evidence"  # the map of where the slice classifier sees tumor, among `CaseOutput.probabilities`


def no_progress(stage: str, fraction: float, message: str) -> None:
    """The progress receiver of callers that want none."""


@dataclass(frozen=True)
class RunOptions:
    """Choices of one run. Raises UsageError for a value that is out of range or of the wrong kind.

    Attributes:
        liver_model, tumor_model, slice_model: bundle ids, or paths of bundle folders.
        tumor: run stage 2 (tumor); without it only the liver is segmented.
        slices: run the slice classifier.
        roi: look for tumor inside the liver region found by stage 1; False segments tumor straight from the abdomen.
        roi_margin_mm: how far beyond the predicted liver tumor is accepted, since lesions at its border are often
          missed by stage 1.
        liver_threshold, tumor_threshold, slice_threshold: probabilities; None takes the bundle's own.
        min_lesion_ml: smaller connected tumor regions are dropped.
        keep_probabilities: return the liver and tumor probability maps too.
        threads: CPU threads for the networks; None uses all the process may run on.
    """

    liver_model: str = "liver-roi"
    tumor_model: str = "liver-tumor"
    slice_model: str = "tumor-slice"
    tumor: bool = True
    slices: bool = True
    roi: bool = True
    roi_margin_mm: float = 5.0
    liver_threshold: float | None = None
    tumor_threshold: float | None = None
    slice_threshold: float | None = None
    min_lesion_ml: float = 0.1
    keep_probabilities: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("liver_model", "tumor_model", "slice_model"):
            object.__setattr__(self, name, str(getattr(self, name)))  # a Path does not travel in a job file
        for name in ("tumor", "slices", "roi", "keep_probabilities"):
            value = getattr(self, name)
            plain = value.item() if hasattr(value, "item") else value  # of NumPy's
            if not isinstance(plain, bool):
                raise UsageError(f"{name} is {value!r}; it must be True or False.")
            object.__setattr__(self, name, plain)
        for name in ("liver_threshold", "tumor_threshold", "slice_threshold"):
            if getattr(self, name) is not None and not 0 < self._number(name, float) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1.")
        for name in ("roi_margin_mm", "min_lesion_ml"):
            if not 0 <= self._number(name, float) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if self.threads is not None and self._number("threads", operator.index) < 1:
            raise UsageError(f"threads is {self.threads}; it must be at least 1.")

    def _number(self, name: str, kind: Callable[[Any], float]) -> float:
        """Make an option a plain number, which JSON knows (numpy's it does not)."""
        try:
            value = kind(getattr(self, name))
        except (TypeError, ValueError):
            raise UsageError(
                f"{name} is {getattr(self, name)!r}; it must be a {'number' if kind is float else 'whole number'}."
            ) from None
        object.__setattr__(self, name, value)
        return value

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RunOptions:
        """Raises UsageError for a name that is not an option, or a value out of range."""
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise UsageError(
                f"Unknown option {sorted(unknown)[0]!r}; known are {', '.join(f.name for f in fields(cls))}."
            )
        return cls(**data)


@dataclass
class CaseOutput:
    """Everything a run gives back for one case.

    Attributes:
        result: the figures.
        labels: uint8 (k, j, i) on exactly the input's grid, 0 background, 1 liver, 2 tumor; None when nothing was
          segmented.
        probabilities: "liver" and "tumor" float16 maps on the input's grid, when asked for; "evidence" of a run that
          maps it.
        volume: the CT, where the run has read it itself.
    """

    result: CaseResult
    labels: np.ndarray | None = None
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    volume: CTVolume | None = None
