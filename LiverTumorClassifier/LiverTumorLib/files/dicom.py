"""DICOM in: find the CT series of a folder, choose one, read its pixels as HU.

Headers and plain pixel data are pydicom's work; compressed pixels that pydicom has no decoder for go to SimpleITK, whose GDCM knows
all that CT scanners write.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError, RequirementError, UsageError
from .dicom_stack import Series, Slice, Stack, make_stack
from .intensity import OFFSET_HU, HUBuffer, looks_offset, spread_sample
from .itk import import_sitk, itk_name

_HEADER_TAGS = [
    "SOPClassUID", "Modality", "ImageType", "PatientID", "PatientName", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient",
    "SliceThickness",
]  # fmt: skip
# What pydicom raises on files that are no DICOM, or damaged.
_DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError, struct.error)
_MULTIFRAME = "multi-frame CT"
_HOW_TO_CHOOSE = "choose one by its UID (--series UID; in Python series=UID)"


def read_dicom(path: Path, name: str, series: str | None = None) -> CTVolume:
    """Read one CT series of a folder with all its sub-folders, or the series that one file belongs to; unchecked.

    Of several CT series the axial one with the most slices is taken and named in the notes; localizers, reports and other
    modalities are passed over, and so are series that are no complete volume where another is.

    Args:
        path: a folder or a DICOM file.
        name: what to call the case.
        series: SeriesInstanceUID, series number or description of the series to read.

    Raises:
        InputError: no CT series, several equally good ones, several patients, or slices that make up no volume.
        UsageError: `series` fits none or several of the series.
        RequirementError: pydicom, or a decoder of compressed pixels, is not installed.
    """
    found, notes = _scan(path)
    chosen, stack, choice_notes = _choose(found, path, series)
    array, pixel_notes = _read_pixels(chosen, stack)
    return CTVolume(array, stack.ijk_to_ras, name, notes + choice_notes + stack.notes + pixel_notes)


def _import_pydicom():
    try:
        import pydicom
    except ImportError:
        raise RequirementError("Reading DICOM needs pydicom: pip install pydicom.") from None
    return pydicom


def _scan(path: Path) -> tuple[list[Series], tuple[str, ...]]:
    """All CT series under a folder, or the one a file belongs to, and notes on files passed over."""
    folder = path if path.is_dir() else path.parent
    files = sorted(item for item in (folder.rglob("*") if path.is_dir() else folder.iterdir()) if item.is_file())
    if not files:
        raise InputError(f"{folder} holds no files; choose the folder with the DICOM slices.")
    if path.is_file() and read_header(path) is None:
        raise InputError(f"{path} is no DICOM file; use a DICOM folder, .nii, .nii.gz, .nrrd or .mha.")
    found: dict[tuple[str, str], Series] = {}
    others: set[str] = set()
    foreign = 0
    for file in files:
        header = read_header(file)
        if header is None:
            foreign += 1
            continue
        series = None
        try:
            kind = _kind(header)
            if kind != "CT":
                others.add(kind)
                continue
            uid = str(header.get("SeriesInstanceUID") or "")
            series = found.setdefault((uid, "" if uid else str(file.parent)), _series(header, uid, file.parent))
            series.files.append(file)
            series.slices.append(slice_geometry(header, file))
        except (ValueError, TypeError) as error:  # pydicom converts a value when it is asked for
            damage = InputError(f"{file} has a damaged DICOM header (position, orientation or pixel spacing); export it again.")
            if series is None:
                raise damage from error
            series.damage = damage
    if path.is_file():
        found = {key: item for key, item in found.items() if path in item.files}
    if not found:
        raise _no_series(path, others - {"other"}, foreign == len(files))
    return list(found.values()), (f"{foreign} files that are no DICOM were passed over.",) if foreign and path.is_dir() else ()


def read_header(file: Path):
    """The tags of a DICOM file that matter for choosing and for geometry, None when it is no DICOM."""
    pydicom = _import_pydicom()
    try:
        return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_HEADER_TAGS)
    except PermissionError as error:
        raise InputError(f"{file} may not be read; ask for permission to read it.") from error
    except (pydicom.errors.InvalidDicomError, *_DAMAGE):
        return None


def ct_series_in(files: Iterable[Path]) -> str | None:
    """SeriesInstanceUID of the first CT slice among files, "" where it has none; None where no file is a CT slice."""
    for file in files:
        try:
            header = read_header(file)
            if header is not None and _kind(header) == "CT":
                return str(header.get("SeriesInstanceUID") or "")
        except (InputError, ValueError, TypeError):  # whoever reads the folder will say so
            return ""
    return None


def _kind(header) -> str:
    """ "CT" for a CT slice, else what the file is."""
    modality = str(header.get("Modality") or "")
    if not header.get("Rows"):
        return "other"
    if modality != "CT":
        return modality or "images of unknown modality"
    if int(header.get("NumberOfFrames") or 1) > 1:
        return _MULTIFRAME
    if "LOCALIZER" in (header.get("ImageType") or ()):
        return "localizers"
    geometry = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    if header.get("SamplesPerPixel", 1) != 1 or not all(header.get(tag) for tag in geometry):
        return "images without position or pixel size (screen captures, perhaps)"
    return "CT"


def _series(header, uid: str, folder: Path) -> Series:
    number, description = (str(header.get(tag) or "").strip() for tag in ("SeriesNumber", "SeriesDescription"))
    patient = f"{header.get('PatientID') or ''} {header.get('PatientName') or ''}".strip()
    return Series(uid, number, description, patient, str(folder))


def slice_geometry(header, file: Path) -> Slice:
    """The geometry of one slice; AttributeError, ValueError or TypeError where its header lacks it or is damaged."""
    down, along = (float(value) for value in header.PixelSpacing)
    thickness = header.get("SliceThickness")
    item = Slice(
        path=file,
        size=(int(header.Rows), int(header.Columns)),
        position=np.array([float(value) for value in header.ImagePositionPatient]),
        axes=np.array([float(value) for value in header.ImageOrientationPatient]).reshape(2, 3).T,
        pixel_mm=(along, down),
        thickness_mm=float(thickness) if thickness else None,
    )
    if item.position.size != 3 or not all(np.isfinite(values).all() for values in (item.position, item.axes, item.pixel_mm)):
        raise ValueError("a number is missing or not finite")
    return item


def _no_series(path: Path, others: set[str], no_dicom: bool) -> InputError:
    if no_dicom:
        return InputError(f"{path} holds no DICOM files; choose the folder with the DICOM slices.")
    if _MULTIFRAME in others:
        return InputError(f"{path} holds a multi-frame (enhanced) CT, which is not supported; convert it to NIfTI, for example in Slicer.")
    what = f"only {', '.join(sorted(others))}" if others else "no images"
    return InputError(f"{path} holds no CT slices, {what}; choose the folder of a CT series.")


def _choose(found: list[Series], path: Path, wanted: str | None) -> tuple[Series, Stack, tuple[str, ...]]:
    """The series to read, its stack, and notes on the choice."""
    if wanted is not None:
        fitting = [item for item in found if wanted in (item.uid, item.number, item.description)]
        if len(fitting) != 1:
            raise UsageError(f"series {wanted!r} fits {len(fitting) or 'none'} of the CT series in {path}: {_listing(found)}.")
        return fitting[0], make_stack(fitting[0]), (f"DICOM series {fitting[0]} was read, as asked.",)
    if len({item.patient for item in found}) > 1:
        raise InputError(f"{path} holds CT series of several patients; {_HOW_TO_CHOOSE}: {_listing(found)}.")
    stacks: dict[int, Stack] = {}
    errors: dict[int, InputError] = {}
    for number, item in enumerate(found):
        try:
            stacks[number] = make_stack(item)
        except InputError as error:
            errors[number] = error
    if not stacks:
        raise errors[max(errors, key=lambda number: len(found[number].slices))]
    rank = {number: (found[number].is_axial, len(stack.places)) for number, stack in stacks.items()}
    best = [number for number in stacks if rank[number] == max(rank.values())]
    if len(best) > 1:
        raise InputError(f"{path} holds {len(best)} CT series that fit equally well; {_HOW_TO_CHOOSE}: {_listing(found)}.")
    notes: tuple[str, ...] = ()
    if len(found) > 1:
        rest = [item for number, item in enumerate(found) if number != best[0]]
        notes = (f"DICOM series {found[best[0]]} was read, the axial one with the most slices; passed over: {_listing(rest)}.",)
    return found[best[0]], stacks[best[0]], notes + tuple(f"Passed over: {error}" for error in errors.values())


def _listing(series: list[Series]) -> str:
    return "; ".join(str(item) for item in series)


def _read_pixels(series: Series, stack: Stack) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fill the volume slice by slice; compare duplicates, fill a missing slice, mend a missing intercept where that is certain."""
    buffer = HUBuffer((len(stack.places), *series.slices[0].size))
    duplicates = 0
    without_intercept: list[bool] = []
    for k, files in enumerate(stack.places):
        for number, file in enumerate(files):
            stored, slope, intercept = read_pixels(file)
            if stored.shape != buffer.array.shape[1:]:
                raise InputError(f"{file} holds {stored.shape} pixels where its header says otherwise; export it again.")
            if number == 0:
                buffer.put(k, stored, slope, intercept or 0.0)
                without_intercept.append(intercept is None)
            elif np.array_equal((stored * slope + (intercept or 0.0)).astype(buffer.array.dtype), buffer.array[k]):
                duplicates += 1
            else:
                raise InputError(
                    f"DICOM series {series} holds different images at the same place ({files[0].name}, {file.name}), "
                    "for example several phases; export one phase only."
                )
    for k in (k for k, files in enumerate(stack.places) if not files):
        middle = (buffer.array[k - 1].astype(np.float32) + buffer.array[k + 1]) / 2
        buffer.array[k] = np.rint(middle) if buffer.array.dtype == np.int16 else middle
    notes = (f"{duplicates} identical duplicate slices were dropped.",) if duplicates else ()
    if not any(without_intercept):
        return buffer.array, notes
    if not all(without_intercept):
        raise InputError(f"DICOM series {series} has a rescale intercept in some slices only; export it again.")
    if looks_offset(spread_sample(buffer.array)):
        buffer.array -= OFFSET_HU
        return buffer.array, (*notes, f"The rescale intercept was missing; {OFFSET_HU} was subtracted, as the values show.")
    return buffer.array, (*notes, "The rescale intercept was missing; the stored values were taken as HU.")


def read_pixels(file: Path) -> tuple[np.ndarray, float, float | None]:
    """Stored values, slope and intercept (None where the file has none) of one slice."""
    pydicom = _import_pydicom()
    try:
        dataset = pydicom.dcmread(file)
        slope, intercept, kind = (dataset.get(tag) for tag in ("RescaleSlope", "RescaleIntercept", "RescaleType"))
        slope = 1.0 if slope in (None, "") else float(slope)
        intercept = None if intercept in (None, "") else float(intercept)
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    except _DAMAGE as error:
        raise InputError(f"{file} is damaged or incomplete; copy or export it again.") from error
    if str(kind or "HU").upper() not in ("HU", "US"):
        raise InputError(f"{file} holds values of type {kind}, not Hounsfield units; choose the plain CT series.")
    if not (np.isfinite(slope) and slope > 0 and np.isfinite(intercept or 0.0)):
        raise InputError(f"{file} has an impossible rescale (slope {slope:g}, intercept {intercept}); export it again.")
    try:
        return dataset.pixel_array, slope, intercept
    except (*_DAMAGE, RuntimeError) as error:
        if not compressed:
            raise InputError(f"{file} is damaged or incomplete; copy or export it again.") from error
    return _decoded_by_itk(file, dataset.file_meta.TransferSyntaxUID.name), 1.0, 0.0


def _decoded_by_itk(file: Path, syntax: str) -> np.ndarray:
    """HU of one compressed slice, rescaled by GDCM itself."""
    sitk = import_sitk()
    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(itk_name(file)))[0]
    except RuntimeError as error:
        raise InputError(
            f"{file} is damaged, or compressed ({syntax}) in a way that no installed decoder reads; "
            "copy it again, or install pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg."
        ) from error
