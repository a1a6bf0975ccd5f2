"""The structured report, TID 1500 of PS3.16: figures of the liver and of each lesion, axes with their ends, the notes.

A lesion is two groups with one tracking UID: what is measured on its segment (TID 1411), and its axes (TID 1501), since
only measurements outside a region of interest may have coordinates. Axes lie in an image (SCOORD), which most viewers
draw; those of scans whose images are not axial, or of an interpolated slice, in space (SCOORD3D).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom import sr
from pydicom import Dataset

from ... import __version__
from ...records.results import CaseResult, CaseSummary, Lesion, Line
from ..source import SourceImages
from . import codes
from .instance import MANUFACTURER, RESEARCH_USE, Identity, instance, lasting_uid, settle
from .segmentation import LIVER_NAME, lesion_name

_Group = sr.MeasurementsAndQualitativeEvaluations | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
_CONTAINS = sr.RelationshipTypeValues.CONTAINS


def make_report(
    result: CaseResult, source: SourceImages, identity: Identity, segmentation: Dataset | None, notes: list[str]
) -> sr.Comprehensive3DSR:
    """The report of a case, which refers to its segmentation where it has one."""
    groups = [_liver_group(result.summary, source, identity, segmentation)]
    for lesion in result.lesions:
        groups += [_lesion_group(lesion, source, identity, segmentation), _axes_group(lesion, source, identity)]
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=lasting_uid("device", __version__),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
        serial_number=__version__,
    )
    observer = sr.ObserverContext(observer_type=codes.DEVICE, observer_identifying_attributes=device)
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.CT,
        imaging_measurements=groups,
    )
    content[0].ContentSequence.append(_comments([f"{RESEARCH_USE}.", *notes]))
    report = sr.Comprehensive3DSR(
        [*source.headers, *([segmentation] if segmentation is not None else [])],
        content,
        is_complete=True,
        coding_schemes=[codes.PRIVATE_SCHEME],
        **instance(source, identity, "report", 2, "Liver and lesion measurements"),
    )
    settle(report, source, identity)
    return report


def _liver_group(
    summary: CaseSummary, source: SourceImages, identity: Identity, segmentation: Dataset | None
) -> _Group:
    figures = [
        (codes.VOLUME, summary.liver_ml, codes.ML),
        (codes.TUMOR_VOLUME, summary.tumor_ml, codes.ML),
        (codes.BURDEN, summary.tumor_burden_percent, codes.PERCENT),
        (codes.LESIONS, summary.lesion_count, codes.LESION_UNIT),
    ]
    return _group(
        LIVER_NAME,
        codes.LIVER_STRUCTURE,
        "liver",
        [sr.Measurement(name, value, unit) for name, value, unit in figures if value is not None],
        source,
        identity,
        _segment(segmentation, 1, source),
    )


def _lesion_group(lesion: Lesion, source: SourceImages, identity: Identity, segmentation: Dataset | None) -> _Group:
    figures = [
        (codes.VOLUME, lesion.volume_ml, codes.ML, None),
        (codes.ATTENUATION, lesion.mean_hu, codes.HU, codes.MEAN),
        (codes.ATTENUATION, lesion.sd_hu, codes.HU, codes.SD),
        (codes.DEPTH, lesion.distance_to_surface_mm, codes.MM, None),
        (codes.PROBABILITY, lesion.mean_probability, codes.RATIO, None),
    ]
    measurements = [
        sr.Measurement(name, value, unit, derivation=how) for name, value, unit, how in figures if value is not None
    ]
    segment = _segment(segmentation, lesion.id + 1, source)
    return _group(lesion_name(lesion), codes.LESION_STRUCTURE, "tumor", measurements, source, identity, segment)


def _axes_group(lesion: Lesion, source: SourceImages, identity: Identity) -> _Group:
    axes = (
        (codes.LONG_AXIS, lesion.longest_diameter_mm, lesion.longest_ends_ras),
        (codes.SHORT_AXIS, lesion.perpendicular_diameter_mm, lesion.perpendicular_ends_ras),
    )
    measurements = [
        sr.Measurement(name, length, codes.MM, referenced_coordinates=[_line(ends, source)] if ends else None)
        for name, length, ends in axes
    ]
    return _group(lesion_name(lesion), codes.LESION_STRUCTURE, "tumor", measurements, source, identity)


def _group(
    name: str,
    structure: codes.Structure,
    task: str,
    measurements: list[sr.Measurement],
    source: SourceImages,
    identity: Identity,
    segment: sr.ReferencedSegment | None = None,
) -> _Group:
    """A measurement group, on a segment or without one."""
    model = identity.model(task)
    shared: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(identity.uid("tracking", name), name),
        "finding_type": structure.type,
        "finding_category": structure.category,
        "finding_sites": [sr.FindingSite(structure.region)] if structure.region else None,
        "algorithm_id": sr.AlgorithmIdentification(
            model["id"], model["version"], parameters=[f"sha256={model['sha256']}"]
        ),
        "measurements": measurements,
    }
    if segment is None:
        return sr.MeasurementsAndQualitativeEvaluations(**shared)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=segment, **shared)


def _segment(segmentation: Dataset | None, number: int, source: SourceImages) -> sr.ReferencedSegment | None:
    if segmentation is None:
        return None
    series = sr.SourceSeriesForSegmentation(source.first.SeriesInstanceUID)
    return sr.ReferencedSegment(segmentation.SOPClassUID, segmentation.SOPInstanceUID, number, source_series=series)


def _line(ends: Line, source: SourceImages) -> sr.CoordinatesForMeasurement | sr.CoordinatesForMeasurement3D:
    points = np.array(ends)
    if (found := source.image_with(points)) is not None:
        header, places = found
        image = sr.SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID)
        return sr.CoordinatesForMeasurement(sr.GraphicTypeValues.POLYLINE, places, image)
    return sr.CoordinatesForMeasurement3D(
        sr.GraphicTypeValues3D.POLYLINE, source.lps(points), source.first.FrameOfReferenceUID
    )


def _comments(texts: list[str]) -> sr.ContainerContentItem:
    """The free texts of a report, in the place that TID 1500 has for them."""
    container = sr.ContainerContentItem(codes.EVALUATIONS, relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(
        [sr.TextContentItem(codes.COMMENT, text, _CONTAINS) for text in texts]
    )
    return container
