"""A follow-up in words and table rows, as the panel shows it."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..followup.tracks import choose_targets
from ..mrml.follow_up import Kept
from ..records.followup import BY_HAND, FollowUp, StudyRecord
from ..records.pairs import PairRow
from .record_table import Shown

COLUMNS = (
    Shown("prior", _("prior"), "{}", _("Number of the lesion at the earlier date.")),
    Shown("current", _("now"), "{}", _("Number of the lesion at the later date.")),
    Shown("kind", _("kind"), "{}", _("What has become of it; a star is a change by hand.")),
    Shown("length", _("long axis\n(mm)"), "{}", _("Longest axial diameter at both dates, mm.")),
    Shown("volume", _("volume\n(ml)"), "{}", _("Volume at both dates, ml.")),
    Shown("change", _("change\n(%)"), "{}", _("Change of the volume of all parts together, %.")),
    Shown(
        "doubling",
        _("doubling\n(days)"),
        "{}",
        _("Days in which the volume of all parts together doubles; negative: in which it halves."),
    ),
    Shown("target", _("target"), "{}", _("Target lesions of RECIST 1.1, which the sum adds up.")),
)


def kind_words() -> dict[str, str]:
    """What the kinds of `records.pairs` are called."""
    return {
        "matched": _("matched"),
        "split": _("split"),
        "merged": _("merged"),
        "split and merged": _("split and merged"),
        "new": _("new"),
        "reappeared": _("reappeared"),
        "vanished": _("vanished"),
        "unpaired": _("unpaired"),
    }


def day(study: StudyRecord) -> str:
    """What a date is called."""
    return study.date or study.name


def pair_record(row: PairRow, kept: Kept) -> dict[str, str]:
    """A row of the table, by the names of `COLUMNS`."""
    result = kept.result
    prior, now = lesions_of(row, result)
    named = (row.date + 1, row.lesion) if row.lesion else (row.prior + 1, row.prior_lesion)
    by_hand = (row.link is not None and row.link.by == BY_HAND) or any(
        named == ((pair.date, pair.lesion) if row.lesion else (pair.prior, pair.prior_lesion)) for pair in kept.pairs
    )
    track = track_of(row, result)
    before, after = track.volume_ml[row.prior], track.volume_ml[row.date]
    doubling = track.doubling_days[row.date]
    earlier = f" ({day(result.studies[row.prior])})" if row.prior < row.date - 1 else ""
    return {
        "prior": f"{row.prior_lesion}{earlier}" if row.prior_lesion else "–",
        "current": str(row.lesion or "–"),
        "kind": kind_words()[row.kind] + ("*" if by_hand else ""),
        "length": _both("{:.0f}", prior and prior.longest_diameter_mm, now and now.longest_diameter_mm),
        "volume": _both("{:.1f}", prior and prior.volume_ml, now and now.volume_ml),
        "change": f"{100 * (after / before - 1):+.0f}" if before and after else "–",
        "doubling": "–" if doubling is None else f"{doubling:.0f}",
        "target": _("yes") if first_lesion(row, result) in targets_of(kept) else "",
    }


def lesions_of(row: PairRow, result: FollowUp) -> tuple:
    """The lesions of a row at both dates; None where there is none."""
    return tuple(
        result.studies[at].lesion(number) if number else None
        for at, number in ((row.prior, row.prior_lesion), (row.date, row.lesion))
    )


def track_of(row: PairRow, result: FollowUp):
    """The lesion through all dates that a row is a part of."""
    at, number = (row.date, row.lesion) if row.lesion else (row.prior, row.prior_lesion)
    return next(track for track in result.tracks if number in track.lesions[at])


def targets_of(kept: Kept) -> list[int]:
    """The target lesions by their numbers at the first date."""
    return choose_targets(kept.result.studies[0], kept.targets)


def first_lesion(row: PairRow, result: FollowUp) -> int | None:
    """The number at the first date of the lesion of a row, which makes it a target or not; None where it is new."""
    if row.prior == 0 and row.prior_lesion:
        return row.prior_lesion
    return next(iter(track_of(row, result).lesions[0]), None)


def response_text(result: FollowUp, date: int) -> str:
    """Response, sum of the target lesions and tumor volume at a date."""
    found, study, before = result.assessments[date], result.studies[date], result.studies[date - 1]
    lines = [
        _("{day}: {response} (RECIST 1.1, of the liver alone) - {reason}.").format(
            day=day(study), response=found.response, reason=found.reason
        )
    ]
    if found.sum_mm is not None:
        changes = [
            _("{percent:+.0f} % since the first date").format(percent=found.change_percent)
            if found.change_percent is not None
            else "",
            _("{percent:+.0f} % ({mm:+.1f} mm) since the smallest, {nadir:.1f} mm").format(
                percent=found.nadir_percent, mm=found.nadir_change_mm, nadir=found.nadir_mm
            )
            if found.nadir_percent is not None
            else "",
        ]
        total = _("Sum of target lesions: {mm:.1f} mm").format(mm=found.sum_mm)
        lines.append(", ".join(filter(None, (total, *changes))) + ".")
    if found.best and date > 1:
        lines.append(_("Best response so far: {best}.").format(best=found.best))
    lines.append(_("Tumor: {before:.1f} → {now:.1f} ml.").format(before=before.tumor_ml, now=study.tumor_ml))
    return "\n".join(lines)


def _both(pattern: str, before: float | None, now: float | None) -> str:
    return " → ".join("–" if value is None else pattern.format(value) for value in (before, now))
