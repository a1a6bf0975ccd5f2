"""The page of a case as an encapsulated PDF, so that it stands with the study in every viewer."""

from __future__ import annotations

import hashlib

import highdicom
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from ..source import SourceImages
from .instance import RESEARCH_USE, Identity, instance, reference, settle

_TITLE = "Liver and lesions"


class _EncapsulatedPDF(highdicom.SOPClass):
    """An Encapsulated PDF, PS3.3 A.45.1; highdicom has the other kinds of objects."""

    def __init__(self, source: SourceImages, pdf: bytes, **shared) -> None:
        first = source.first
        super().__init__(
            study_instance_uid=first.StudyInstanceUID,
            sop_class_uid=EncapsulatedPDFStorage,
            modality="DOC",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            patient_id=first.PatientID,
            patient_name=first.PatientName,
            patient_birth_date=first.PatientBirthDate,
            patient_sex=first.PatientSex,
            accession_number=first.AccessionNumber,
            study_id=first.StudyID,
            study_date=first.StudyDate,
            study_time=first.StudyTime,
            referring_physician_name=first.ReferringPhysicianName,
            **shared,
        )
        self.copy_patient_and_study_information(first)
        self.ConversionType = "WSD"
        self.BurnedInAnnotation = "YES"
        self.AcquisitionDateTime = ""
        self.DocumentTitle = f"{_TITLE} ({RESEARCH_USE})"
        self.ConceptNameCodeSequence: list[Dataset] = []
        self.SourceInstanceSequence = [reference(header) for header in source.headers]
        self.MIMETypeOfEncapsulatedDocument = "application/pdf"
        self.EncapsulatedDocumentLength = len(pdf)
        self.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)


def make_document(pdf: bytes, source: SourceImages, identity: Identity) -> Dataset:
    """A page, given as PDF, as an object of the study."""
    shared = instance(source, identity, "document", 3, _TITLE, hashlib.sha256(pdf).hexdigest())
    document = _EncapsulatedPDF(source, pdf, **shared)
    settle(document, source, identity)
    return document
