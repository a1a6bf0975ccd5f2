"""Voxel values at the door: any number type becomes int16 or float32 HU, and what is not a CT is told apart."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..ct.volume import AIR_HU, CTVolume
from ..errors import InputError
from .units import OFFSET_HU as OFFSET_HU
from .units import check_units, spread_sample
from .units import looks_offset as looks_offset

_INT16 = np.iinfo(np.int16)
MOST_LABELS = 20
LEAST_MM, MOST_MM = 0.01, 100.0  # of a voxel


class HUBuffer:
    """A (k, j, i) volume that is filled slice by slice: int16 as long as all HU are whole numbers, float32 from then
    on.

    Memory stays at one volume of the final type, whatever type the file has.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.array = np.zeros(shape, np.int16)

    def put(self, k: int, stored: np.ndarray, slope: float = 1.0, intercept: float = 0.0) -> None:
        """Set slice k to stored * slope + intercept."""
        if stored.dtype.kind == "i" and stored.dtype.itemsize == 2 and slope == 1 and intercept == 0:
            self.array[k] = stored
            return
        if stored.dtype == np.uint8 and (table := _of_bytes(slope, intercept)) is not None:
            np.take(table, stored, out=self.array[k], mode="clip")
            return
        whole = stored.dtype.kind in "bui" and float(slope).is_integer() and float(intercept).is_integer()
        if whole and stored.dtype.itemsize <= 4 and max(abs(slope), abs(intercept)) < _INT16.max:
            wide = np.int32 if stored.dtype.itemsize <= 2 else np.int64
            hu = stored.astype(wide) * int(slope) + int(intercept)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                hu = stored.astype(np.float64) * slope + intercept
                whole = bool((hu == np.rint(hu)).all())
        if self.array.dtype == np.int16 and not (whole and hu.min() >= _INT16.min and hu.max() <= _INT16.max):
            self.array = self.array.astype(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            self.array[k] = hu


@lru_cache(maxsize=2)
def _of_bytes(slope: float, intercept: float) -> np.ndarray | None:
    """HU, int16, of the 256 values of a byte; None where not all are whole numbers within the range of int16."""
    with np.errstate(invalid="ignore", over="ignore"):
        hu = np.arange(256) * slope + intercept
        whole = float(slope).is_integer() and float(intercept).is_integer()
    return hu.astype(np.int16) if whole and hu.min() >= _INT16.min and hu.max() <= _INT16.max else None


def hu_array(stored: np.ndarray) -> np.ndarray:
    """A (k, j, i) array of any number type as int16 (whole numbers within its range) or float32; int16 passes through
    untouched.

    Raises:
        ValueError: complex, color or other values that are not plain numbers.
    """
    if stored.dtype.kind not in "buif":
        raise ValueError(f"values of type {stored.dtype} are not plain numbers")
    if stored.dtype == np.int16:
        return stored
    buffer = HUBuffer(stored.shape)
    for k, plane in enumerate(stored):
        buffer.put(k, plane)
    return buffer.array


def check_ct(volume: CTVolume) -> CTVolume:
    """Make sure that a volume can be a CT in HU; every door (files, MRML) lets volumes through here.

    Some voxels that are not finite become air, with a note. Values that cannot be HU are refused: label maps,
    normalized pictures, CT stored otherwise (`check_units`), most MR. Windowed CT pass.

    Returns:
        The volume with an int16 or float32 array.

    Raises:
        InputError: no voxels, no finite values, one value throughout, an impossible voxel size, or values that are not
        HU.
    """
    name = volume.name
    if volume.array.size == 0:
        raise InputError(f"{name} holds no voxels; export it again.")
    if volume.array.dtype.kind not in "buif":
        raise InputError(
            f"{name} holds {volume.array.dtype} values, not plain numbers; a CT in Hounsfield units is needed."
        )
    if volume.spacing.min() < LEAST_MM or volume.spacing.max() > MOST_MM:
        size = " x ".join(f"{value:g}" for value in volume.spacing)
        raise InputError(
            f"{name} has voxels of {size} mm, which no CT has; its header is damaged or not in millimeters."
        )
    hu = hu_array(volume.array)
    array, notes = _finite(hu, name)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise InputError(f"{name} has the same value ({low:g}) in every voxel; it holds no picture.")
    if array.dtype == np.int16 and _looks_like_labels(spread_sample(array)):
        raise InputError(
            f"{name} holds {_numbers(low, high)} only, as masks and label maps do; choose the CT it belongs to."
        )
    check_units(hu, name)
    return replace(volume, array=array, notes=volume.notes + notes)


def _finite(array: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Replace NaN and infinities by air, and say so; refuse a volume of nothing else."""
    if array.dtype == np.int16:
        return array, ()
    bad = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in array)
    if bad == 0:
        return array, ()
    if bad == array.size:
        raise InputError(f"{name} holds no numbers at all (every voxel is NaN or infinite); export it again.")
    note = f"{bad} voxels without a finite value were set to air ({AIR_HU:g} HU)."
    return np.nan_to_num(array, nan=AIR_HU, posinf=AIR_HU, neginf=AIR_HU), (note,)


def _looks_like_labels(values: np.ndarray) -> bool:
    """Whether whole numbers are labels: background 0 and few others. Noise gives any CT more values, windowed too, if
    it is not tiny."""
    return bool(values.size > 50 * MOST_LABELS and values.min() == 0 and np.unique(values).size <= MOST_LABELS)


def _numbers(low: float, high: float) -> str:
    return f"the numbers {low:g} and {high:g}" if high - low == 1 else f"a few whole numbers from {low:g} to {high:g}"
