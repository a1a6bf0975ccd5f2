"""The fields of a NIfTI header that matter here, as numpy records; Slicer's Python brings no NiBabel.

After nifti1.h and nifti2.h of https://nifti.nimh.nih.gov (R. W. Cox; offsets in bytes).
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from ..errors import RequirementError

# The size of the header -> where the voxels of a single file begin at the earliest.
EARLIEST = {348: 352, 540: 544}
_FIELDS: dict[int, dict[str, tuple[str, int]]] = {
    348: {
        **{"sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "pixdim": ("8f4", 76)},
        **{"vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116), "xyzt_units": ("u1", 123)},
        **{"qform_code": ("i2", 252), "sform_code": ("i2", 254)},
        **{"quatern_b": ("f4", 256), "quatern_c": ("f4", 260), "quatern_d": ("f4", 264)},
        **{"qoffset_x": ("f4", 268), "qoffset_y": ("f4", 272), "qoffset_z": ("f4", 276)},
        **{"srow_x": ("4f4", 280), "srow_y": ("4f4", 296), "srow_z": ("4f4", 312), "magic": ("S4", 344)},
    },
    540: {
        **{"sizeof_hdr": ("i4", 0), "magic": ("S4", 4), "datatype": ("i2", 12), "dim": ("8i8", 16)},
        **{"pixdim": ("8f8", 104), "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184)},
        **{"qform_code": ("i4", 344), "sform_code": ("i4", 348)},
        **{"quatern_b": ("f8", 352), "quatern_c": ("f8", 360), "quatern_d": ("f8", 368)},
        **{"qoffset_x": ("f8", 376), "qoffset_y": ("f8", 384), "qoffset_z": ("f8", 392)},
        **{"srow_x": ("4f8", 400), "srow_y": ("4f8", 432), "srow_z": ("4f8", 464), "xyzt_units": ("i4", 500)},
    },
}
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHERS = {0, 1, 32, 128, 255, 1536, 1792, 2048, 2304}  # none, bits, complex, color, and numbers of 16 bytes


def parse_header(head: bytes, endian: str) -> np.void:
    """The fields of a header of 348 (NIfTI-1) or 540 bytes (NIfTI-2), unchecked.

    Args:
        endian: "<" or ">".
    """
    fields = _FIELDS[len(head)]
    layout = np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": len(head),
        }
    )
    header: np.void = np.frombuffer(head, layout.newbyteorder("<" if endian == "<" else ">"))[0]
    return header


def shape_of(header: np.void) -> tuple[int, ...]:
    """The size along each dimension that the header counts."""
    return tuple(int(n) for n in header["dim"][1 : max(int(header["dim"][0]), 0) + 1])


def number_type(header: np.void) -> np.dtype | None:
    """The type of the stored values, in the file's order of bytes; None for colors, complex and other values.

    Raises:
        KeyError: a code that NIfTI does not have.
    """
    code = int(header["datatype"])
    if code in _OTHERS:
        return None
    own = header.dtype["sizeof_hdr"].byteorder
    return np.dtype(_NUMBERS[code]).newbyteorder(own)


def import_nibabel() -> ModuleType:
    """nibabel, which writes NIfTI, or a RequirementError that says how to get it."""
    try:
        import nibabel
    except ImportError:
        raise RequirementError("Writing NIfTI needs nibabel: pip install nibabel.") from None
    return nibabel
