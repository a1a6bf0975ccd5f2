"""Whether two CT are one scan, told by what they show: however they were compressed, windowed, thinned out, cut or
stored.

A signature holds a thumbnail of 5 x 5 cells, each 54 x 72 mm large and centered on the body, for every 6 mm of a scan:
about a kilobyte, in which no one can be recognized. The thumbnails of a scan are points on a curve in 25 dimensions.
Scans are one where half of the points of the shorter curve lie on the longer one, so that neither the first slice nor
the distance of the slices matters.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial

from .identity import fingerprint, voxels_sha256

CELLS = 5
BOX_MM = (270.0, 360.0)  # front to back, right to left
PITCH_MM = 6.0
WINDOW_HU = (0.0, 100.0)  # narrower than those to which published scans are clipped, so that these change nothing
# In HU, root mean square of the cells. One scan in two files lay within 1.8 (at 6 mm a pixel, 2.2), and those of
# different people 3 apart: see Docs/training.md.
SAME_HU = 2.0
AKIN_HU = 3.1  # below it: perhaps one person
SHARE, LEAST_PLANES, LEAST_SPREAD_HU = 0.5, 5, 2.0


@dataclass(frozen=True)
class Signature:
    """What identifies a scan.

    Attributes:
        voxels: SHA-256 of its voxels in axial order, in whole HU.
        planes: uint8 (n, CELLS * CELLS), from feet to head: the mean of each cell within WINDOW_HU, in HU above its
          lower end.
    """

    voxels: str
    planes: np.ndarray

    def to_dict(self) -> dict[str, str]:
        """The form that JSON files hold."""
        return {"voxels": self.voxels, "planes": base64.b64encode(self.planes.tobytes()).decode()}

    @classmethod
    def from_dict(cls, content: dict) -> Signature:
        """Raises ValueError, KeyError or TypeError where the content is not a signature."""
        planes = np.frombuffer(base64.b64decode(content["planes"], validate=True), np.uint8)
        return cls(content["voxels"], planes.reshape(-1, CELLS * CELLS))


def sign(volume: CTVolume) -> Signature:
    """The signature of a CT in any order of axes."""
    axial = to_axial(volume).volume
    return Signature(voxels_sha256(axial.array), _planes(axial))


def sign_file(path: Path) -> Signature:
    """The signature of a CT file or DICOM folder, which is read once while it stays as it is; raises InputError where
    it is not a CT."""
    from LiverTumorLib.errors import InputError

    try:
        return _sign_file(path, str(fingerprint(path)))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}); copy it again.") from error


def distance_hu(one: Signature, other: Signature) -> float:
    """How far two scans are apart: 0 where their voxels are the same, below SAME_HU where they are one scan in two
    files.

    Infinite where a scan is too short or too uniform to tell. Mirrored scans are looked at too, since headers are not
    always right.
    """
    if one.voxels == other.voxels:
        return 0.0
    short, long = sorted((one.planes.astype(float), other.planes.astype(float)), key=len)
    if len(short) < LEAST_PLANES:
        return np.inf
    grid = short.reshape(-1, CELLS, CELLS)
    mirrored = (grid, grid[:, ::-1], grid[:, :, ::-1], grid[:, ::-1, ::-1])
    return min(_gap_hu(each.reshape(len(short), -1), long) for each in mirrored)


@functools.lru_cache(maxsize=1024)
def _sign_file(path: Path, unchanged: str) -> Signature:
    from LiverTumorLib.files import read_ct

    return sign(read_ct(path))


def _planes(axial: CTVolume) -> np.ndarray:
    """Thumbnails at every PITCH_MM between the first and the last slice, or of every slice where these are thicker."""
    step = max(PITCH_MM / axial.spacing[2], 1.0)
    positions = np.arange(0, axial.shape[0] - 1 + 1e-6, step)
    below = positions.astype(int)
    above = np.minimum(below + 1, axial.shape[0] - 1)
    thumbnails = {k: _thumbnail(axial.array[k], axial.spacing) for k in {*below.tolist(), *above.tolist()}}
    weight = (positions - below)[:, None]
    low, high = (np.stack([thumbnails[k] for k in ks.tolist()]) for ks in (below, above))
    return np.rint(low * (1 - weight) + high * weight).astype(np.uint8)


def _thumbnail(plane: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The means of the cells of one slice (j, i), row by row. The box lies around the center of what is denser than
    WINDOW_HU[0]."""
    shown = plane.astype(np.float32).clip(*WINDOW_HU) - WINDOW_HU[0]
    cells = shown
    for axis, (box, mm) in enumerate(zip(BOX_MM, (spacing[1], spacing[0]), strict=True)):
        along = shown.sum(1 - axis)
        center = along @ (np.arange(len(along)) + 0.5) / along.sum() if along.any() else len(along) / 2
        edges = center + np.linspace(-0.5, 0.5, CELLS + 1) * box / mm
        pixels = np.arange(len(along))
        covered = (
            (np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)).clip(0) * CELLS * mm / box
        )
        cells = covered @ cells if axis == 0 else cells @ covered.T
    return cells.ravel()


def _gap_hu(points: np.ndarray, curve: np.ndarray) -> float:
    """Mean distance of the nearest SHARE of the points (n, d) to the line through the points of the curve (m, d)."""
    starts, ways = curve[:-1], np.diff(curve, axis=0)
    squared = (ways**2).sum(1)
    along = points @ ways.T - (starts * ways).sum(1)
    apart = (points**2).sum(1)[:, None] + (starts**2).sum(1) - 2 * points @ starts.T
    part = np.clip(along / np.maximum(squared, 1e-9), 0, 1)
    gaps = np.sqrt((apart - 2 * part * along + part**2 * squared).min(1).clip(0) / points.shape[1])
    nearest = np.argsort(gaps)[: max(LEAST_PLANES, round(SHARE * len(points)))]
    plain = points[nearest].std(0)
    return float(gaps[nearest].mean()) if np.sqrt((plain**2).mean()) >= LEAST_SPREAD_HU else np.inf
