"""Makes small labeled CT for the tests of the trainer's data side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHAPE = (8, 24, 28)  # k, j, i
MATRIX = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 20], [0, 0, 5.0, -100], [0, 0, 0, 1]])  # LPS order, 2 x 2 x 5 mm


def make_ct(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """int16 HU (k, j, i): noisy soft tissue in air."""
    rng = np.random.default_rng(seed)
    array = rng.normal(-1000, 15, shape)
    array[:, 4:-4, 4:-4] = rng.normal(60, 25, array[:, 4:-4, 4:-4].shape)
    return array.round().clip(-1020).astype(np.int16)


def make_labels(
    tumor: Sequence[int] = (3, 4), liver: range = range(1, 7), pixels: int = 6, shape: tuple[int, int, int] = SHAPE
) -> np.ndarray:
    """uint8 labels (k, j, i): liver in the slices `liver`, `pixels` pixels of tumor in each of the slices `tumor`."""
    labels = np.zeros(shape, np.uint8)
    labels[liver.start : liver.stop, 6:16, 6:18] = 1
    for k in tumor:
        labels[k, 8, 8 : 8 + pixels] = 2
    return labels


def save(path: Path, array: np.ndarray, matrix: np.ndarray = MATRIX) -> Path:
    """Write (k, j, i) voxels as NIfTI."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.T, matrix), path)
    return path


def make_lits(folder: Path, tumor_slices: Sequence[Sequence[int]]) -> Path:
    """A LiTS folder of cases 0, 1, … with tumor in the slices given for each."""
    for case, tumor in enumerate(tumor_slices):
        save(folder / f"volume-{case}.nii.gz", make_ct(case))
        save(folder / f"segmentation-{case}.nii.gz", make_labels(tumor))
    return folder
