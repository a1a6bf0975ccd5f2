"""What one file of a DICOM folder is: a slice of a CT, an image that cannot be used, something else, or no DICOM at
all.

Nothing that pydicom raises on a damaged file leaves this module: such a file is a finding like the others.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from .dicom_file import META_BYTES, begins_as_dicom, dataset_of, file_meta, import_pydicom, plain

if TYPE_CHECKING:
    from pydicom import Dataset

MULTIFRAME = "multi-frame CT"
LOCALIZERS, OBJECT = "localizers", "objects without pixels"
NO_MODALITY, OTHER_CLASS = "without a modality", "of another SOP class"
_SOP_CLASS, _MODALITY, _IMAGE_TYPE = 0x00080016, 0x00080060, 0x00080008
_STUDY_UID, _SERIES_UID, _FRAME = 0x0020000D, 0x0020000E, 0x00200052
_SERIES_NUMBER, _ACQUISITION_NUMBER, _INSTANCE_NUMBER = 0x00200011, 0x00200012, 0x00200013
_ACQUISITION_TIME, _ACQUISITION_DATE_TIME, _CONTENT_TIME = 0x00080032, 0x0008002A, 0x00080033
_COUNTS = ("NumberOfSeriesRelatedInstances", "NumberOfSlices", "ImagesInAcquisition")
_TAGS: list[int | str] = [
    _SOP_CLASS, _MODALITY, _IMAGE_TYPE, _STUDY_UID, _SERIES_UID, _FRAME,
    _SERIES_NUMBER, _ACQUISITION_NUMBER, _INSTANCE_NUMBER,
    _ACQUISITION_TIME, _ACQUISITION_DATE_TIME, _CONTENT_TIME,
    "PatientID", "PatientName", "SeriesDescription",
    "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "NumberOfFrames",
    "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", *_COUNTS,
]  # fmt: skip
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"  # and, with a further number, the enhanced kinds
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.113619.5.2")
_RLE = "1.2.840.10008.1.2.5"
_MOST_MM = 1e5
_MOST_PIXELS = 8192  # along an edge of a slice
_MOST_RATIO, _MOST_RATIO_RLE = 1000, 64  # of pixels to their compressed form; an empty slice reaches some hundreds
_CUT = "has an incomplete header"
_BAD = "has a damaged DICOM header (position, orientation, pixel spacing or size)"


class Kind(Enum):
    SLICE = "a slice of a CT"
    LOST = "an image of a CT that cannot be used"
    OTHER = "something else in DICOM"
    FOREIGN = "no DICOM"


class Identity(NamedTuple):
    """What tells series from each other; "" where the header does not say."""

    uid: str = ""
    study: str = ""
    patient: str = ""  # PatientID
    name: str = ""  # PatientName, where there is no PatientID
    number: str = ""
    description: str = ""
    frame: str = ""  # FrameOfReferenceUID


@dataclass(frozen=True)
class Slice:
    """The geometry of one DICOM image, and where it stands in its series.

    Attributes:
        path: the file.
        size: rows, columns.
        position: LPS mm of the first pixel's center.
        axes: 3x2 LPS unit vectors along a row and down a column.
        pixel_mm: pixel size along a row and down a column.
        thickness_mm: nominal thickness, None where not given.
        number: InstanceNumber, None where not given.
        acquisition: AcquisitionNumber, "" where not given.
        time_s: seconds from midnight to the acquisition, or to the making of the image; None where not given.
        promised: how many images its series or acquisition has by the header; None where that does not say it.
    """

    path: Path
    size: tuple[int, int]
    position: np.ndarray
    axes: np.ndarray
    pixel_mm: tuple[float, float]
    thickness_mm: float | None = None
    number: int | None = None
    acquisition: str = ""
    time_s: float | None = None
    promised: int | None = None


@dataclass(frozen=True)
class Finding:
    """What one file is.

    Attributes:
        kind: see `Kind`.
        what: of a slice "", NO_MODALITY or OTHER_CLASS; of other files what they are ("MR images") or, where `damaged`
            or foreign, what is wrong with them ("is empty").
        damaged: the file's bytes are at fault, not what its maker left out.
        identity: None for what never counts as an image of a series (reports, localizers, screen captures).
        number: InstanceNumber.
        geometry: of a slice.
    """

    file: Path
    kind: Kind
    what: str = ""
    damaged: bool = False
    identity: Identity | None = None
    number: int | None = None
    geometry: Slice | None = None


@dataclass(frozen=True, kw_only=True)
class SliceFinding(Finding):
    """A finding of the kind SLICE, which has an identity and a geometry."""

    identity: Identity
    geometry: Slice


def look_at(file: Path) -> Finding:
    """Find out what a file is; whatever is wrong with it is part of the answer.

    Raises:
        InputError: it may not be read.
        RequirementError: pydicom is not installed.
    """
    if not os.path.isfile(file):
        return Finding(
            file, Kind.FOREIGN, "is a link that leads nowhere" if os.path.islink(file) else "is not a plain file"
        )
    import_pydicom()
    try:
        with open(file, "rb") as stream:
            head = stream.read(META_BYTES)
            if not begins_as_dicom(head):
                return Finding(file, Kind.FOREIGN, "is not a DICOM file" if head else "is empty")
            meta, _ = file_meta(head)
            try:
                header = dataset_of(stream, head, stop_before_pixels=True, specific_tags=_TAGS)
            except Exception:  # pydicom raises errors of every kind on damaged files
                return _unreadable(file, head, meta)
            return _judge(file, header, head, meta, os.fstat(stream.fileno()).st_size)
    except PermissionError as error:
        raise InputError(f"{file} may not be read; ask for permission to read it.") from error
    except OSError as error:
        return Finding(
            file, Kind.LOST, f"cannot be read ({error.strerror or error})", damaged=True, identity=Identity()
        )


def slice_geometry(header: Dataset, file: Path) -> Slice:
    """The geometry of one slice; ValueError where its header lacks it or is damaged."""
    try:
        down, along = (float(value) for value in header.PixelSpacing)
        thickness = float(header.get("SliceThickness") or 0)
        item = Slice(
            path=file,
            size=(int(header.Rows), int(header.Columns)),
            position=np.array([float(value) for value in header.ImagePositionPatient]),
            axes=np.array([float(value) for value in header.ImageOrientationPatient]).reshape(2, 3).T,
            pixel_mm=(along, down),
            thickness_mm=thickness if 0 < thickness < _MOST_MM else None,
            number=_integer(header, _INSTANCE_NUMBER),
            acquisition=_code(header, _ACQUISITION_NUMBER),
            time_s=_seconds(header),
            promised=_promised(header),
        )
    except Exception as error:  # pydicom converts a value when it is asked for
        raise ValueError("damaged geometry") from error
    numbers = np.concatenate([item.position, item.axes.ravel(), item.pixel_mm])
    if item.position.size != 3 or not (np.abs(numbers) < _MOST_MM).all():  # which nothing is that is not finite
        raise ValueError("a number is missing or impossible")
    return item


def _unreadable(file: Path, head: bytes, meta: dict[int, str]) -> Finding:
    """A file that begins as DICOM does, and breaks off or goes wrong then."""
    if head[128:132] != b"DICM":
        return Finding(file, Kind.FOREIGN, "is not a DICOM file")
    if _is_no_image("", meta.get(2, ""), ""):
        return Finding(file, Kind.OTHER, OBJECT)
    return Finding(file, Kind.LOST, "has a damaged DICOM header", damaged=True, identity=Identity())


def _judge(file: Path, header: Dataset, head: bytes, meta: dict[int, str], file_bytes: int) -> Finding:
    """What a file is by its header."""
    sop_class, modality = _code(header, _SOP_CLASS) or meta.get(2, ""), _code(header, _MODALITY).upper()
    identity = _identity(header)
    number = _integer(header, _INSTANCE_NUMBER)

    def finding(kind: Kind, what: str, damaged: bool = False) -> Finding:
        return Finding(file, kind, what, damaged, identity, number)

    try:
        # Which every image has, after its geometry.
        has_pixels, complete = bool(header.get("Rows")), "BitsAllocated" in header
        if not has_pixels:
            if head[128:132] != b"DICM" and not modality and not sop_class.startswith("1."):
                return Finding(file, Kind.FOREIGN, "is not a DICOM file")
            if _is_no_image(_code(header, _SOP_CLASS), meta.get(2, ""), modality):
                if meta.get(2):
                    return Finding(file, Kind.OTHER, OBJECT)
                if identity.uid:  # without file meta a damaged class may look like another; which series it is in tells
                    return finding(Kind.OTHER, OBJECT)
        if has_pixels and modality != "CT" and not (modality == "" and sop_class == _CT_IMAGE):
            return finding(Kind.OTHER, f"{modality[:16]} images" if modality else "images of unknown modality")
        if "LOCALIZER" in _code(header, _IMAGE_TYPE):
            return Finding(file, Kind.OTHER, LOCALIZERS)
        if not has_pixels or not complete:
            return finding(Kind.LOST, _CUT, damaged=True)
        if int(header.get("NumberOfFrames") or 1) > 1:
            return finding(Kind.OTHER, MULTIFRAME)
        places = {
            "ImagePositionPatient": "position",
            "ImageOrientationPatient": "orientation",
            "PixelSpacing": "pixel size",
        }
        lacking = [name for tag, name in places.items() if not header.get(tag)]
        if (header.get("SamplesPerPixel") in (3, 4) and sop_class != _CT_IMAGE) or (
            lacking and sop_class.startswith(_SECONDARY_CAPTURE)
        ):
            return Finding(file, Kind.OTHER, "screen captures")
        if header.get("SamplesPerPixel", 1) != 1:
            return finding(Kind.LOST, _BAD, damaged=True)
        if lacking:
            return finding(Kind.LOST, f"images without {' and '.join(lacking)}")
        geometry = slice_geometry(header, file)
        if not _can_hold(file_bytes, geometry.size, int(header.BitsAllocated), meta.get(0x10, "")):
            return finding(Kind.LOST, "ends before its pixels do", damaged=True)
    except Exception:  # pydicom converts a value when it is asked for, and raises errors of every kind
        return finding(Kind.LOST, _BAD, damaged=True)
    odd = OTHER_CLASS if modality and not sop_class.startswith(_CT_IMAGE) else "" if modality else NO_MODALITY
    return SliceFinding(file, Kind.SLICE, odd, identity=identity, number=number, geometry=geometry)


def _is_no_image(sop_class: str, meta_class: str, modality: str) -> bool:
    """Whether a file without rows is of another kind, and no image whose header was cut or damaged.

    Args:
        sop_class: of the data set.
        meta_class: the same in the file meta group, which alone is left of a file cut early.
    """
    if not sop_class and not meta_class:
        return modality not in ("", "CT")
    if any(uid.startswith(_CT_IMAGE) for uid in (sop_class, meta_class)):
        return False
    if not sop_class:
        return bool(import_pydicom().uid.UID(meta_class).keyword)  # one that pydicom knows
    return meta_class in ("", sop_class) and re.fullmatch(r"[0-2](\.\d+)+", sop_class) is not None


def _identity(header: Dataset) -> Identity:
    patient = _text(header, "PatientID")
    return Identity(
        uid=_code(header, _SERIES_UID),
        study=_code(header, _STUDY_UID),
        patient=patient,
        name="" if patient else _text(header, "PatientName"),
        number=_code(header, _SERIES_NUMBER),
        description=_text(header, "SeriesDescription"),
        frame=_code(header, _FRAME),
    )


def _can_hold(file_bytes: int, size: tuple[int, int], bits: int, syntax: str) -> bool:
    """Whether a file is long enough for the pixels that its header promises; no memory is taken for what it cannot
    hold."""
    ratio = 1 if syntax in _UNCOMPRESSED else _MOST_RATIO_RLE if syntax == _RLE else _MOST_RATIO
    return max(size) <= _MOST_PIXELS and size[0] * size[1] * bits // 8 <= file_bytes * ratio


def _text(header: Dataset, tag: str) -> str:
    """A tag's text, "" where there is none or it is damaged."""
    try:
        value = header.get(tag)
        return "" if value is None else str(value).strip()
    except Exception:  # see `_judge`
        return ""


def _code(header: Dataset, tag: int) -> str:
    """As `_text`, of UIDs, codes, times and whole numbers: printable ASCII, not made into pydicom's types, which takes
    its time."""
    element = header.get_item(tag, keep_deferred=True)
    value = element.value if element is not None else None
    return plain(
        value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else str(value or "").strip()
    )


def _integer(header: Dataset, tag: int) -> int | None:
    try:
        return int(_code(header, tag))
    except ValueError:
        return None


def _promised(header: Dataset) -> int | None:
    for tag in _COUNTS:
        try:
            return int(header[tag].value)
        except Exception:  # not there, or damaged; see `_judge`
            continue
    return None


def _seconds(header: Dataset) -> float | None:
    """Seconds from midnight to the acquisition, else to the making of the image."""
    text = _code(header, _ACQUISITION_TIME) or _code(header, _ACQUISITION_DATE_TIME)[8:] or _code(header, _CONTENT_TIME)
    try:
        return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:] or 0)
    except ValueError:
        return None
