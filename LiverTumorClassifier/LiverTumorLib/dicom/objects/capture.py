"""The page of a case as a Secondary Capture image, for archives and viewers that take no encapsulated PDF."""

from __future__ import annotations

import hashlib
from pathlib import Path

import highdicom
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from ..source import SourceImages
from .instance import RESEARCH_USE, Identity, instance, reference, settle

_TITLE = "Liver and lesions"


def make_capture(picture: Path, source: SourceImages, identity: Identity) -> Dataset:
    """A page, given as a picture file, as an object of the study: RGB, not compressed, which every viewer takes."""
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    shared = instance(source, identity, "capture", 3, _TITLE, hashlib.sha256(pixels.tobytes()).hexdigest())
    capture = highdicom.sc.SCImage.from_ref_dataset(
        source.first,
        pixels,
        highdicom.PhotometricInterpretationValues.RGB,
        8,
        highdicom.CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "P"),  # asked for; a page has none
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        **shared,
    )
    capture.copy_patient_and_study_information(source.first)
    capture.PatientOrientation = []
    capture.BodyPartExamined = "LIVER"  # which is not paired, so that no laterality is missed
    capture.ConversionType = "WSD"
    capture.BurnedInAnnotation = "YES"
    capture.ImageComments = RESEARCH_USE
    capture.SourceImageSequence = [reference(header) for header in source.headers]
    del capture.DateOfSecondaryCapture, capture.TimeOfSecondaryCapture
    settle(capture, source, identity)
    return capture
