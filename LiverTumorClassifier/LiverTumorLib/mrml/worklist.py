"""The lesions of a segmentation with what was measured of them, what a reader says, and whether both still fit.

The segments say which lesions there are, and what a reader says of them is kept with them; the lesion table has what
was measured, and a copy of the words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..pipelines.doubt import burden_doubts
from ..pipelines.lesions import summary_of
from ..records.judgments import Judgment
from ..records.results import CaseSummary
from ..records.segments import LESION_SEGMENT
from .case_nodes import LESIONS_ROLE, SUMMARY_ROLE, TABLES
from .checksums import checksums
from .history import undoable
from .lesions import LesionSegment, lesions_of
from .liver_extent import Extent, liver_extent, shared_ml
from .nodes import one_update
from .probabilities import MAPS
from .rejections import lend_rejected
from .segment_tags import judgment_of, set_judgment
from .tables import fill_summary_table, records_of, set_cells
from .translation import _
from .volumes import voxel_ml

_HIDDEN = "LiverTumor.hiddenLesions"  # of a display node: those that were hidden here, for they were rejected
_ROUNDED_ML = 0.0006  # by which a volume in the summary may be rounded


@dataclass(frozen=True)
class Row:
    """A row of the worklist.

    Attributes:
        lesion: and its segment; None where that was deleted since it was measured, or in a scene of an earlier version,
            where all lesions are one segment.
        figures: the row of the lesion table; empty for what was never measured.
        is_changed: whether the figures are not those of the voxels there are now.
    """

    lesion: LesionSegment | None
    figures: dict[str, Any]
    is_changed: bool

    @property
    def name(self) -> str:
        """What the reader calls the lesion."""
        return self.lesion.name if self.lesion is not None else self.figures.get("name") or str(self.figures["id"])

    @property
    def short_name(self) -> str:
        """As `name`, but only the number where the name is the usual one."""
        return self.name.removeprefix(f"{LESION_SEGMENT.name} ")

    @property
    def judgment(self) -> Judgment:
        """What the reader says of it."""
        return self.lesion.judgment if self.lesion is not None else Judgment()


def worklist(segmentation_node) -> list[Row]:
    """The lesions by their numbers, then those that were never measured, then those that are there no longer."""
    records = records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))
    if any("segment" not in record for record in records):
        return [Row(None, record, False) for record in records]
    measured = {record["segment"]: record for record in records}
    lesions = lesions_of(segmentation_node)
    voxels = checksums(segmentation_node.GetSegmentation(), [lesion.identifier for lesion in lesions])
    rows = []
    for lesion in lesions:
        figures = measured.pop(lesion.identifier, {})
        if figures or lesion.identifier in voxels:  # not a segment that is about to be drawn
            changed = figures.get("voxels", "") != voxels.get(lesion.identifier, "")
            rows.append(Row(lesion, figures, changed))
    return rows + [Row(None, figures, True) for figures in measured.values()]


def judge(segmentation_node, ct_node, identifiers: Sequence[str], **words: str) -> None:
    """Say something of lesions, and let the tables, the liver and the views follow. What changes the count of lesions
    is taken back by `undo`.

    Args:
        identifiers: of the lesions' segments.
        words: `status`, `kind` or `note`, see `Judgment`; what is not named stays as it is.

    Raises:
        InputError: a lesion is no longer there; nothing is said of any then.
    """
    segmentation = segmentation_node.GetSegmentation()
    if any(segmentation.GetSegment(identifier) is None for identifier in identifiers):
        raise InputError(_("That lesion is no longer there; choose another one."))
    before = _rejected(segmentation_node)
    judged = {each: replace(judgment_of(segmentation.GetSegment(each)), **words) for each in identifiers}
    counts_otherwise = any(judgment.is_rejected != (each in before) for each, judgment in judged.items())
    liver = liver_extent(segmentation_node) if counts_otherwise else None
    with undoable(segmentation_node, TABLES, MAPS) if counts_otherwise else nullcontext():
        with one_update(segmentation_node):
            for identifier, judgment in judged.items():
                set_judgment(segmentation.GetSegment(identifier), judgment)
        follow_judgments(segmentation_node)
        if liver is not None:
            _count_again(segmentation_node, ct_node, liver)


def follow_judgments(segmentation_node) -> None:
    """Show what the segments say in the lesion table, and hide lesions that have been rejected since it was last
    looked, which the liver gets; those that no longer are, are shown again."""
    lend_rejected(segmentation_node)
    table = segmentation_node.GetNodeReference(LESIONS_ROLE)
    records = records_of(table)
    rows = {record.get("segment"): number for number, record in enumerate(records)}
    for lesion in lesions_of(segmentation_node):
        words = {"name": lesion.name, **vars(lesion.judgment)}
        if lesion.identifier in rows and not words.items() <= records[rows[lesion.identifier]].items():
            set_cells(table, rows[lesion.identifier], words)
    if (display := segmentation_node.GetDisplayNode()) is not None:
        rejected = _rejected(segmentation_node)
        hidden = set(json.loads(display.GetAttribute(_HIDDEN) or "[]"))
        for identifier in rejected ^ hidden:
            if segmentation_node.GetSegmentation().GetSegment(identifier) is not None:
                display.SetSegmentVisibility(identifier, identifier not in rejected)
        display.SetAttribute(_HIDDEN, json.dumps(sorted(rejected)))


def _rejected(segmentation_node) -> set[str]:
    return {lesion.identifier for lesion in lesions_of(segmentation_node) if lesion.judgment.is_rejected}


def is_liver_changed(segmentation_node) -> bool:
    """Whether the liver, with the lesions in it, is no longer what was measured, of which its volume, the tumor burden
    and the depths of lesions are. Of scenes of earlier versions nobody knows."""
    records = records_of(segmentation_node.GetNodeReference(SUMMARY_ROLE))
    return any(record.get("voxels", "") not in ("", liver_extent(segmentation_node).checksum) for record in records)


def _count_again(segmentation_node, ct_node, before: Extent) -> None:
    """Bring the summary up to date where other lesions are rejected than before; nothing is measured for that.

    Args:
        before: of the liver.
    """
    table = segmentation_node.GetNodeReference(SUMMARY_ROLE)
    summary = _summary_from(table)
    if summary is None or summary.liver_ml is None:
        return
    segmentation, rejected = segmentation_node.GetSegmentation(), _rejected(segmentation_node)
    records = records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))
    counted = [record for record in records if record["segment"] not in rejected]
    now = liver_extent(segmentation_node)
    away = summary.liver_ml - before.ml  # what was measured before a change, or on another grid
    figures = summary_of(
        now.ml + (away if abs(away) > _ROUNDED_ML else 0.0),
        [record["volume_ml"] for record in counted],
        [record["longest_diameter_mm"] for record in counted],
        voxel_ml(ct_node),
        shared_ml(segmentation, {each for record in counted if segmentation.GetSegment(each := record["segment"])}),
    )
    notes = " ".join(summary.notes)
    for sentence in burden_doubts(summary):
        notes = notes.replace(sentence, "").strip()
    figures.notes = [*filter(None, [notes]), *burden_doubts(figures)]
    figures.suspicious_slices = summary.suspicious_slices
    [record] = records_of(table)
    measured = record.get("voxels")
    fill_summary_table(table, record["name"], figures, now.checksum if measured == before.checksum else measured)


def _summary_from(table) -> CaseSummary | None:
    """What a summary table holds; None where it holds nothing."""
    records = records_of(table)
    if not records:
        return None
    record = {key: value for key, value in records[0].items() if key not in ("name", "voxels")}
    slices = [int(index) for index in record.pop("suspicious_slices", "").split(", ") if index]
    notes = record.pop("notes", "")
    return CaseSummary(**record, suspicious_slices=slices, notes=[notes] if notes else [])
