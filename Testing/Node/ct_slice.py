"""Makes one CT slice as a DICOM data set, for all tests."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

OFFSET_HU = -1024  # of stored values


def ct_slice(hu: np.ndarray, tags: Mapping[str, object]) -> FileDataset:
    """A slice of (rows, columns) HU, stored unsigned, with what every CT slice has; a tag given as None is left out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PatientID": "P1",
        "SeriesNumber": "2",
        "Rows": hu.shape[0],
        "Columns": hu.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "RescaleSlope": "1",
        "RescaleIntercept": str(OFFSET_HU),
        "PixelData": (hu.astype(int) - OFFSET_HU).astype("<u2").tobytes(),
    }
    for name, value in (values | dict(tags)).items():
        if value is not None:
            setattr(dataset, name, value)
    return dataset
