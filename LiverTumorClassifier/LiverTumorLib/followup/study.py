"""One date: a CT with its labels, the lesions in it, and what its header tells of patient and time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.region import Box, bounding_box
from ..errors import InputError
from ..pipelines.lesions import measure_axial, measure_numbered, number_lesions
from ..records.followup import StudyRecord
from ..records.results import LIVER, TUMOR, CaseResult

_MOST_POINTS = 4000  # of one lesion; enough for shares of a per cent


@dataclass(frozen=True)
class Study:
    """One date, in axial order.

    Attributes:
        volume: the CT.
        labels: uint8 (k, j, i) on its grid, 1 liver, 2 tumor.
        result: its lesions and figures.
        record: what the follow-up tells of it.
        patient: PatientID; "" where nobody knows.
        description: what the scan is called in its header, "" without one.
        numbered: each lesion's place among the record's, from 1, in the box that holds them all; None without lesions.
        points: for each lesion up to 4000 of its voxel centers (n, 3), RAS mm.
    """

    volume: CTVolume
    labels: np.ndarray
    result: CaseResult
    record: StudyRecord
    patient: str = ""
    description: str = ""
    numbered: tuple[np.ndarray, tuple[slice, slice, slice]] | None = None
    points: list[np.ndarray] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.record.name

    def lesion_at(self, ras: np.ndarray) -> np.ndarray:
        """Which lesion lies at each of some places (n, 3), RAS mm, from 1; 0 where there is none."""
        ijk = np.rint((ras - self.volume.ijk_to_ras[:3, 3]) @ np.linalg.inv(self.volume.ijk_to_ras[:3, :3]).T).astype(
            int
        )
        numbers = np.zeros(len(ras), int)
        if self.numbered is not None:
            numbered, box = self.numbered
            kji = ijk[:, ::-1] - [part.start for part in box]
            inside = ((kji >= 0) & (kji < numbered.shape)).all(axis=1)
            numbers[inside] = numbered[tuple(kji[inside].T)]
        return numbers


def make_study(
    volume: CTVolume,
    labels: np.ndarray,
    *,
    date: str | None = None,
    key: str = "",
    patient: str = "",
    description: str = "",
    numbers: Sequence[int] | None = None,
) -> Study:
    """A date of a CT in any orientation and labels on its grid.

    Args:
        labels: (k, j, i), 0 background, 1 liver, 2 tumor; with `numbers` a label from 2 on for each lesion.
        date: YYYY-MM-DD.
        key: see `StudyRecord`; without one a checksum of the voxels.
        patient, description: see `Study`.
        numbers: of the lesions, in the order of their labels, where somebody has told them apart; without it connected
            parts are lesions.

    Raises InputError: labels on another grid, with other values, or without a liver.
    """
    if labels.shape != volume.shape:
        raise InputError(
            f"The labels of {volume.name} have {_size(labels.shape)} voxels, its CT has {_size(volume.shape)};"
            " give labels on the CT's grid."
        )
    if not labels.any():
        raise InputError(
            f"There is no liver in the labels of {volume.name}, so it cannot be registered;"
            " segment it, or correct the labels."
        )
    if labels.max() > (TUMOR if numbers is None else LIVER + len(numbers)):
        raise InputError(
            f"The labels of {volume.name} hold the value {labels.max()}; give 0 background, 1 liver, 2 tumor."
        )
    view = to_axial(volume)
    axial, own = view.volume, np.ascontiguousarray(view.bring(labels).astype(np.uint8))
    if np.count_nonzero(own == LIVER) == 0:
        raise InputError(
            f"The labels of {volume.name} hold tumor without liver; give 1 for the liver and 2 for the tumor in it."
        )
    if numbers is None:
        lesions, summary = measure_axial(own, axial)
        numbered = number_lesions(own)
    else:
        lesions, summary = measure_numbered(own, axial, numbers)
        numbered = _by_position(own, [LIVER + 1 + list(numbers).index(lesion.id) for lesion in lesions])
        own = np.minimum(own, TUMOR)
    summary.notes = list(volume.notes)
    record = StudyRecord(
        name=volume.name,
        date=date,
        key=key or _checksum(axial),
        lesions=lesions,
        liver_ml=summary.liver_ml or 0.0,
        tumor_ml=summary.tumor_ml or 0.0,
        slice_mm=round(float(axial.spacing[2]), 3),
    )
    result = CaseResult(volume.name, summary, lesions)
    return Study(axial, own, result, record, patient, description, numbered, _points(numbered, axial))


def _by_position(labels: np.ndarray, values: list[int]) -> tuple[np.ndarray, Box] | None:
    """As `number_lesions`: from labels that tell lesions apart, each lesion's place among `values` from 1."""
    if (box := bounding_box(labels >= TUMOR)) is None:
        return None
    table = np.zeros(256, np.int32)
    table[values] = np.arange(1, len(values) + 1)
    return table[labels[box]], box


def _points(found: tuple[np.ndarray, tuple[slice, slice, slice]] | None, volume: CTVolume) -> list[np.ndarray]:
    from scipy.ndimage import find_objects

    if found is None:
        return []
    numbered, box = found
    points = []
    for number, region in enumerate(find_objects(numbered), start=1):
        kji = np.argwhere(numbered[region] == number) + [
            within.start + part.start for within, part in zip(box, region, strict=True)
        ]
        points.append(volume.ras(kji[:: -(-len(kji) // _MOST_POINTS), ::-1]))
    return points


def _checksum(volume: CTVolume) -> str:
    digest = hashlib.sha256(np.round(volume.ijk_to_ras, 3).tobytes())
    for plane in volume.array:
        digest.update(np.rint(plane).astype(np.int16).tobytes())
    return digest.hexdigest()


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[::-1]))
