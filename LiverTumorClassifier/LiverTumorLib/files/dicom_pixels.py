"""Pixels of DICOM slices as HU: plain ones by pydicom, compressed ones that it has no decoder for by SimpleITK, whose
GDCM knows all that CT scanners write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RequirementError
from .dicom_file import import_pydicom, plain, read_dataset
from .dicom_frame import fault_of_jpeg
from .dicom_series import Series
from .dicom_stack import Stack
from .intensity import HUBuffer
from .itk import import_sitk, itk_name
from .units import OFFSET_HU, looks_offset, spread_sample

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

_MOST_VOXELS = 2**32  # 8 GiB
_MOST_RESCALE = 1e5
# Rescale types of PS3.3 C.11.1.1.2 other than HU and US (unspecified).
_OTHER_UNITS = {
    "OD": "optical density",
    "MGML": "mg/ml",
    "Z_EFF": "effective atomic number",
    "ED": "electron density",
    "EDW": "electron density relative to water",
    "HU_MOD": "modified Hounsfield units",
    "PCT": "percent",
}


class Pixels(NamedTuple):
    """Stored values of one slice and how to make HU of them.

    `intercept` is None where the file has none, `unit` the rescale type where it is one that DICOM does not list.
    """

    stored: np.ndarray
    slope: float
    intercept: float | None
    unit: str = ""


def read_stack(series: Series, stack: Stack) -> tuple[np.ndarray, tuple[str, ...]]:
    """A (k, j, i) volume in HU, and notes on repairs.

    Duplicates are compared, a missing slice is filled, a missing intercept repaired where that is certain, an uneven
    stack resampled.

    Raises:
        InputError: damaged pixels, other units than HU, or different images at one place.
    """
    shape = (len(stack.places), *series.slices[0].size)
    if math.prod(shape) > _MOST_VOXELS:
        raise InputError(
            f"DICOM series {series} has {math.prod(shape):.2g} voxels, more than can be worked on; export fewer or "
            "smaller slices."
        )
    buffer = HUBuffer(shape)
    duplicates = 0
    without_intercept: list[bool] = []
    units: set[str] = set()
    rescales: set[tuple[float, float]] = set()
    for k, files in enumerate(stack.places):
        for number, file in enumerate(files):
            stored, slope, intercept, unit = read_pixels(file)
            if stored.shape != buffer.array.shape[1:]:
                raise InputError(
                    f"{file} holds {stored.shape} pixels where its header says otherwise; export it again."
                )
            if number == 0:
                buffer.put(k, stored, slope, intercept or 0.0)
                without_intercept.append(intercept is None)
                units.add(unit)
                rescales.add((slope, intercept or 0.0))
            elif np.array_equal((stored * slope + (intercept or 0.0)).astype(buffer.array.dtype), buffer.array[k]):
                duplicates += 1
            else:
                raise InputError(
                    f"DICOM series {series} holds different images at the same place ({files[0].name}, {file.name}), "
                    "for example several phases; export one phase only."
                )
    array = buffer.array
    for k in (k for k, files in enumerate(stack.places) if not files):
        array[k] = _between(array, k - 1, 2, 0.5)
    notes: tuple[str, ...] = ()
    if duplicates:
        notes += (f"{duplicates} identical duplicate slices were dropped.",)
    if units := units - {""}:
        named = ", ".join(sorted(units)[:3])
        notes += (f"The rescale type {named!r} is none that DICOM knows; the values were taken as HU.",)
    if len(rescales) > 1:
        slopes = sorted(slope for slope, _ in rescales)
        intercepts = sorted(intercept for _, intercept in rescales)
        notes += (
            f"The rescale is not the same in all slices (slopes from {slopes[0]:g} to {slopes[-1]:g}, intercepts from "
            f"{intercepts[0]:g} to {intercepts[-1]:g}).",
        )
    if any(without_intercept):
        if not all(without_intercept):
            raise InputError(f"DICOM series {series} has a rescale intercept in some slices only; export it again.")
        if looks_offset(spread_sample(array)):
            array -= OFFSET_HU
            notes += (f"The rescale intercept was missing; {OFFSET_HU} was subtracted, as the values show.",)
        else:
            notes += ("The rescale intercept was missing; the stored values were taken as HU.",)
    return array if stack.where is None else _resampled(array, stack.where), notes


def read_pixels(file: Path) -> Pixels:
    """The pixels of one slice.

    Raises:
        InputError: damaged, compressed in an unknown way, an impossible rescale, or other units than HU.
        RequirementError: a decoder of compressed pixels is not installed.
    """
    damaged = InputError(f"{file} is damaged or incomplete; copy or export it again.")
    try:
        dataset = read_dataset(file)
        slope, intercept, kind = (dataset.get(tag) for tag in ("RescaleSlope", "RescaleIntercept", "RescaleType"))
        slope = 1.0 if slope in (None, "") else float(slope)
        intercept = None if intercept in (None, "") else float(intercept)
        unit = plain(str(kind or "").strip()[:16])
        syntax = _transfer_syntax(dataset, file)
    except (InputError, RequirementError):
        raise
    except Exception as error:  # pydicom raises errors of every kind on damaged files
        raise damaged from error
    if unit.upper() in _OTHER_UNITS:
        raise InputError(
            f"{file} holds values of type {unit} ({_OTHER_UNITS[unit.upper()]}), not Hounsfield units; choose the "
            "plain CT series."
        )
    if not (0 < slope <= _MOST_RESCALE and abs(intercept or 0.0) <= _MOST_RESCALE):  # NaN is neither
        raise InputError(
            f"{file} has an impossible rescale (slope {slope:g}, intercept {intercept or 0:g}); export it again."
        )
    if fault := _fault_of_frame(dataset, syntax):
        raise InputError(f"{file} is damaged ({fault}); copy or export it again.")
    if unit.upper() == "US" or unit.upper().startswith(("HU", "HOU")):
        unit = ""
    try:
        return Pixels(dataset.pixel_array, slope, intercept, unit)
    except Exception as error:
        if not syntax.is_compressed:
            raise damaged from error
    return Pixels(_decoded_by_itk(file, syntax.name), 1.0, 0.0, unit)


def _fault_of_frame(dataset: Dataset, syntax: UID) -> str | None:
    """What is wrong with the compressed pixels of a slice, as far as that shows before they are decoded."""
    pydicom = import_pydicom()
    if not syntax.is_compressed or syntax == pydicom.uid.RLELossless:
        return None
    try:
        frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
        return fault_of_jpeg(frame, int(dataset.Rows), int(dataset.Columns))
    except Exception:  # see `read_pixels`
        return "its compressed pixels are not packed as DICOM has them"


def _transfer_syntax(dataset: Dataset, file: Path) -> UID:
    """The transfer syntax; set to how the data set was read where the file does not say. InputError where it is none
    that is known."""
    uid = import_pydicom().uid
    syntax: UID | None = dataset.file_meta.get("TransferSyntaxUID")
    if not syntax:
        if dataset["PixelData"].is_undefined_length:
            raise InputError(
                f"{file} does not say how its pixels are compressed (it lacks a transfer syntax); export it again."
            )
        implicit, little = dataset.original_encoding
        explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
        syntax = dataset.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
    if not syntax.is_transfer_syntax:
        raise InputError(
            f"{file} is written in a way that is not known (transfer syntax {plain(str(syntax)[:64])}); export it "
            "again."
        )
    return syntax


def _between(array: np.ndarray, low: int, step: int, part: float) -> np.ndarray:
    """The plane at `part` of the way from plane `low` to the one `step` above it, in the array's own number type."""
    plane: NDArray[np.floating] = array[low] * np.float32(1 - part) + array[low + step] * np.float32(part)
    return np.rint(plane) if array.dtype == np.int16 else plane


def _resampled(array: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The planes at fractional indices, linearly interpolated."""
    even = np.empty_like(array)
    for k, place in enumerate(where):
        low = min(int(place), len(array) - 2)
        even[k] = _between(array, low, 1, float(place) - low)
    return even


def _decoded_by_itk(file: Path, syntax: str) -> np.ndarray:
    """HU of one compressed slice, rescaled by GDCM itself."""
    sitk = import_sitk()
    try:
        planes: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(itk_name(file)))
    except RuntimeError as error:
        raise InputError(
            f"{file} is damaged, or compressed ({syntax}) in a way that no installed decoder reads; "
            "copy it again, or install pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg."
        ) from error
    return np.asarray(planes[0])
