"""One labeled case as arrays: CT and mask on one grid, in axial order. All that looks at labeled data reads it here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_ct, read_labels
from LiverTumorLib.jobs import Source, start_job
from LiverTumorLib.records.options import CaseOutput, Progress, RunOptions
from LiverTumorLib.records.results import TUMOR, CaseResult, CaseSummary

from ..environment.process import child_environment
from .ircadb import read_structures
from .splits import LabeledCase


@dataclass(frozen=True)
class Labeled:
    """CT and mask of a case, both in axial order: `labels` uint8 (k, j, i), 0 background, 1 liver, 2 tumor."""

    volume: CTVolume
    labels: np.ndarray

    def areas_mm2(self, mask: np.ndarray) -> np.ndarray:
        """Area of a mask (k, j, i) in each axial slice."""
        return np.count_nonzero(mask, axis=(1, 2)) * float(self.volume.spacing[0] * self.volume.spacing[1])


def read_case(case: LabeledCase) -> Labeled:
    """Read CT and mask of a case; one without liver has no mask, and its labels are all 0.

    The mask may be stored in another order of axes than its CT, as DICOM and NIfTI do, but must lie on the same voxels.

    Raises:
        InputError: a file is missing, damaged or not what it should be, the mask has other labels than 0, 1 and 2, or
            it lies on another grid than the CT.
    """
    volume = read_ct(case.ct)
    if case.mask is None:
        axial = to_axial(volume).volume
        return Labeled(axial, np.zeros(axial.shape, np.uint8))
    labels, matrix = read_structures(case.mask) if case.mask.is_dir() else read_labels(case.mask)
    if labels.max() > TUMOR:
        unknown = ", ".join(str(value) for value in np.unique(labels) if value > TUMOR)
        raise InputError(
            f"{case.mask} has the label values {unknown}; use 0 background, 1 liver, 2 tumor, and no others."
        )
    view = to_axial(volume)
    if labels.shape == volume.shape and _apart_mm(matrix, volume.ijk_to_ras, labels.shape) <= _tolerance_mm(volume):
        return Labeled(view.volume, view.bring(labels))
    axial = to_axial(CTVolume(labels, matrix)).volume
    if axial.shape != view.volume.shape:
        sizes = [" x ".join(map(str, shape[::-1])) for shape in (labels.shape, volume.shape)]
        raise InputError(
            f"{case.mask} has {sizes[0]} voxels and its CT {sizes[1]}; "
            f"take the mask that belongs to this CT, or resample it onto the CT's grid.{_said(volume)}"
        )
    apart = _apart_mm(axial.ijk_to_ras, view.volume.ijk_to_ras, axial.shape)
    if apart > _tolerance_mm(volume):
        # Of one size, mask and CT mostly belong together and only a header is wrong; resampling would follow that
        # header.
        raise InputError(
            f"{case.mask} has as many voxels as its CT, but by its header ({_differing(matrix, volume.ijk_to_ras)}) it "
            f"lies up to {apart:.3g} mm away from them; look whether the two fit voxel by voxel, and if so copy the "
            f"CT's header to the mask.{_said(volume)}"
        )
    return Labeled(view.volume, axial.array)


def read_case_apart(case: LabeledCase) -> Labeled:
    """`read_case` in a child process, in which a file on which a native reader crashes is an InputError too."""
    mask = os.path.abspath(case.mask) if case.mask else None
    source = Source((os.path.abspath(case.ct), mask), f"{__name__}:_read_files")
    output = start_job(
        "read", source, RunOptions(), entry=f"{__name__}:_hand_over", environment=child_environment()
    ).wait()
    assert output.volume is not None and output.labels is not None  # `_hand_over` gives both
    return Labeled(output.volume, output.labels)


def _read_files(ct: str, mask: str | None) -> Labeled:
    return read_case(LabeledCase("", "", Path(ct), Path(mask) if mask else None))


def _hand_over(labeled: Labeled, options: RunOptions, progress: Progress) -> CaseOutput:
    """The task of the child that only reads."""
    return CaseOutput(CaseResult(labeled.volume.name, CaseSummary()), labeled.labels, volume=labeled.volume)


def _differing(one: np.ndarray, other: np.ndarray) -> str:
    """Which parts of two IJK to RAS matrices differ."""
    sizes = [np.linalg.norm(matrix[:3, :3], axis=0) for matrix in (one, other)]
    parts = {
        "voxel size": np.allclose(sizes[0], sizes[1], rtol=1e-3),
        "orientation": np.allclose(one[:3, :3] / sizes[0], other[:3, :3] / sizes[1], atol=1e-3),
        "origin": np.allclose(one[:3, 3], other[:3, 3], atol=1e-2),
    }
    return " and ".join(f"another {part}" for part, same in parts.items() if not same)


def _said(volume: CTVolume) -> str:
    """What was found while the CT was read, which may be why its mask does not fit."""
    return f" When the CT was read: {' '.join(volume.notes)}" if volume.notes else ""


def _tolerance_mm(volume: CTVolume) -> float:
    """Headers are rounded; half a voxel is more than that."""
    return 0.5 * float(volume.spacing.min())


def _apart_mm(one: np.ndarray, other: np.ndarray, shape: tuple[int, int, int]) -> float:
    """How far the same corner of a grid of `shape` (k, j, i) lies apart in two geometries."""
    corners = np.array([[i, j, k, 1] for i in (0, shape[2] - 1) for j in (0, shape[1] - 1) for k in (0, shape[0] - 1)])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())
