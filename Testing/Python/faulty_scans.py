"""Scans with a fault: each kind of fault in each format that can have it, at the bottom, the middle or the top."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writer import change, write_series
from LiverTumorLib.files.itk import image_from
from LiverTumorLib.phantom import make_phantom

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")

PHANTOM, TRUTH = make_phantom(seed=1, shape=(24, 64, 64), spacing_mm=(6.0, 6.0, 9.0))
CT, MATRIX = np.rint(PHANTOM.array).astype(np.int16), PHANTOM.ijk_to_ras
PLACES = {"bottom": (0, 1), "middle": (11, 12), "top": (22, 23)}
FORMATS = {"nifti": "ct.nii.gz", "nrrd": "ct.nrrd", "meta": "ct.mha", "dicom": "ct"}


def write(folder: Path, kind: str, array: np.ndarray = CT, matrix: np.ndarray = MATRIX) -> Path:
    """A scan in one of the formats; DICOM with InstanceNumbers, in the order of the slices' names."""
    path = folder / FORMATS[kind]
    if kind == "nifti":
        nibabel.save(nibabel.Nifti1Image(array.T, matrix), path)
    elif kind == "dicom":
        step, first = matrix[:3, 2] * (-1, -1, 1), matrix[:3, 3] * (-1, -1, 1)
        pixel = [float(np.linalg.norm(matrix[:3, axis])) for axis in (1, 0)]
        for k, file in enumerate(
            write_series(path, array, first, step, uid="1.2.3", PixelSpacing=pixel, SliceThickness="9")
        ):
            change(file, InstanceNumber=k + 1)
            file.rename(path / f"IM{k:04d}.dcm")
    else:
        sitk.WriteImage(image_from(array, matrix), str(path), True)
    return path


def strip_meta(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])


def in_slices(spoil: Callable[[Path], object]) -> Callable[[Path, tuple[int, ...]], Path]:
    """Spoil DICOM slices."""

    def make(folder: Path, ks: tuple[int, ...]) -> Path:
        path = write(folder, "dicom")
        for k in ks:
            spoil(path / f"IM{k:04d}.dcm")
        return path

    return make


def in_values(
    kind: str, spoil: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
) -> Callable[[Path, tuple[int, ...]], Path]:
    return lambda folder, ks: write(
        folder, kind, spoil(CT.astype(int), ks).astype(np.int32 if kind != "dicom" else np.int16)
    )


def in_header(kind: str, spoil: Callable[[bytes], bytes]) -> Callable[[Path, tuple[int, ...]], Path]:
    """Spoil the bytes of a NIfTI (unpacked), NRRD or MetaImage file."""

    def make(folder: Path, ks: tuple[int, ...]) -> Path:
        path = write(folder, kind)
        content = path.read_bytes()
        path.write_bytes(gzip.compress(spoil(gzip.decompress(content))) if kind == "nifti" else spoil(content))
        return path

    return make


def nifti_fields(**fields) -> Callable[[bytes], bytes]:
    def spoil(content: bytes) -> bytes:
        header = nibabel.Nifti1Header(content[:348], check=False)
        for name, value in fields.items():
            header[name] = value
        return header.binaryblock + content[348:]

    return spoil


def flip_bit(path: Path, part: float) -> None:
    """Change a bit of the packed voxels that changes what is unpacked; many only change how it is packed."""
    content = bytearray(path.read_bytes())
    begin = (
        max(content.find(b"\n\n"), content.find(b"LOCAL\n"), 0) + 20
    )  # behind NRRD's and MetaImage's headers, and that of gzip
    for at in range(begin + int(part * (len(content) - begin - 10)), len(content)):
        content[at] ^= 16
        if _unpacked(content) != _unpacked(path.read_bytes()):
            break
        content[at] ^= 16
    path.write_bytes(content)


def _unpacked(content: bytes) -> bytes | None:
    start = next(
        at
        for at in range(len(content))
        if content[at : at + 2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\x5e", b"\x78\x01", b"\x78\xda")
    )
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content[start:])
    except zlib.error:
        return None


def flipped(kind: str, part: float) -> Callable[[Path, tuple[int, ...]], Path]:
    def make(folder: Path, ks: tuple[int, ...]) -> Path:
        path = write(folder, kind)
        flip_bit(path, part)
        return path

    return make


def shifted(array: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    array[list(ks)] += 1024
    return array


def turned(kind: str, change_matrix: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path, tuple[int, ...]], Path]:
    return lambda folder, ks: write(folder, kind, CT, change_matrix(MATRIX.copy()))


def drifting(folder: Path, ks: tuple[int, ...]) -> Path:
    """From the place on, each slice is a little farther from the next than the header of the first says."""
    path = write(folder, "dicom")
    for k in range(24):
        far = 9 * k + 0.7 * max(0, k - ks[0] + 4) if ks[0] else 9 * k + 0.7 * min(k, 6)
        position = [float(value) for value in pydicom.dcmread(path / f"IM{k:04d}.dcm").ImagePositionPatient]
        change(path / f"IM{k:04d}.dcm", ImagePositionPatient=[*position[:2], round(MATRIX[2, 3] + far, 3)])
    return path


def misnamed(
    kind: str, name: str, content: Callable[[bytes], bytes] = lambda content: content
) -> Callable[[Path, tuple[int, ...]], Path]:
    def make(folder: Path, ks: tuple[int, ...]) -> Path:
        path = write(folder, kind)
        (folder / name).write_bytes(content(path.read_bytes()))
        path.unlink()
        return folder / name

    return make


@dataclass(frozen=True)
class Fault:
    """A scan with a fault.

    Attributes:
        make: writes it into a folder, given the slices of a place.
        words: found in what is told of it; None where nothing may be told and nothing may change.
    """

    make: Callable[[Path, tuple[int, ...]], Path]
    words: str | None
    places: tuple[str, ...] = ("middle",)


ALL = tuple(PLACES)
SHEAR = np.array([[0, 0, 0, 0], [0, 0, 1.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
FAULTS = {
    "A header cut": Fault(
        in_slices(lambda file: file.write_bytes(file.read_bytes()[:300])), "2 of 24 images of DICOM series", ALL
    ),
    "A no position": Fault(
        in_slices(lambda file: change(file, ImagePositionPatient=None)), "2 of 24 images.*without position", ALL
    ),
    "A empty": Fault(in_slices(lambda file: file.write_bytes(b"")), "2 of 24 images of DICOM series.*is empty", ALL),
    "A gone": Fault(in_slices(Path.unlink), "lacks 2 slices|numbered from 3 on", ("bottom", "middle")),
    "B bare": Fault(in_slices(strip_meta), None, ALL),
    "B no modality": Fault(
        in_slices(lambda file: change(file, Modality=None)), "2 of 24 images without a modality", ALL
    ),
    "B spelling of HU": Fault(in_slices(lambda file: change(file, RescaleType="hounsfield")), None),
    "B other units": Fault(in_slices(lambda file: change(file, RescaleType="ED")), "electron density", ALL),
    "C two patients": Fault(in_slices(lambda file: change(file, PatientID="P2")), "several patients|passed over", ALL),
    "D drift": Fault(drifting, "off an even grid; they were interpolated", ALL),
    "E offset of slices, DICOM": Fault(
        in_slices(lambda file: change(file, RescaleIntercept="0")),
        "2 of 24 slices .* values lie about 10[0-9]+ above",
        ALL,
    ),
    "E another slope": Fault(
        in_slices(lambda file: change(file, RescaleSlope="2")), "not the same in all slices .slopes from 1 to 2", ALL
    ),
    "E no intercept in some": Fault(
        in_slices(lambda file: change(file, RescaleIntercept=None)), "intercept in some slices only", ALL
    ),
    "G on the left": Fault(turned("nifti", lambda matrix: matrix * [[-1], [1], [1], [1]]), "on the patient's left"),
    "G voxels of 1 mm": Fault(turned("nifti", lambda matrix: np.diag([-1.0, -1, 1, 1])), "exactly 1 mm"),
    "H gzip named .nii": Fault(misnamed("nifti", "ct.nii"), "compressed with gzip, though its name"),
    "H plain named .nii.gz": Fault(
        misnamed("nifti", "plain.nii.gz", gzip.decompress), "not compressed, though its name"
    ),
    "H NRRD named .nii": Fault(misnamed("nrrd", "ct.nii"), "name says NIfTI, but it is a NRRD file"),
    "H MetaImage named .nrrd": Fault(misnamed("meta", "other.nrrd"), "name says NRRD, but it is a MetaImage file"),
    "H a picture": Fault(
        misnamed("nifti", "ct.nii", lambda content: b"\x89PNG\r\n\x1a\n" + content), "a picture .PNG., not a CT"
    ),
    "H a page": Fault(misnamed("meta", "other.mha", lambda content: b"<html>" * 500), "web page"),
    "I tilted": Fault(turned("dicom", lambda matrix: matrix + SHEAR), "gantry was tilted"),
    "F sform without scale": Fault(
        in_header("nifti", nifti_fields(srow_x=[-1, 0, 0, 189], srow_y=[0, -1, 0, 171], srow_z=[0, 0, 1, 21.5])),
        "no voxel size",
    ),
    "F sform of zeros": Fault(
        in_header("nifti", nifti_fields(srow_x=[0] * 4, srow_y=[0] * 4, srow_z=[0] * 4, sform_code=1, qform_code=1)),
        "sform .* unusable",
    ),
    "F data offset": Fault(in_header("nifti", nifti_fields(vox_offset=0)), "impossible data offset"),
    "F negative size": Fault(in_header("nifti", nifti_fields(pixdim=[1, -6, 6, 9, 0, 0, 0, 0])), "negative voxel size"),
    "F quaternion": Fault(in_header("nifti", nifti_fields(sform_code=0, qform_code=1, quatern_d=1.0000005)), None),
    "F NRRD of more slices": Fault(
        in_header("nrrd", lambda content: content.replace(b"64 64 24", b"64 64 25")), "incomplete|damaged"
    ),
    "F NRRD of fewer slices": Fault(
        in_header("nrrd", lambda content: content.replace(b"64 64 24", b"64 64 23")), "more|behind|damaged"
    ),
    "F MetaImage of more slices": Fault(
        in_header("meta", lambda content: content.replace(b"64 64 24", b"64 64 25")), "incomplete|damaged"
    ),
    "F MetaImage of fewer slices": Fault(
        in_header("meta", lambda content: content.replace(b"64 64 24", b"64 64 23")), "more|behind|damaged"
    ),
    "F DICOM of other rows": Fault(
        in_slices(lambda file: change(file, Rows=63)), "mixes slices of different size", ALL
    ),
}
for kind in ("nifti", "nrrd", "meta"):
    FAULTS |= {
        f"E offset, {kind}": Fault(in_values(kind, lambda array, ks: array + 8192), "offset of 8192"),
        f"E rescaled, {kind}": Fault(
            in_values(kind, lambda array, ks: (array.clip(-1000, 1000) + 1000) // 2), "were rescaled"
        ),
        f"E offset of slices, {kind}": Fault(
            in_values(kind, shifted), "2 of 24 slices .* values lie about 10[0-9]+ above", ALL
        ),
        f"E padding, {kind}": Fault(
            in_values(kind, lambda array, ks: np.where(np.indices(CT.shape)[2] < 4, -2000, array)), None
        ),
        **{
            f"H one bit, {kind}, at {part:.0%}": Fault(flipped(kind, part), "damaged|incomplete")
            for part in (0.1, 0.5, 0.9)
        },
    }
