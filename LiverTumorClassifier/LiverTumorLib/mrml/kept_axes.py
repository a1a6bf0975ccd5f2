"""The axes of the lesions as they were measured and as a user has drawn them, kept in the segmentation node and so with
the scene.

An axis that was drawn by hand belongs to the lesion at the place of the one for which it was drawn, whatever number
that has later: after a correction, another threshold or a new run it counts where there still is a lesion, until it is
reset.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..records.columns import lesion_values
from ..records.results import BY_HAND, CaseResult, Lesion, Line

_MEASURED = "LiverTumor.axes"
_DRAWN = "LiverTumor.axesByHand"
_Drawn = dict[str, Any]  # "place" (R, A in mm) and axial "slice" of the lesion; ends of "long", "short" or both, RAS mm


@dataclass(frozen=True)
class Axis:
    """One of the two axes of a lesion.

    Attributes:
        name: as in `BY_HAND`.
        length, ends: the fields of `Lesion` that hold it, in mm and in RAS mm.
    """

    name: str
    length: str
    ends: str


LONG = Axis("long", "longest_diameter_mm", "longest_ends_ras")
SHORT = Axis("short", "perpendicular_diameter_mm", "perpendicular_ends_ras")
AXES = (LONG, SHORT)


@dataclass(frozen=True)
class LesionAxes:
    """The ends of a lesion's axes as they count now (RAS mm), and which of them are drawn by hand; without ends that
    nobody has noted."""

    ends: dict[Axis, Line]
    by_hand: tuple[Axis, ...]

    @property
    def words(self) -> str | None:
        """What `Lesion.axes_by_hand` says."""
        return BY_HAND[2] if len(self.by_hand) > 1 else next((axis.name for axis in self.by_hand), None)


def keep_axes(segmentation_node, result: CaseResult, rejected: Collection[int]) -> None:
    """Keep the axes that were measured; where others are drawn by hand, these count in the lesions and the summary.

    Args:
        rejected: numbers of lesions that do not count in the summary.
    """
    lesions = result.lesions
    measured = {
        lesion.id: {each: getattr(lesion, each) for axis in AXES for each in _fields(axis)} for lesion in lesions
    }
    segmentation_node.SetAttribute(_MEASURED, json.dumps(measured))
    count_drawn(segmentation_node, lesions)
    counted = [lesion.longest_diameter_mm for lesion in lesions if lesion.id not in rejected]
    result.summary.largest_diameter_mm = max(counted, default=None)


def count_drawn(segmentation_node, lesions: list[Lesion]) -> None:
    """Let the axes that were drawn by hand count in lesions that have just been measured."""
    counting = axes_of(segmentation_node, [lesion_values(lesion) for lesion in lesions])
    for lesion in lesions:
        axes = counting[lesion.id]
        lesion.axes_by_hand = axes.words
        for axis in axes.by_hand:
            setattr(lesion, axis.length, length_of(axes.ends[axis]))
            setattr(lesion, axis.ends, axes.ends[axis])


def axes_of(segmentation_node, records: Iterable[dict]) -> dict[int, LesionAxes]:
    """The axes of all lesions as they count, by number of the lesion; `records` are the rows of the lesion table."""
    records = list(records)
    measured, drawn = _measured(segmentation_node), _owned(segmentation_node, records)
    found = {}
    for record in records:
        known, own = measured.get(str(record["id"]), {}), drawn.get(record["id"], {})
        ends = {axis: own.get(axis.name) or known.get(axis.ends) for axis in AXES}
        by_hand = tuple(axis for axis in AXES if axis.name in own)
        found[record["id"]] = LesionAxes({axis: _line(line) for axis, line in ends.items() if line}, by_hand)
    return found


def draw_axis(segmentation_node, records: list[dict], number: int, axis: Axis, ends: Line) -> None:
    """Let an axis that somebody has drawn count for lesion `number`."""
    record = next(record for record in records if record["id"] == number)
    new = {"place": [record["centroid_r"], record["centroid_a"]], "slice": record["diameter_slice"]}
    own = _owned(segmentation_node, records).get(number, new)
    others = [each for each in _drawn(segmentation_node) if each != own]
    _keep_drawn(segmentation_node, [*others, {**own, axis.name: ends}])


def measured_lengths(segmentation_node, number: int) -> dict[str, float]:
    """What was measured on the voxels of lesion `number`, in mm by field of `Lesion`."""
    return {axis.length: _measured(segmentation_node)[str(number)][axis.length] for axis in AXES}


def reset_axes(segmentation_node, records: list[dict], number: int) -> None:
    """Forget what was drawn by hand for lesion `number`."""
    own = _owned(segmentation_node, records).get(number)
    _keep_drawn(segmentation_node, [each for each in _drawn(segmentation_node) if each != own])


def forget_axes(segmentation_node, records: list[dict], numbers: Collection[int]) -> None:
    """Forget what was drawn by hand for lesions that are no longer what they were, or it could become that of another
    one in the same place."""
    owned = [drawn for number, drawn in _owned(segmentation_node, records).items() if number in numbers]
    _keep_drawn(segmentation_node, [each for each in _drawn(segmentation_node) if each not in owned])


def length_of(ends: Line) -> float:
    """Length of a line in mm, rounded as the measurements are."""
    return round(math.dist(*ends), 2)


def _owned(segmentation_node, records: list[dict]) -> dict[int, _Drawn]:
    """What was drawn, by the number of its lesion: of those that the slice cuts the nearest, if its middle lies within
    half of its long axis from the place."""
    measured = _measured(segmentation_node)
    fitting = []
    for index, drawn in enumerate(_drawn(segmentation_node)):
        for record in records:
            long = measured.get(str(record["id"]), {}).get(LONG.length, record[LONG.length])
            away = math.dist(drawn["place"], (record["centroid_r"], record["centroid_a"]))
            if record["first_slice"] <= drawn["slice"] <= record["last_slice"] and away <= long / 2:
                fitting.append((away, index, record["id"], drawn))
    owned: dict[int, _Drawn] = {}
    taken = set()
    for _away, index, number, drawn in sorted(fitting, key=lambda each: each[:3]):
        if index not in taken and number not in owned:
            owned[number] = drawn
            taken.add(index)
    return owned


def _fields(axis: Axis) -> tuple[str, str]:
    return axis.length, axis.ends


def _line(ends) -> Line:
    (r, a, s), (r_end, a_end, s_end) = ends
    return (r, a, s), (r_end, a_end, s_end)


def _measured(segmentation_node) -> dict[str, dict]:
    return json.loads(segmentation_node.GetAttribute(_MEASURED) or "{}")


def _drawn(segmentation_node) -> list[_Drawn]:
    return json.loads(segmentation_node.GetAttribute(_DRAWN) or "[]")


def _keep_drawn(segmentation_node, drawn: list[_Drawn]) -> None:
    segmentation_node.SetAttribute(_DRAWN, json.dumps(drawn) if drawn else None)
