"""How time and memory of the command line grow with slices, pixels and cores."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from LiverTumorLib.batch.folder import write_volume

SLICES, IN_PLANE = (64, 129, 256, 512, 600, 1024), (256, 512, 1024)


def rows(ct: Path, rounds: int) -> list[dict]:
    """Rows of the command line on the phantom with thinner or thicker slices and finer or coarser pixels, all of the
    same body, and on fewer cores; sizes take turns."""
    from benchmark import COMMAND, command, row

    with np.load(ct.with_suffix(".npz")) as file:
        array, matrix = file["array"], file["ijk_to_ras"]
    depth, size = array.shape[0], array.shape[1]
    scans = {f"{count} slices": _stretched(ct, array, matrix, count, size) for count in SLICES}
    scans |= {f"{size_} x {size_} pixels": _stretched(ct, array, matrix, depth, size_) for size_ in IN_PLANE}
    settings = [(name, path, None) for name, path in scans.items()]
    settings += [(f"{cores} of the cores", ct.with_suffix(".nii.gz"), cores) for cores in _core_counts()]
    samples: dict[str, list[dict]] = {name: [] for name, _, _ in settings}
    for number in range(rounds):
        for name, path, cores in settings:
            print(f"growth {name}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            samples[name].append(command([path], cores=cores))
    return [
        row(f"growth, {name}", key, unit, [run[key] for run in runs])
        for name, runs in samples.items()
        for key, unit in COMMAND.items()
    ]


def _core_counts() -> list[int]:
    count = len(os.sched_getaffinity(0))
    return sorted({1, max(count // 2, 1), count})


def _stretched(ct: Path, array: np.ndarray, matrix: np.ndarray, slices: int, size: int) -> Path:
    """The phantom with so many slices of so many rows and columns: voxels are repeated or left out."""
    path = ct.with_name(f"{ct.name}-{slices}x{size}.nii.gz")
    if not path.exists():
        picked = [np.arange(new) * old // new for new, old in zip((slices, size, size), array.shape, strict=True)]
        scale = [old / new for new, old in zip((size, size, slices), array.shape[::-1], strict=True)]
        write_volume(path, array[np.ix_(*picked)], matrix @ np.diag([*scale, 1.0]))
    return path
