"""The coded concepts of the results: SNOMED CT, DICOM and UCUM where they have one, a private scheme for the rest."""

from __future__ import annotations

from typing import NamedTuple

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from ...records.results import LIVER, TUMOR
from ...records.segments import SEGMENTS

PRIVATE = "99LIVERTUMOR"
PRIVATE_SCHEME = CodingSchemeIdentificationItem(
    PRIVATE, name="LiverTumor", responsible_organization="LiverTumor for 3D Slicer"
)
MM = codes.UCUM.Millimeter
ML = CodedConcept("ml", "UCUM", "milliliter")
HU = codes.UCUM.HounsfieldUnit
PERCENT = codes.UCUM.Percent
RATIO = codes.UCUM.NoUnits
LESION_UNIT = CodedConcept("{lesions}", "UCUM", "lesions")

VOLUME = codes.SCT.Volume
LONG_AXIS, SHORT_AXIS = codes.SCT.LongAxis, codes.SCT.ShortAxis
ATTENUATION = codes.DCM.AttenuationCoefficient
MEAN, SD = codes.SCT.Mean, codes.SCT.StandardDeviation
COMMENT = codes.DCM.Comment
EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
# DICOM's own probabilities (111047 and its like) are of cancer; this is what a network says of voxels.
PROBABILITY = CodedConcept("mean-probability", PRIVATE, "Mean tumor probability of the voxels")
DEPTH = CodedConcept("depth", PRIVATE, "Distance to the liver surface")
BURDEN = CodedConcept("tumor-burden", PRIVATE, "Tumor volume as a share of the liver volume")
TUMOR_VOLUME = CodedConcept("tumor-volume", PRIVATE, "Volume of all lesions")
LESIONS = CodedConcept("lesion-count", PRIVATE, "Number of lesions")
SUM = CodedConcept("sum-of-diameters", PRIVATE, "Sum of the diameters of the target lesions")
CRITERIA, RECIST_1_1 = codes.DCM.ResponseEvaluationMethod, codes.DCM.RECIST1Point1
RESPONSE = codes.DCM.CurrentResponse
# The standard's values of a response are of one kind of lesions; overall responses are told in words.
TARGET_RESPONSES = {
    "CR": codes.DCM.TargetLesionCompleteResponse,
    "PR": codes.DCM.TargetLesionPartialResponse,
    "SD": codes.DCM.TargetLesionStableDisease,
    "PD": codes.DCM.TargetLesionProgressiveDisease,
}
OTHER_RESPONSES = {
    "CR": codes.DCM.NonTargetLesionCompleteResponse,
    "Non-CR/Non-PD": codes.DCM.NonTargetLesionIncompleteResponseOrStableDisease,
}
BASELINE = codes.DCM.BaselineCategory
TARGET, NO_TARGET = codes.DCM.TargetLesionAtBaseline, codes.DCM.NonTargetLesionAtBaseline
CT = codes.LN.CTUnspecifiedBodyRegion
DEVICE = codes.DCM.Device
NETWORK = codes.DCM.ArtificialIntelligence


class Structure(NamedTuple):
    """What a segment shows: category, type and the region it lies in, and its color (0 to 255)."""

    category: CodedConcept
    type: CodedConcept
    region: CodedConcept | None
    rgb: tuple[int, int, int]


def _structure(label: int) -> Structure:
    """The terminology that all files and nodes share, as DICOM codes."""
    segment = next(segment for segment in SEGMENTS if segment.label == label)
    parts = segment.terminology.split("~")
    category, kind, region = (parts[number].split("^") for number in (1, 2, 5))  # scheme, value, meaning
    return Structure(_concept(*category), _concept(*kind), _concept(*region) if region[1] else None, segment.rgb)


def _concept(scheme: str, value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, scheme, meaning)


LIVER_STRUCTURE, LESION_STRUCTURE = _structure(LIVER), _structure(TUMOR)
