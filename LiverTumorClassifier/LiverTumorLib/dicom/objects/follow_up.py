"""The structured report of one date of a follow-up, TID 1500: axes and volumes of the lesions under the tracking UIDs
that they have at all dates, and the response by RECIST 1.1."""

from __future__ import annotations

import hashlib
import json

from highdicom import sr

from ... import __version__
from ...records.followup import Assessment, FollowUp, Track
from ..source import SourceImages
from . import codes
from .instance import MANUFACTURER, Identity, instance
from .report import Group, axes_of, report_of
from .segmentation import LIVER_NAME

_TITLE = "Follow-up of liver lesions"


def make_follow_up_report(result: FollowUp, at: int, source: SourceImages) -> sr.Comprehensive3DSR:
    """The report of date `at` (from 0), whose images `source` has."""
    found = json.dumps(result.to_dict(), sort_keys=True)
    identity = Identity(hashlib.sha256(f"{at} {__version__} {found}".encode()).hexdigest(), [])
    when = sr.TimePointContext(result.studies[at].date or f"date {at + 1}", time_point_order=at + 1)
    groups = [_liver_group(result, at, identity, when)]
    for track in result.tracks:
        groups += _lesion_groups(result, track, at, source, when)
    assessment = result.assessments[at]
    words = f"Response of the liver (RECIST 1.1): {assessment.response}; {assessment.reason}."
    series = instance(source, identity, "follow-up", 4, _TITLE)
    return report_of(groups, [words, *result.notes], source.headers, source, identity, series)


def _liver_group(result: FollowUp, at: int, identity: Identity, when: sr.TimePointContext) -> Group:
    study, found = result.studies[at], result.assessments[at]
    figures = (
        (codes.VOLUME, study.liver_ml, codes.ML),
        (codes.TUMOR_VOLUME, study.tumor_ml, codes.ML),
        (codes.SUM, found.sum_mm, codes.MM),
    )
    return sr.MeasurementsAndQualitativeEvaluations(
        sr.TrackingIdentifier(identity.uid("tracking", LIVER_NAME), LIVER_NAME),
        time_point_context=when,
        finding_type=codes.LIVER_STRUCTURE.type,
        finding_category=codes.LIVER_STRUCTURE.category,
        algorithm_id=_algorithm(),
        measurements=[sr.Measurement(name, value, unit) for name, value, unit in figures if value is not None],
        qualitative_evaluations=_responses(found),
    )


def _responses(found: Assessment) -> list[sr.QualitativeEvaluation]:
    values = [codes.TARGET_RESPONSES.get(found.target), codes.OTHER_RESPONSES.get(found.nontarget)]
    told = [sr.QualitativeEvaluation(codes.RESPONSE, value) for value in values if value is not None]
    return [sr.QualitativeEvaluation(codes.CRITERIA, codes.RECIST_1_1), *told]


def _lesion_groups(
    result: FollowUp, track: Track, at: int, source: SourceImages, when: sr.TimePointContext
) -> list[Group]:
    """A group for each part of a lesion at this date, all under its one tracking UID."""
    structure = codes.LESION_STRUCTURE
    kind = codes.TARGET if track.target else codes.NO_TARGET
    lesions = [result.studies[at].lesion(number) for number in track.lesions[at]]
    return [
        sr.MeasurementsAndQualitativeEvaluations(
            sr.TrackingIdentifier(track.uid, f"Lesion {track.id}"),
            time_point_context=when,
            finding_type=structure.type,
            finding_category=structure.category,
            finding_sites=[sr.FindingSite(structure.region)] if structure.region else None,
            algorithm_id=_algorithm(),
            measurements=[*axes_of(lesion, source), sr.Measurement(codes.VOLUME, lesion.volume_ml, codes.ML)],
            qualitative_evaluations=[sr.QualitativeEvaluation(codes.BASELINE, kind)] if track.lesions[0] else None,
        )
        for lesion in lesions
    ]


def _algorithm() -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(f"{MANUFACTURER} follow-up", __version__)
