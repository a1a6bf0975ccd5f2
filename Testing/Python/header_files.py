"""Writers of NIfTI, NRRD and MetaImage files whose headers say what a test wants, whether that makes sense or not."""

import bz2
import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np
from test_files_reading import ct_values

HU = ct_values()


def rotation(how) -> np.ndarray:
    (a, b, c, d), flipped = how
    a, b, c, d = np.array([a, b, c, d]) / np.linalg.norm([a, b, c, d])
    matrix = np.array(
        [
            [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
        ]
    )
    return matrix * (1, 1, -1 if flipped else 1)


def grid(how, size=(0.7, 0.8, 2.5), origin=(0, 0, 0)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(how) * size, origin
    return matrix


UPRIGHT = ((1, 0, 0, 0), False)


TURNED = ((0.9, 0.1, 0.2, 0.3), False)


def nifti(path: Path, sform=None, qform=None, array: np.ndarray = HU, **fields) -> Path:
    """A NIfTI file with these header fields, whether they make sense or not."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.T.shape)
    header["pixdim"][1:4] = 0.7, 0.8, 2.5
    header["xyzt_units"], header["vox_offset"], header["magic"] = 2, 352, b"n+1"
    if qform is not None:
        header.set_qform(qform, 1)
    if sform is not None:
        header["srow_x"], header["srow_y"], header["srow_z"] = sform[:3]
        header["sform_code"] = 1
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4) + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path


def nrrd(path: Path, array: np.ndarray, axes=None, origin=(0, 0, 0), *, data: bytes | None = None, **fields) -> Path:
    """A NRRD file; the columns of `axes` are its directions."""
    packing = fields.get("encoding", "raw")
    pack = {"gzip": lambda raw: gzip.compress(raw, 1), "bzip2": bz2.compress, "raw": bytes}.get(packing, bytes)
    names = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "f4": "float", "f8": "double"}
    all_fields = {
        "type": names[array.dtype.str[1:]],
        "dimension": array.ndim,
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, array.shape[::-1])),
        "space directions": " ".join(
            f"({x!r},{y!r},{z!r})" for x, y, z in np.asarray(np.eye(3) if axes is None else axes, float).T.tolist()
        ),
        "kinds": "domain domain domain",
        "endian": "big" if array.dtype.str[0] == ">" else "little",
        "encoding": packing,
        "space origin": "({!r},{!r},{!r})".format(*map(float, origin)),
    } | fields
    lines = "".join(f"{name.replace('_', ' ')}: {value}\n" for name, value in all_fields.items() if value is not None)
    path.write_bytes(
        f"NRRD0004\n# comment: of no meaning\n{lines}\n".encode() + (pack(array.tobytes()) if data is None else data)
    )
    return path


def meta(
    path: Path, array: np.ndarray, axes=None, size=(0.7, 0.8, 2.5), origin=(0, 0, 0), compressed=False, **fields
) -> Path:
    """A MetaImage file, in one or two parts."""
    names = {"i1": "CHAR", "u1": "UCHAR", "i2": "SHORT", "u2": "USHORT", "f4": "FLOAT", "f8": "DOUBLE"}
    data = zlib.compress(array.tobytes(), 1) if compressed else array.tobytes()
    other = path.with_suffix(".zraw" if compressed else ".raw")
    all_fields = {
        "ObjectType": "Image",
        "NDims": array.ndim,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": array.dtype.str[0] == ">",
        "CompressedData": compressed,
        "CompressedDataSize": len(data) if compressed else None,
        "TransformMatrix": " ".join(
            map(repr, np.asarray(np.eye(3) if axes is None else axes, float).T.ravel().tolist())
        ),
        "Offset": "{!r} {!r} {!r}".format(*map(float, origin)),
        "CenterOfRotation": "0 0 0",
        "AnatomicalOrientation": "RAI",
        "ElementSpacing": "{!r} {!r} {!r}".format(*map(float, size)),
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": f"MET_{names[array.dtype.str[1:]]}",
    } | fields
    all_fields["ElementDataFile"] = fields.get("ElementDataFile", "LOCAL" if path.suffix == ".mha" else other.name)
    header = "".join(f"{name} = {value}\n" for name, value in all_fields.items() if value is not None).encode()
    if path.suffix == ".mha":
        path.write_bytes(header + data)
    else:
        path.write_bytes(header)
        other.write_bytes(data)
    return path
