"""The files of a follow-up: all of it as JSON, and tables of its lesions, its responses and its pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..records.followup import FollowUp
from ..records.pairs import PairRow, pair_rows
from .json_files import write_json
from .tables import write_table

RESULT, LESIONS, RESPONSES, PAIRS = "followup.json", "lesions.csv", "response.csv", "pairs.csv"
PAIR_COLUMNS = ("earlier date", "earlier lesion", "later date", "later lesion")
_LESION_COLUMNS = [
    "lesion",
    "target",
    "date",
    "status",
    "numbers at this date",
    "longest axial diameter (mm)",
    "volume (ml)",
    "volume change since the date before (%)",
    "doubling time (days)",
    "R (mm)",
    "A (mm)",
    "S (mm)",
    "tracking UID",
]


def write_followup(folder: Path, result: FollowUp) -> None:
    """Write the four files into a folder. Raises OutputError."""
    write_json(folder / RESULT, result.to_dict())
    write_table(folder / LESIONS, _lesion_rows(result), _LESION_COLUMNS)
    write_table(folder / RESPONSES, _response_rows(result))
    write_table(
        folder / PAIRS, _pair_rows(result), [*PAIR_COLUMNS, "by", "overlap (0-1)", "distance of centroids (mm)"]
    )


def date_name(result: FollowUp, at: int) -> str:
    """What a date is called in tables and pictures."""
    return result.studies[at].date or f"date {at + 1}"


def _lesion_rows(result: FollowUp) -> list[dict[str, Any]]:
    rows = []
    for track in result.tracks:
        for at, status in enumerate(track.status):
            before = track.volume_ml[at - 1] if at else None
            now = track.volume_ml[at]
            change = None if not before or now is None else 100 * (now / before - 1)
            place = track.center_ras[at] or (None, None, None)
            numbers = track.lesions[at]
            cells = (track.diameter_mm[at], now, change, track.doubling_days[at], *place, track.uid)
            head = (track.id, "yes" if track.target else "no", date_name(result, at), status, numbers)
            rows.append(dict(zip(_LESION_COLUMNS, (*head, *cells), strict=True)))
    return rows


def _response_rows(result: FollowUp) -> list[dict[str, Any]]:
    return [
        {
            "number": at + 1,
            "date": study.date,
            "case": study.name,
            "response of the liver (RECIST 1.1)": found.response,
            "reason": found.reason,
            "best response so far": found.best,
            "sum of target diameters (mm)": found.sum_mm,
            "change since the first date (%)": found.change_percent,
            "nadir (mm)": found.nadir_mm,
            "change since the nadir (%)": found.nadir_percent,
            "change since the nadir (mm)": found.nadir_change_mm,
            "target lesions": found.target,
            "other lesions": found.nontarget,
            "new lesions": found.new_lesions,
            "lesions": len(study.lesions),
            "tumor volume (ml)": study.tumor_ml,
            "liver volume incl. tumor (ml)": study.liver_ml,
        }
        for at, (study, found) in enumerate(zip(result.studies, result.assessments, strict=True))
    ]


def _pair_rows(result: FollowUp) -> list[dict[str, Any]]:
    """All pairs, and lesions without one: new ones without an earlier lesion, vanished ones without a later."""
    rows = [_pair_row(row) for date in range(1, len(result.studies)) for row in pair_rows(result, date)]
    return sorted(rows, key=lambda row: (row["later date"], row["earlier date"], row["earlier lesion"] or 1e9))


def _pair_row(row: PairRow) -> dict[str, Any]:
    shown = dict(zip(PAIR_COLUMNS, (row.prior + 1, row.prior_lesion, row.date + 1, row.lesion), strict=True))
    link = row.link
    by = link.by if link else row.kind
    return shown | {
        "by": by,
        "overlap (0-1)": link and link.overlap,
        "distance of centroids (mm)": link and link.distance_mm,
    }
