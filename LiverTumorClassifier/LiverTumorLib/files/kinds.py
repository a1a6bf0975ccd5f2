"""What a file is, by its first bytes: names lie, and each kind of file that is not a CT has its own remedy. What names
say."""

from __future__ import annotations

import re
import zlib
from pathlib import Path, PurePath

from ..errors import InputError

NIFTI, NRRD, META, DICOM = "NIfTI", "NRRD", "MetaImage", "DICOM"
NIFTI_ENDINGS = (".nii", ".nii.gz")
ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")
DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
_HEAD = 512  # bytes

_META_FIELD = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|Comment|Name|ID|DimSize|BinaryData)\s*=")
_ARCHIVE = "an archive ({}); unpack it and use the file in it"
_FOREIGN = "a file of another format ({}), which is not supported; convert it to NIfTI or NRRD, in Slicer for example"
_PICTURE = "a picture ({}), not a CT; export the CT itself, as DICOM or NIfTI"
_BEGINNINGS = {
    b"PK\x03\x04": _ARCHIVE.format("zip"),
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE.format("7z"),
    b"Rar!": _ARCHIVE.format("rar"),
    b"\xfd7zXZ\0": _ARCHIVE.format("xz"),
    b"BZh": _ARCHIVE.format("bzip2"),
    b"\x28\xb5\x2f\xfd": _ARCHIVE.format("zstd"),
    b"\x89HDF": _FOREIGN.format("HDF5 or MINC"),
    b"CDF": _FOREIGN.format("NetCDF or MINC"),
    b"\x93NUMPY": _FOREIGN.format("NumPy"),
    b"MATLAB": _FOREIGN.format("MATLAB"),
    b"# vtk": _FOREIGN.format("VTK"),
    b"\0\0\0\1\0\0": _FOREIGN.format("FreeSurfer MGH"),
    b"\x89PNG": _PICTURE.format("PNG"),
    b"\xff\xd8\xff": _PICTURE.format("JPEG"),
    b"GIF8": _PICTURE.format("GIF"),
    b"BM": _PICTURE.format("BMP"),
    b"II*\0": _PICTURE.format("TIFF"),
    b"MM\0*": _PICTURE.format("TIFF"),
    b"%PDF": _PICTURE.format("PDF"),
    b"version https://git-lfs": "a pointer of Git LFS, not the data; run git lfs pull",
    b"/annex/": "a pointer of git-annex, not the data; run git annex get",
    b"<": "a web page or XML text, perhaps of a failed download; download it again",
    b"{": "text (JSON), not a volume; choose the CT",
}


def kind_of(path: Path) -> str | None:
    """NIfTI, NRRD, MetaImage or DICOM by the first bytes of a file, unpacked where it is gzip; None where they are none
    that is known.

    Raises:
        InputError: the file is known to be something else, or is no more than its compression; the message says what to
        do.
    """
    compressed = is_gzip(path)
    head = _unpacked_head(path) if compressed else _head(path)
    kind = _volume_kind(head)
    if kind is not None and not (compressed and kind != NIFTI):
        return kind
    what = _ARCHIVE.format("gzip") if kind else _what_else(head, compressed)
    if what:
        raise InputError(f"{path} is {what}.")
    return None


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip, whatever its name."""
    return _head(path)[:2] == b"\x1f\x8b"


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD)


def _volume_kind(head: bytes) -> str | None:
    if head[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c"):
        return NIFTI
    if head.startswith(b"NRRD"):
        return NRRD
    if head[128:132] == b"DICM":
        return DICOM
    return META if _META_FIELD.match(head) else None


def _what_else(head: bytes, compressed: bool) -> str | None:
    if head[257:262] == b"ustar":
        return _ARCHIVE.format("tar")
    if not head:
        return "damaged or incomplete; copy or export it again"
    if not head.strip(b"\0"):
        return "damaged: it begins with nothing but zeros; copy or export it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    what = next((what for start, what in _BEGINNINGS.items() if head.startswith(start) or text.startswith(start)), None)
    return what or (
        "a compressed file that holds no NIfTI volume; unpack it and see what it holds" if compressed else None
    )


def _unpacked_head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(file.read(1 << 16), _HEAD)
    except zlib.error as error:
        raise InputError(f"{path} is damaged; copy or export it again.") from error


def case_name(path: PurePath) -> str:
    """A case's name from its file name, without the ending."""
    for ending in (*NIFTI_ENDINGS[::-1], *ITK_ENDINGS, ".dcm"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name
