"""Lesions through the dates: what the links between dates join is one lesion, with its parts and all that grew
together with it."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from ..records.followup import Link, StudyRecord, Track
from ..records.tracking import tracking_uid
from .growth import days_between, doubling_days
from .recist import MOST_TARGETS, TimePoint, measurable_mm

Node = tuple[int, int]  # date from 0, number of the lesion


def make_tracks(
    studies: Sequence[StudyRecord], links: Sequence[Link], unknown: Sequence[bool], targets: Sequence[int]
) -> list[Track]:
    """Join lesions to tracks and measure those.

    Args:
        unknown: for each date, whether its lesions could not be paired with those before; then nothing is said of old
            ones there.
        targets: lesions of the first date that are target lesions of RECIST.
    """
    groups = _groups(studies, links)
    tracks = []
    for number, group in enumerate(sorted(groups, key=min), start=1):
        lesions = [sorted(lesion for date, lesion in group if date == at) for at in range(len(studies))]
        first = min(group)
        track = Track(
            id=number,
            uid=tracking_uid(studies[first[0]].key, studies[first[0]].lesion(first[1])),
            lesions=lesions,
            status=_status(lesions, [link for link in links if (link.date, link.lesion) in group], unknown),
            target=any((0, lesion) in group for lesion in targets),
        )
        _measure(track, studies, targets)
        tracks.append(track)
    return tracks


def choose_targets(first: StudyRecord, wanted: Sequence[int] | None = None) -> list[int]:
    """The target lesions of the first date, by number: the largest that are measurable, two at most (Eisenhauer 2009,
    "Baseline documentation of target and non-target lesions").

    Args:
        wanted: lesions that the user has chosen instead.

    Raises UsageError: one of those is not there, or is named twice.
    """
    if wanted is None:
        fit = [lesion for lesion in first.lesions if lesion.longest_diameter_mm >= measurable_mm(first.slice_mm)]
        return [lesion.id for lesion in sorted(fit, key=lambda lesion: -lesion.longest_diameter_mm)[:MOST_TARGETS]]
    if len(set(wanted)) != len(wanted):
        raise UsageError("A target lesion is named twice; name each once.")
    for lesion in wanted:
        if lesion not in (numbers := [each.id for each in first.lesions]):
            raise UsageError(
                f"{first.name} has no lesion {lesion} that could be a target; its lesions are"
                f" {', '.join(map(str, numbers)) or 'none'}."
            )
    return list(wanted)


def time_points(studies: Sequence[StudyRecord], tracks: Sequence[Track]) -> list[TimePoint]:
    """What RECIST asks of every date, from the tracks."""
    targets = [track for track in tracks if track.target]
    others = [track for track in tracks if not track.target and track.lesions[0]]
    points = []
    for at in range(len(studies)):
        unknown = any(track.status[at] == "unknown" for track in tracks)
        points.append(
            TimePoint(
                targets=[track.diameter_mm[at] for track in targets],
                others=None if unknown else sum(len(track.lesions[at]) > 0 for track in others),
                new=0 if unknown else sum(bool(track.lesions[at]) and not track.lesions[0] for track in tracks),
                returned=sum(track.status[at] == "reappeared" for track in tracks),
            )
        )
    return points


def _groups(studies: Sequence[StudyRecord], links: Sequence[Link]) -> list[set[Node]]:
    group = {(at, lesion.id): {(at, lesion.id)} for at, study in enumerate(studies) for lesion in study.lesions}
    for link in links:
        joined = group[link.prior, link.prior_lesion] | group[link.date, link.lesion]
        for node in joined:
            group[node] = joined
    return list({id(nodes): nodes for nodes in group.values()}.values())


def _status(lesions: list[list[int]], links: list[Link], unknown: Sequence[bool]) -> list[str]:
    first = next(at for at, found in enumerate(lesions) if found)
    words = []
    for at, found in enumerate(lesions):
        if at == first:
            words.append("present" if at == 0 or unknown[at] else "new")
        elif at < first:
            words.append("not yet")
        elif any(unknown[first + 1 : at + 1]) and not found:
            words.append("unknown")
        elif not found:
            words.append("vanished")
        elif not lesions[at - 1]:
            words.append("reappeared")
        else:
            words.append(_change([link for link in links if link.date == at]))
    return words


def _change(links: list[Link]) -> str:
    earlier, nows = [(link.prior, link.prior_lesion) for link in links], [link.lesion for link in links]
    split, merged = len(set(earlier)) < len(earlier), len(set(nows)) < len(nows)
    return "split and merged" if split and merged else "split" if split else "merged" if merged else "present"


def _measure(track: Track, studies: Sequence[StudyRecord], targets: Sequence[int]) -> None:
    """Parts add up; of lesions that grew together the common one is measured (Eisenhauer 2009, the special
    notes on target lesions).

    Where a target has grown together with lesions that are no targets, as many parts count later as there were
    targets, the longest.
    """
    chosen = [lesion for lesion in track.lesions[0] if lesion in targets]
    mixed = track.target and len(chosen) < len(track.lesions[0])
    for at, study in enumerate(studies):
        found = [study.lesion(number) for number in track.lesions[at]]
        lengths = sorted((lesion.longest_diameter_mm for lesion in found), reverse=True)
        if at == 0 and track.target:
            lengths = [study.lesion(number).longest_diameter_mm for number in chosen]
        elif mixed:
            lengths = lengths[: len(chosen)]
        if track.status[at] in ("unknown", "not yet"):
            track.diameter_mm.append(None)
            track.volume_ml.append(None)
        else:
            track.diameter_mm.append(round(sum(lengths), 2))
            track.volume_ml.append(round(sum(lesion.volume_ml for lesion in found), 4))
        days = days_between(studies[at - 1].date, study.date) if at else None
        doubling = doubling_days(track.volume_ml[at - 1], track.volume_ml[at], days) if at else None
        track.doubling_days.append(None if doubling is None else round(doubling, 1))
