"""Several acquisitions in one DICOM series: contrast phases, or reconstructions, whose slices lie between or upon each
other's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..errors import InputError
from .dicom_header import Slice
from .dicom_series import Series
from .dicom_stack import make_stack

_FEWEST = 3  # slices of an acquisition; two are always evenly spaced


def acquisitions(series: Series) -> list[Series]:
    """The acquisitions of a series whose places overlap and that are a regular stack each; else the series as it is.

    They are told from each other by AcquisitionNumber, by a pause in time, or by image numbers that begin again at the
    other end. Acquisitions that follow each other along the body are one volume and stay together.
    """
    if len(series.slices) < 2 * _FEWEST:
        return [series]
    for divide in (_by_number, _by_time, _by_order):
        groups = divide(series.slices)
        if len(groups) < 2 or min(map(len, groups.values())) < _FEWEST or not _overlap(list(groups.values())):
            continue
        parts = [replace(series, acquisition=name, slices=slices) for name, slices in groups.items()]
        if all(_is_regular(part) for part in parts):
            return parts
    return [series]


def _by_number(slices: list[Slice]) -> dict[str, list[Slice]]:
    groups: dict[str, list[Slice]] = defaultdict(list)
    for item in slices:
        groups[item.acquisition or "without a number"].append(item)
    return groups


def _by_time(slices: list[Slice]) -> dict[str, list[Slice]]:
    """Cut at pauses of at least half the longest one."""
    timed = [(item.time_s, item) for item in slices if item.time_s is not None]
    if len(timed) < len(slices):
        return {}
    timed.sort(key=lambda pair: pair[0])
    ordered = [item for _, item in timed]
    pauses = np.diff([time for time, _ in timed])
    return _cut(ordered, np.flatnonzero((pauses > 0) & (pauses >= 0.5 * pauses.max())))


def _by_order(slices: list[Slice]) -> dict[str, list[Slice]]:
    """Cut where the slices, in order of their numbers, turn back along the body."""
    numbered = [(item.number, item) for item in slices if item.number is not None]
    if len(numbered) < len(slices):
        return {}
    ordered = [item for _, item in sorted(numbered, key=lambda pair: pair[0])]
    steps = np.diff(_depth(ordered))
    return _cut(ordered, np.flatnonzero(np.sign(steps) == -np.sign(np.median(steps))))


def _cut(ordered: list[Slice], after: Iterable[int]) -> dict[str, list[Slice]]:
    ends = [0, *(int(index) + 1 for index in after), len(ordered)]
    parts = [ordered[begin:end] for begin, end in pairwise(ends)]
    return {f"{number} of {len(parts)}": part for number, part in enumerate(parts, 1)}


def _overlap(groups: list[list[Slice]]) -> bool:
    """Whether slices of one group lie between, or at the places of, those of another."""
    slices = [item for group in groups for item in group]
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    in_order = owner[np.lexsort((owner, _depth(slices).round(2)))]
    return int(np.count_nonzero(np.diff(in_order))) > len(groups) - 1


def _depth(slices: list[Slice]) -> np.ndarray:
    """Where slices lie along the normal of the first, mm."""
    normal = np.cross(*slices[0].axes.T)
    return np.array([item.position @ normal for item in slices])


def _is_regular(series: Series) -> bool:
    try:
        return make_stack(series).is_plain
    except InputError:
        return False
