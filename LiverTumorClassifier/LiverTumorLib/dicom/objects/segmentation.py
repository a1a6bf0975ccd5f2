"""The DICOM segmentation: the liver with its lesions, and each lesion as a segment of its own.

It is of type BINARY, one bit a voxel, in which segments may overlap, and not compressed: run-length coding and JPEG-LS
are not defined for single bits, deflate is a transfer syntax that few archives accept, and the newer LABELMAP type,
which could be compressed, holds no overlap and is unknown to most viewers. Slices without a segment are left out.
"""

from __future__ import annotations

import highdicom
import numpy as np
from pydicom.valuerep import DSfloat

from ...ct.region import components
from ...ct.volume import CTVolume
from ...errors import InputError
from ...records.results import TUMOR, Lesion
from ..source import NO_RESULTS, SourceImages
from .codes import LESION_STRUCTURE, LIVER_STRUCTURE, NETWORK, Structure
from .instance import MANUFACTURER, RESEARCH_USE, Identity, instance, settle, tracking

LIVER_NAME = "Liver"
_PATIENT = highdicom.CoordinateSystemNames.PATIENT


def make_segmentation(
    volume: CTVolume, labels: np.ndarray, lesions: list[Lesion], source: SourceImages, identity: Identity
) -> highdicom.seg.Segmentation | None:
    """The segmentation of a case; None where no liver was found. Segment 1 is the liver, the next ones are the lesions.

    Args:
        labels: 1 liver, 2 lesion; or 2 the first lesion, 3 the next, where somebody has told them apart.

    Raises InputError where the lesions cannot be told apart on the grid of the scan.
    """
    used = np.flatnonzero(labels.any(axis=(1, 2)))
    if not len(used):
        return None
    planes = slice(int(used[0]), int(used[-1]) + 1)
    lesion_voxels = voxels_of_lesions(labels[planes], planes.start, volume, lesions)
    # Segments are the first axis in memory, and what is not set takes none: masks of many lesions would be gigabytes.
    stacked = np.zeros((1 + len(lesions), *labels[planes].shape), np.uint8)
    stacked[0] = labels[planes] > 0
    for number, kji in lesion_voxels:
        stacked[number][tuple(kji.T)] = 1
    liver = identity.uid("tracking", LIVER_NAME)
    described = [_describe(1, LIVER_NAME, liver, LIVER_STRUCTURE, identity, "liver")]
    for number, lesion in enumerate(lesions, start=2):
        tracked = tracking(source, lesion)
        described.append(_describe(number, lesion_name(lesion), tracked, LESION_STRUCTURE, identity, "tumor"))
    segmentation = highdicom.seg.Segmentation(
        source.headers,
        np.moveaxis(stacked, 0, -1),
        highdicom.seg.SegmentationTypeValues.BINARY,
        described,
        plane_positions=[highdicom.PlanePositionSequence(_PATIENT, place) for place in source.places[planes]],
        plane_orientation=highdicom.PlaneOrientationSequence(_PATIENT, source.first.ImageOrientationPatient),
        content_label="LIVER_TUMOR",
        content_description=RESEARCH_USE,
        content_creator_name=f"{MANUFACTURER}^",
        **instance(source, identity, "segmentation", 1, "Liver and lesions"),
    )
    # Where slices lie a little uneven, dcmqi takes thickness for distance, which it need not be in the images.
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.SliceThickness = measures.SpacingBetweenSlices = DSfloat(source.spacing[2], auto_format=True)
    settle(segmentation, source, identity)
    return segmentation


def lesion_name(lesion: Lesion) -> str:
    """What a lesion is called in all objects."""
    return f"Lesion {lesion.id}"


def voxels_of_lesions(
    labels: np.ndarray, first: int, volume: CTVolume, lesions: list[Lesion]
) -> list[tuple[int, np.ndarray]]:
    """The connected parts of the tumor: the place in the list, from 1, of the lesion that each belongs to; its voxels
    (n, 3) in (k, j, i).

    The lesions were measured in axial order, which numbers the parts otherwise, and in a strongly tilted scan even on
    another grid; the parts here are theirs by place and size.

    Args:
        labels: slices of the result, from slice `first` of the volume on.

    Raises InputError where a lesion has no part, as small ones may not have on the grid of a strongly tilted scan.
    """
    if labels.max(initial=0) > TUMOR:  # they are told apart already
        return [(number, np.argwhere(labels == number + 1)) for number in range(1, len(lesions) + 1)]
    parts: list[tuple[int, np.ndarray]] = []
    known = [_place_and_size(lesion.centroid_ras, lesion.volume_ml) for lesion in lesions]
    found = components(labels == TUMOR)
    for number in range(len(found.sizes)):
        own, box = found.part(number)
        kji = np.argwhere(own) + [side.start for side in box]
        centroid = volume.ras((kji + [first, 0, 0])[:, ::-1]).mean(axis=0)
        here = _place_and_size(centroid, len(kji) * volume.voxel_ml)
        parts.append((int(np.linalg.norm(known - here, axis=1).argmin()) + 1, kji))
    if lost := sorted({lesion.id for lesion in lesions} - {lesions[number - 1].id for number, _ in parts}):
        raise InputError(
            f"{NO_RESULTS}: on the slices of {volume.name}, which lie aslant, lesion {lost[0]} cannot be told from the "
            "others; use the axial series of this study."
        )
    return parts


def _place_and_size(centroid, ml: float) -> np.ndarray:
    """Comparable as a point: mm, and the edge of a cube of that volume in mm."""
    return np.array([*centroid, (1000 * ml) ** (1 / 3)])


def _describe(
    number: int, name: str, tracking_uid: str, structure: Structure, identity: Identity, task: str
) -> highdicom.seg.SegmentDescription:
    model = identity.model(task)
    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    kind = kinds.MANUAL if model is None else kinds.SEMIAUTOMATIC if identity.corrected else kinds.AUTOMATIC
    network = None
    if model is not None:
        network = highdicom.AlgorithmIdentificationSequence(
            model["id"], NETWORK, model["version"], source=MANUFACTURER, parameters={"sha256": model["sha256"]}
        )
    return highdicom.seg.SegmentDescription(
        number,
        name,
        structure.category,
        structure.type,
        kind,
        network,
        tracking_uid=tracking_uid,
        tracking_id=name,
        anatomic_regions=[structure.region] if structure.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.rgb),
    )
