"""What a child process has handed back, made ready for the scene without touching it, so that the background can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records.options import CaseOutput
from ..records.results import CaseResult
from .layers import Layer
from .percent import in_percent
from .segmentations import numbered_layer
from .volumes import ijk_to_world


@dataclass(frozen=True)
class PreparedCase:
    """An output whose voxels are as nodes have them.

    Attributes:
        result: the figures.
        layer: see `numbered_layer`; None without labels.
        maps: vtkImageData of the probabilities, see `in_percent`.
    """

    result: CaseResult
    layer: Layer | None
    maps: Mapping[str, Any]


def prepare(output: CaseOutput, ijk_to_ras: np.ndarray) -> PreparedCase:
    """Prepare an output of a CT with that matrix. Touches no node."""
    layer = None if output.labels is None else numbered_layer(output.labels, ijk_to_ras)
    maps = {name: in_percent(array) for name, array in output.probabilities.items()}
    return PreparedCase(output.result, layer, maps)


def prepared(output: CaseOutput | PreparedCase, ct_node) -> PreparedCase:
    """An output that is prepared, here and now where it is not yet."""
    return output if isinstance(output, PreparedCase) else prepare(output, ijk_to_world(ct_node))
