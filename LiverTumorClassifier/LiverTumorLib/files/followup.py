"""The files of a follow-up: all of it as JSON, and tables of its lesions, its responses and its pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..records.followup import FollowUp, Link
from .tables import write_json, write_table

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
    rows = [_pair_row(link.prior, link.prior_lesion, link.date, link.lesion, link.by, link) for link in result.links]
    unpaired = {
        at
        for at, found in enumerate(result.registrations, start=1)
        if found and found.failure and not _has_pairs(result, at)
    }
    for at, study in enumerate(result.studies):
        for lesion in study.lesions:
            if at and not any((link.date, link.lesion) == (at, lesion.id) for link in result.links):
                rows.append(_pair_row(at - 1, None, at, lesion.id, "unpaired" if at in unpaired else "new"))
            last = at == len(result.studies) - 1
            if not last and not any((link.prior, link.prior_lesion) == (at, lesion.id) for link in result.links):
                rows.append(_pair_row(at, lesion.id, at + 1, None, "unpaired" if at + 1 in unpaired else "vanished"))
    return sorted(rows, key=lambda row: (row["later date"], row["earlier date"], row["earlier lesion"] or 1e9))


def _has_pairs(result: FollowUp, at: int) -> bool:
    return any(link.date == at for link in result.links)


def _pair_row(
    prior: int, prior_lesion: int | None, date: int, lesion: int | None, by: str, link: Link | None = None
) -> dict[str, Any]:
    shown = dict(zip(PAIR_COLUMNS, (prior + 1, prior_lesion, date + 1, lesion), strict=True))
    found = {"overlap (0-1)": link and link.overlap, "distance of centroids (mm)": link and link.distance_mm}
    return shown | {"by": by} | found
