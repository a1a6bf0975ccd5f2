"""Which series are analyzed: what its images are, and what the configuration's rules say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files.dicom_header import Finding, Kind, Slice, look_at
from .configuration import Rules

# An axial slice's normal leans by the gantry's tilt, 30° at most; cos 37° leaves some room.
_AXIAL = 0.8


def why_not(files: Sequence[Path], header: dict, rules: Rules) -> str | None:
    """Why a series is not analyzed, in a sentence; None where it is.

    Args:
        files: of the series.
        header: what its first image says, see `Series`.
    """
    found = [look_at(file) for file in files]
    slices = [finding.geometry for finding in found if finding.geometry is not None]
    if not slices:
        return f"It has no CT slices, but {_most_frequent(found)}."
    low, high = rules.images
    if not low <= len(slices) <= high:
        return f"It has {len(slices)} slices; {low} to {high} are analyzed."
    if rules.axial and not _is_axial(slices):
        return "It is not axial."
    thickness = [each.thickness_mm for each in slices if each.thickness_mm is not None]
    if thickness and not rules.thickness_mm[0] <= np.median(thickness) <= rules.thickness_mm[1]:
        thin, thick = rules.thickness_mm
        return f"Its slices are {np.median(thickness):g} mm thick; {thin:g} to {thick:g} mm are analyzed."
    part = header.get("body_part", "")
    if rules.body_parts and part and part.casefold() not in [each.casefold() for each in rules.body_parts]:
        return f"Its body part is {part}; analyzed are {', '.join(rules.body_parts)}."
    description = header.get("description", "")
    if rules.description and not any(re.search(pattern, description, re.IGNORECASE) for pattern in rules.description):
        return f"Its description {description!r} has none of the patterns of rules.description."
    for pattern in rules.not_description:
        if re.search(pattern, description, re.IGNORECASE):
            return f"Its description {description!r} has the pattern {pattern!r} of rules.not_description."
    return None


def _is_axial(slices: Sequence[Slice]) -> bool:
    normals = np.array([np.cross(*each.axes.T) for each in slices])
    return bool(np.median(np.abs(normals[:, 2])) >= _AXIAL)


def _most_frequent(found: Sequence[Finding]) -> str:
    kinds = [
        finding.what if finding.kind is not Kind.LOST else f"images that cannot be used ({finding.what})"
        for finding in found
    ]
    return max(set(kinds), key=kinds.count) if kinds else "no images at all"
