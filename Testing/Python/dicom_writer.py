"""Makes small DICOM CT series for the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from ct_slice import ct_slice
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

AXIAL = (1, 0, 0, 0, 1, 0)


def write_slice(path: Path, hu: np.ndarray, position, orientation=AXIAL, **tags) -> Dataset:
    """Write one CT slice of (rows, columns) HU, stored unsigned with an intercept of -1024; a tag given as None is left
    out."""
    values = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientName": "Test^Patient",
        "SeriesDescription": "Body",
        "ImagePositionPatient": [round(float(value), 4) for value in position],
        "ImageOrientationPatient": [float(value) for value in orientation],
        "PixelSpacing": [0.8, 0.7],
        "SliceThickness": "2.5",
        "RescaleType": "HU",
    }
    dataset = ct_slice(hu, values | tags)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def change(file: Path, **tags) -> None:
    """Set tags of a DICOM file, or take them out where the value is None."""
    dataset = pydicom.dcmread(file)
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    dataset.save_as(file)


def write_series(
    folder: Path, hu: np.ndarray, first=(-100.0, -90.0, -300.0), step=(0, 0, 2.5), leave_out=(), uid=None, **tags
) -> list[Path]:
    """Write (k, j, i) HU as one series, names in an order that is not the slices'; returns the files in order of k."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    paths = []
    for k, plane in enumerate(hu):
        paths.append(folder / f"IM{(k * 7919) % 10007:05d}_{uid}.dcm")
        if k not in leave_out:
            write_slice(paths[-1], plane, np.add(first, np.multiply(step, k)), **({"SeriesInstanceUID": uid} | tags))
    return paths


def pack_as_jpeg(file: Path, kind: str = "JPEG") -> None:
    """Compress the pixels of a slice as lossless JPEG or JPEG 2000 ("JPEG2000"); its other tags stay."""
    import SimpleITK as sitk

    plain = pydicom.dcmread(file)
    image = sitk.GetImageFromArray((plain.pixel_array.astype(int) - 1024).astype(np.int16)[None])
    for tag, value in (("0028|1052", "-1024"), ("0028|1053", "1"), ("0008|0060", "CT")):
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor(kind)
    writer.SetFileName(str(file.with_suffix(".jpeg")))
    writer.Execute(image)
    packed = pydicom.dcmread(file.with_suffix(".jpeg"))
    file.with_suffix(".jpeg").unlink()
    coded = {name: getattr(packed, name) for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation")}
    plain.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    for name, value in coded.items():
        setattr(plain, name, value)
    plain["PixelData"].is_undefined_length = True
    plain.save_as(file)
