"""Files of CT and of masks: small valid ones, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from mutate import mutate_bytes
from target import Changed, Target

MATRIX = np.array([[-0.8, 0, 0, 12], [0, -0.8, 0, 14], [0, 0, 3.0, -200], [0, 0, 0, 1]])


def ct() -> np.ndarray:
    array = np.full((5, 12, 14), -1000, np.int16)
    array[:, 2:-2, 2:-2] = 60
    array[2:4, 5:8, 5:9] = 150
    return array


def labels() -> np.ndarray:
    return (ct() > 0).astype(np.uint8) + (ct() > 100)


def _written_by(name: str, array: Callable[[], np.ndarray], packed: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        if ".nii" in name:
            import nibabel

            nibabel.save(nibabel.Nifti1Image(array().T, MATRIX), path)
        else:
            import SimpleITK as sitk
            from LiverTumorLib.files.itk import image_from

            sitk.WriteImage(image_from(array(), MATRIX), str(path), packed)
        return path

    return make


def _series(syntax: str | None = None, bare: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from dicom_writer import pack_as_jpeg, write_series

        file = write_series(folder / "series", ct())[2]
        if syntax in ("JPEG", "JPEG2000"):
            pack_as_jpeg(file, syntax)
        elif bare:
            content = file.read_bytes()
            file.write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
        elif syntax is not None:
            import pydicom

            dataset = pydicom.dcmread(file)
            dataset.compress(syntax)
            dataset.save_as(file)
        return file

    return make


def _before_pixels(content: bytes, random: Random) -> bytes:
    at = content.rindex(b"\xe0\x7f\x10\x00")
    return mutate_bytes(content[:at], random) + content[at:]


def _take_slice(path: Path) -> None:
    from LiverTumorLib.files.dicom_header import Kind, look_at
    from LiverTumorLib.files.dicom_pixels import read_pixels

    if look_at(path).kind is Kind.SLICE:
        read_pixels(path)


def _take_headers(path: Path) -> None:
    """A series in which one header is changed: the same volume, or a word on it."""
    volume = _read_ct(path.parent)
    same = volume.shape == ct().shape and np.array_equal(volume.array, ct())
    grid = np.array([[-0.7, 0, 0, 100], [0, -0.8, 0, 90], [0, 0, 2.5, -300], [0, 0, 0, 1]])
    if not volume.notes and not (same and np.abs(volume.ijk_to_ras - grid).max() < 0.3):
        raise Changed(f"{path.name} {volume.shape} {volume.ijk_to_ras.round(2).tolist()}")


def _read_ct(path: Path) -> object:
    from LiverTumorLib.files import read_ct

    return read_ct(path)


def _read_labels(path: Path) -> object:
    from LiverTumorLib.files import read_labels

    return read_labels(path)


def _checked(
    array: Callable[[], np.ndarray], read: Callable[[Path], object], voxels: Callable
) -> Callable[[Path], None]:
    """Of a packed file with a checksum: what is read is what was written."""

    def take(path: Path) -> None:
        found = voxels(read(path))
        if found.shape != array().shape or not np.array_equal(found, array()):
            raise Changed(path.name)

    return take


def _after_header(separator: bytes) -> Callable[[bytes, Random], bytes]:
    return lambda content, random: mutate_bytes(content, random, content.index(separator) + len(separator))


def _volume(volume) -> np.ndarray:
    return volume.array


SCANS = (
    Target("nifti", _written_by("a.nii", ct), _read_ct),
    Target("nifti-gz", _written_by("a.nii.gz", ct), _checked(ct, _read_ct, _volume)),
    Target("nrrd", _written_by("a.nrrd", ct), _read_ct),
    Target(
        "nrrd-gzip",
        _written_by("a.nrrd", ct, packed=True),
        _checked(ct, _read_ct, _volume),
        _after_header(b"\n\n"),
    ),
    Target("metaimage", _written_by("a.mha", ct), _read_ct),
    Target("metaimage-header", _written_by("a.mhd", ct), _read_ct),
    Target(
        "metaimage-zlib",
        _written_by("a.mha", ct, packed=True),
        _checked(ct, _read_ct, _volume),
        _after_header(b"LOCAL\n"),
    ),
    Target("dicom", _series(), lambda path: _read_ct(path.parent)),
    Target("dicom-file", _series(), _take_slice),
    Target("dicom-header", _series(), _take_headers, _before_pixels),
    Target("dicom-bare", _series(bare=True), _take_headers, _before_pixels),
    Target("dicom-jpeg", _series("JPEG"), lambda path: _read_ct(path.parent)),
    Target("dicom-jpeg2000", _series("JPEG2000"), lambda path: _read_ct(path.parent)),
    Target("dicom-rle", _series("1.2.840.10008.1.2.5"), lambda path: _read_ct(path.parent)),
    Target("mask-nifti", _written_by("a.nii", labels), _read_labels),
    Target("mask-nifti-gz", _written_by("a.nii.gz", labels), _checked(labels, _read_labels, lambda found: found[0])),
    Target("mask-nrrd", _written_by("a.seg.nrrd", labels, packed=True), _read_labels),
    Target(
        "mask-nrrd-gzip",
        _written_by("a.seg.nrrd", labels, packed=True),
        _checked(labels, _read_labels, lambda found: found[0]),
        _after_header(b"\n\n"),
    ),
)
