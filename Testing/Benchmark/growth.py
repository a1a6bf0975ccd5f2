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
    from benchmark import command, command_rows

    with np.load(ct.with_suffix(".npz")) as file:
        depth, size = file["array"].shape[:2]
    scans = {f"{count} slices": stretched(ct, count, size) for count in SLICES}
    scans |= {f"{size_} x {size_} pixels": stretched(ct, depth, size_) for size_ in IN_PLANE}
    settings = [(name, path, None) for name, path in scans.items()]
    settings += [(f"{cores} of the cores", ct.with_suffix(".nii.gz"), cores) for cores in _core_counts()]
    samples: dict[str, list[dict]] = {name: [] for name, _, _ in settings}
    for number in range(rounds):
        for name, path, cores in settings:
            print(f"growth {name}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            samples[name].append(command([path], cores=cores))
    return [entry for name, runs in samples.items() for entry in command_rows(f"growth, {name}", runs)]


def _core_counts() -> list[int]:
    count = len(os.sched_getaffinity(0))
    return sorted({1, max(count // 2, 1), count})


def stretched(ct: Path, slices: int, size: int) -> Path:
    """The file of the phantom with so many slices of so many rows and columns: voxels are repeated or left out."""
    path = ct.with_name(f"{ct.name}-{slices}x{size}.nii.gz")
    if not path.exists():
        print(f"Making {path.name}", file=sys.stderr, flush=True)
        with np.load(ct.with_suffix(".npz")) as file:
            array, matrix = file["array"], file["ijk_to_ras"]
        picked = [np.arange(new) * old // new for new, old in zip((slices, size, size), array.shape, strict=True)]
        scale = [old / new for new, old in zip((size, size, slices), array.shape[::-1], strict=True)]
        write_volume(path, array[np.ix_(*picked)], matrix @ np.diag([*scale, 1.0]))
    return path
