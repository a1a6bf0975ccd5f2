"""The fields of NIfTI headers that reading needs (nifti1.h and nifti2.h of the NIfTI Data Format Working Group).

nibabel knows them too, but takes as long to load as a scan to unpack; files are written by it.
"""

from __future__ import annotations

import numpy as np

# Name: (type, offset in NIfTI-1, type, offset in NIfTI-2).
_FIELDS = {
    "sizeof_hdr": ("i4", 0, "i4", 0),
    "magic": ("S4", 344, "S8", 4),
    "datatype": ("i2", 70, "i2", 12),
    "dim": ("8i2", 40, "8i8", 16),
    "pixdim": ("8f4", 76, "8f8", 104),
    "vox_offset": ("f4", 108, "i8", 168),
    "scl_slope": ("f4", 112, "f8", 176),
    "scl_inter": ("f4", 116, "f8", 184),
    "xyzt_units": ("u1", 123, "i4", 500),
    "qform_code": ("i2", 252, "i4", 344),
    "sform_code": ("i2", 254, "i4", 348),
    "quatern_b": ("f4", 256, "f8", 352),
    "quatern_c": ("f4", 260, "f8", 360),
    "quatern_d": ("f4", 264, "f8", 368),
    "qoffset_x": ("f4", 268, "f8", 376),
    "qoffset_y": ("f4", 272, "f8", 384),
    "qoffset_z": ("f4", 276, "f8", 392),
    "srow_x": ("4f4", 280, "4f8", 400),
    "srow_y": ("4f4", 296, "4f8", 432),
    "srow_z": ("4f4", 312, "4f8", 464),
}


def _fields(version: int, size: int) -> np.dtype[np.void]:
    kinds, offsets = zip(*(field[2 * version - 2 : 2 * version] for field in _FIELDS.values()), strict=True)
    return np.dtype({"names": list(_FIELDS), "formats": list(kinds), "offsets": list(offsets), "itemsize": size})


NIFTI_1, NIFTI_2 = _fields(1, 348), _fields(2, 540)
# Of single numbers by their code.
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_NO_NUMBERS = (0, 1, 32, 128, 255, 1536, 1792, 2048, 2304)  # unknown, bits, complex, colors, numbers of 128 bits


def number_type(header: np.void) -> np.dtype | None:
    """The type of the stored values, in the byte order of the header; None where they are no single numbers.

    Raises:
        KeyError: NIfTI knows no such type.
    """
    code = int(header["datatype"])
    if code in _NO_NUMBERS:
        return None
    return np.dtype(_NUMBERS[code]).newbyteorder(header["dim"].dtype.byteorder)
