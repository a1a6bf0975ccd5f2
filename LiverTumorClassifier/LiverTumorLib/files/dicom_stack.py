"""From the headers of one DICOM series to a regular stack of slices: order, gaps, duplicates, tilt and the affine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..ct.volume import LPS_RAS
from ..errors import InputError
from .dicom_series import Series

_SAME_PLACE_MM = 0.01
_LEAST_MM = 0.01  # of a pixel
_ORIENTATION_TOLERANCE = 5e-3


@dataclass(frozen=True)
class Stack:
    """Slices in the order of the volume's k axis.

    Attributes:
        places: for each k the files at this place (several: duplicates to be compared), or none where the slice is
          missing.
        ijk_to_ras: 4x4 matrix; sheared when the gantry was tilted.
        notes: repairs.
        where: for each k of the even grid its place among the slices, a fractional index; None where they lie on it
          themselves.
    """

    places: list[list[Path]]
    ijk_to_ras: np.ndarray
    notes: tuple[str, ...]
    where: np.ndarray | None = None

    @property
    def is_plain(self) -> bool:
        """Whether no two images lie at one place."""
        return all(len(files) <= 1 for files in self.places)


def make_stack(series: Series) -> Stack:
    """Put a series in order.

    A tilted gantry leaves the slices displaced along their plane: that is kept as a sheared grid, so positions and
    volumes stay true. Where small differences of the distances add up, the stack says where an even grid lies among the
    slices.

    Raises:
        InputError: mixed sizes or orientations, irregular distances, slices shifted sideways, or more than one slice
        missing.
    """
    first = series.slices[0]
    _require_alike(series)
    normal = np.cross(*first.axes.T)
    slices = sorted(series.slices, key=lambda item: float(item.position @ normal))
    depth = np.array([item.position @ normal for item in slices])
    starts = np.flatnonzero(np.diff(depth, prepend=-np.inf) > _SAME_PLACE_MM)
    places = [[item.path for item in group] for group in np.split(np.array(slices, object), starts[1:])]
    depth, positions = depth[starts], np.array([slices[start].position for start in starts])
    notes: tuple[str, ...] = ()
    where = None
    if len(starts) == 1:
        spacing, direction = max(first.thickness_mm or 1.0, _LEAST_MM), normal
        notes = (f"The series has a single slice; its thickness was taken as {spacing:g} mm.",)
    else:
        direction = _direction(depth, positions, min(first.pixel_mm), normal, series)
        gaps = _gaps(depth, series)
        for gap in gaps:
            places.insert(gap, [])
            depth = np.insert(depth, gap, (depth[gap - 1] + depth[gap]) / 2)
            height = (positions[gap - 1] + positions[gap])[2] / 2  # LPS and RAS agree in this
            notes += (f"The slice at S {height:.1f} mm was missing and was interpolated from its neighbors.",)
        spacing = (depth[-1] - depth[0]) / (len(places) - 1)
        where, drift_notes = _even_places(depth, spacing)
        notes += drift_notes
        tilt = np.degrees(np.arccos(np.clip(direction @ normal / np.linalg.norm(direction), -1, 1)))
        if tilt > 0:
            notes += (f"The gantry was tilted by {tilt:.1f} degrees; the volume keeps the slanted grid.",)
    lps = np.column_stack((first.axes * first.pixel_mm, direction * spacing))
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3] = LPS_RAS @ lps
    ijk_to_ras[:3, 3] = LPS_RAS @ positions[0]
    return Stack(places, ijk_to_ras, notes, where)


def _require_alike(series: Series) -> None:
    first = series.slices[0]
    if not np.allclose(first.axes.T @ first.axes, np.eye(2), atol=1e-2) or min(first.pixel_mm) < _LEAST_MM:
        raise InputError(
            f"DICOM series {series} has an impossible orientation or pixel size in {first.path.name}; export it again."
        )
    for item in series.slices[1:]:
        if np.abs(item.axes - first.axes).max() > _ORIENTATION_TOLERANCE:
            raise InputError(
                f"DICOM series {series} mixes slices of different orientation ({first.path.name}, {item.path.name}); "
                "export only the axial slices."
            )
        if item.size != first.size or not np.allclose(item.pixel_mm, first.pixel_mm, rtol=1e-3):
            raise InputError(
                f"DICOM series {series} mixes slices of different size or pixel spacing ({first.path.name}, "
                f"{item.path.name}); export one reconstruction only."
            )


def _direction(
    depth: np.ndarray, positions: np.ndarray, pixel_mm: float, normal: np.ndarray, series: Series
) -> np.ndarray:
    """How the slice position moves for each mm of depth; exactly the normal unless the slices are displaced by part of
    a pixel or more."""
    direction = (positions[-1] - positions[0]) / (depth[-1] - depth[0])
    off_line = positions - positions[0] - np.outer(depth - depth[0], direction)
    if np.linalg.norm(off_line, axis=1).max() > max(0.5 * pixel_mm, 0.1):
        raise InputError(
            f"DICOM series {series} has slices shifted sideways against each other; it is not a single volume."
        )
    sideways = np.linalg.norm(positions[-1] - positions[0] - normal * (depth[-1] - depth[0]))
    return direction if sideways > 0.25 * pixel_mm else normal


def _even_places(depth: np.ndarray, spacing: float) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Where an even grid's places lie among the slices, as fractional indices; None where the slices lie on it."""
    count = np.arange(len(depth))
    even = depth[0] + count * spacing
    off = float(np.abs(depth - even).max())
    if off <= _tolerance(spacing):
        return None, ()
    steps = np.diff(depth)
    note = (
        f"The slices lie {steps.min():.2f} to {steps.max():.2f} mm apart, up to {off:.1f} mm off an even grid; "
        f"they were interpolated to one of {spacing:.2f} mm."
    )
    return np.interp(even, depth, count), (note,)


def _tolerance(spacing: float) -> float:
    """mm by which a slice may lie off its place; some scanners round positions to 0.1 mm."""
    return max(0.1 * spacing, 0.11)


def _gaps(depth: np.ndarray, series: Series) -> list[int]:
    """Places where one slice is missing, as indices into the repaired stack; at most one."""
    steps = np.diff(depth)
    usual = float(np.median(steps))
    tolerance = _tolerance(usual)
    wide = np.flatnonzero(np.abs(steps - usual) > tolerance)
    if wide.size == 0:
        return []
    counts = np.rint(steps[wide] / usual).astype(int)
    if (counts < 2).any() or (np.abs(steps[wide] - counts * usual) > 2 * tolerance).any():
        raise InputError(
            f"DICOM series {series} has slices at irregular distances ({steps.min():.2f} to {steps.max():.2f} mm); "
            "export one reconstruction with even spacing."
        )
    missing = int((counts - 1).sum())
    if missing > 1:
        raise InputError(
            f"DICOM series {series} lacks {missing} slices in between; copy the series again and completely."
        )
    return [int(wide[0]) + 1]
