"""What an export may be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..settings import option, weights_option


@dataclass(frozen=True)
class ExportSettings:
    """Which weights of a run become a model, the model's version, and where its operating point comes from.

    Attributes:
        operating_point: of a refit, which has no patients left to choose on: the model, or the folder of the
            cross-validation, whose threshold and calibration it takes.
    """

    weights: str = weights_option()
    version: str = option("0.1.0", "version of the model (default: %(default)s)", metavar="X.Y.Z")
    operating_point: Path | None = option(
        None,
        "for a refit, which has no val patients left to choose on: the model, or the folder of a cross-validation, "
        "whose threshold and calibration to use",
        metavar="MODEL",
    )
