"""What follows from the pairs and the target lesions: tracks, response and notes. No scan is looked at, so choices take
effect at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..records.followup import FollowUp, StudyRecord, Track
from .byhand import HandPair, correct
from .recist import MOST_TARGETS, assess, measurable_mm
from .tracks import choose_targets, make_tracks, time_points

_MOST_NAMED = 4  # pairs and axes by hand that a note names one by one


def conclude(found: FollowUp, targets: Sequence[int] | None = None, pairs: Sequence[HandPair] = ()) -> FollowUp:
    """A follow-up with other choices; its registration stays as it is.

    Args:
        found: any follow-up of these dates.
        targets: target lesions of the first date by number; None chooses them by the rules of RECIST 1.1.
        pairs: what the user says of pairs, in place of what is found.

    Raises:
        UsageError: targets that are not there.
        InputError: pairs that name what is not there.
    """
    studies, qualities = found.studies, found.registrations
    chosen = choose_targets(studies[0], targets)
    links = correct(found.found, pairs, studies)
    failed = [False, *(quality is not None and bool(quality.failure) for quality in qualities)]
    unknown = [bad and not any(pair.date - 1 == at for pair in pairs) for at, bad in enumerate(failed)]
    tracks = make_tracks(studies, links, unknown, chosen)
    for track in tracks:
        _locate(track, found)
    assessments = assess(time_points(studies, tracks))
    for at, quality in enumerate(qualities, start=1):
        if quality is not None and unknown[at]:
            for later in assessments[at:]:
                later.response = "NE"
                later.reason = f"the lesions of {studies[at].name} could not be paired: {quality.failure}"
    notes = [
        *_registration_notes(found, unknown),
        *found.scan_notes,
        *(_mixed_note(track, chosen) for track in tracks if track.target and set(track.lesions[0]) - set(chosen)),
        *_target_notes(studies[0], chosen, targets is not None),
        *_hand_notes("Pairs by hand", [_told(pair, studies) for pair in pairs]),
        *_hand_notes("Measured by hand", _drawn_axes(studies)),
    ]
    return replace(found, links=links, tracks=tracks, assessments=assessments, notes=notes)


def _locate(track: Track, found: FollowUp) -> None:
    """Note where a track is at every date; from the nearest date that has it, earlier ones first."""
    there = [at for at, lesions in enumerate(track.lesions) if lesions]
    for at in range(len(found.studies)):
        source = max((n for n in there if n <= at), default=there[0])
        position = found.studies[source].position(track.lesions[source][0])
        track.center_ras.append(found.places[source][position][at])


def _registration_notes(found: FollowUp, unknown: Sequence[bool]) -> list[str]:
    notes = []
    for at, quality in enumerate(found.registrations, start=1):
        if quality is not None and quality.failure:
            how = "give its pairs by hand" if unknown[at] else "its pairs are those given by hand"
            notes.append(
                f"The liver of {found.studies[at].name} could not be registered on {found.studies[at - 1].name}"
                f" ({quality.failure}); {how}."
            )
    return notes


def _target_notes(first: StudyRecord, targets: Sequence[int], by_hand: bool) -> list[str]:
    least = measurable_mm(first.slice_mm)
    if not first.lesions:
        return [f"The first date, {first.name}, has no lesions; each lesion found later is new."]
    if not targets:
        return [f"No lesion of {first.name} is {least:g} mm long, so there is no target lesion."] if not by_hand else []
    notes = [f"Target lesions chosen by hand: {_listed(targets)} of {_day(first)}."] if by_hand else []
    if len(targets) > MOST_TARGETS:
        notes.append(f"{len(targets)} target lesions were chosen; RECIST 1.1 takes two in an organ.")
    if small := [n for n in targets if first.lesion(n).longest_diameter_mm < least]:
        notes.append(f"Target lesion {_listed(small)} is smaller than the {least:g} mm of RECIST 1.1.")
    return notes


def _hand_notes(title: str, told: Sequence[str]) -> list[str]:
    """One note, or none, that names what a user has done by hand."""
    more = [f"{len(told) - _MOST_NAMED} more"] if len(told) > _MOST_NAMED else []
    return [f"{title}: {'; '.join([*told[:_MOST_NAMED], *more])}."] if told else []


def _drawn_axes(studies: Sequence[StudyRecord]) -> list[str]:
    return [
        f"{lesion.axes_by_hand} {'axes' if ' and ' in lesion.axes_by_hand else 'axis'} of lesion {lesion.id} of"
        f" {_day(study)}"
        for study in studies
        for lesion in study.lesions
        if lesion.axes_by_hand
    ]


def _told(pair: HandPair, studies: Sequence[StudyRecord]) -> str:
    before, now = _day(studies[pair.prior - 1]), _day(studies[pair.date - 1])
    if pair.lesion is None:
        return f"lesion {pair.prior_lesion} of {before} has vanished"
    if pair.prior_lesion is None:
        return f"lesion {pair.lesion} of {now} is none of {before}"
    return f"lesion {pair.lesion} of {now} is lesion {pair.prior_lesion} of {before}"


def _mixed_note(track: Track, targets: Sequence[int]) -> str:
    own, others = ([n for n in track.lesions[0] if (n in targets) == wanted] for wanted in (True, False))
    return (
        f"Target lesion {_listed(own)} has grown together with lesion {_listed(others)}, which is no target;"
        " the longest part is measured."
    )


def _day(study: StudyRecord) -> str:
    return study.date or study.name


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last
