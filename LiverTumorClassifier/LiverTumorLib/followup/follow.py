"""The whole way: dates in, pairs, response and growth out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..records.followup import FollowUp, Link, RegistrationQuality, StudyRecord
from ..records.options import Progress, no_progress
from ..records.results import Point
from .alignment import Alignment, to_earlier, to_later
from .byhand import HandPair, check_pairs
from .conclusion import conclude
from .growth import days_between
from .pairing import MOST_REACH_MM, REACH_MM, nearness, pair
from .recist import MEASURABLE_MM, measurable_mm
from .registration import register
from .study import Study
from .tracks import choose_targets

PHASE_HU = 25.0  # livers that differ by more are from other contrast phases, most often
_PHASES = {
    "arterial": ("arter", "art."),
    "portal venous": ("porto", "portal", "venous", "pvp", "venös"),
    "delayed": ("delay", "late", "equilib", "spät"),
    "unenhanced": ("native", "nativ", "plain", "unenhanced", "without contrast", "non contrast", "nonc", "w/o"),
}


@dataclass(frozen=True)
class FollowOptions:
    """Choices of a follow-up.

    Attributes:
        targets: target lesions of the first date by number; None chooses them by the rules of RECIST 1.1.
        pairs: what the user says of pairs, in place of what is found.
        same_patient: the dates are of one patient, whatever their headers say.
        threads: for the registration; None uses all.
    """

    targets: tuple[int, ...] | None = None
    pairs: tuple[HandPair, ...] = ()
    same_patient: bool = False
    threads: int | None = None


def follow(
    studies: Sequence[Study], options: FollowOptions | None = None, progress: Progress = no_progress
) -> FollowUp:
    """Follow the lesions of one patient over two or more dates.

    Args:
        studies: in any order; sorted by date where every one has one, else taken as they come.
        progress: called with (stage, fraction, message); may raise `Cancelled`.

    Returns:
        Everything in the order of the dates. Where a registration fails its date has no pairs but those by hand, and
        no response.

    Raises:
        UsageError: fewer than two dates, the same CT twice, or dates of several patients; targets that are not there.
        InputError: pairs by hand that name what is not there.
        RequirementError: SimpleITK is missing.
        Cancelled: by `progress`.
    """
    options = options or FollowOptions()
    _check(studies, options)
    studies, notes = in_order(studies)
    records = [study.record for study in studies]
    choose_targets(records[0], options.targets)  # what is not there is said before the work
    check_pairs(options.pairs, records)
    alignments, qualities = _register_all(studies, options, progress)
    progress("pairing", 0.95, "Pairing the lesions")
    found = FollowUp(
        records,
        qualities,
        [],
        [],
        [],
        found=_links(studies, alignments, qualities),
        places=_places(records, alignments, qualities),
        linear_parts=[
            None if quality is not None and quality.failure else alignment.linear().round(5).tolist()
            for alignment, quality in zip(alignments, qualities, strict=True)
        ],
        scan_notes=notes + _scan_notes(studies),
    )
    progress("done", 1.0, "Done")
    return conclude(found, options.targets, options.pairs)


def in_order(studies: Sequence[Study]) -> tuple[list[Study], list[str]]:
    """The dates from the earliest to the latest, and what has to be said about that."""
    dated = [study.record.date for study in studies if study.record.date]
    if len(dated) < len(studies):
        some = "some of " if dated else ""
        return list(studies), [f"The order is the one given, since {some}the dates are not known; no doubling times."]
    ordered = sorted(studies, key=lambda study: study.record.date or "")
    if [id(study) for study in ordered] != [id(study) for study in studies]:
        return ordered, ["The CT were not given in the order of their dates; they are sorted."]
    return ordered, []


def _check(studies: Sequence[Study], options: FollowOptions) -> None:
    if len(studies) < 2:
        raise UsageError("A follow-up needs at least two dates; give the prior CT and the current one.")
    for number, study in enumerate(studies):
        twin = next((other for other in studies[:number] if other.record.key == study.record.key), None)
        if twin is not None:
            raise UsageError(f"{twin.name} and {study.name} are the same CT; give two dates.")
    known = {study.patient: study.name for study in studies if study.patient}
    if len(known) > 1 and not options.same_patient:
        (one, first), (other, second) = list(known.items())[:2]
        raise UsageError(
            f"{first} and {second} are of different patients by their DICOM headers (PatientID {one} and {other});"
            " if they are one person, say so with --same-patient."
        )


def _register_all(
    studies: Sequence[Study], options: FollowOptions, progress: Progress
) -> tuple[list[Alignment], list[RegistrationQuality | None]]:
    alignments: list[Alignment] = []
    qualities: list[RegistrationQuality | None] = []
    count = len(studies) - 1
    for number, (prior, current) in enumerate(zip(studies, studies[1:], strict=False)):
        if not current.record.lesions and not any(study.record.lesions for study in studies):
            alignments.append(Alignment.shift(np.zeros(3)))
            qualities.append(None)
            continue

        def report(part: float, done: int = number, name: str = current.name) -> None:
            progress(
                "registering", 0.95 * (done + part) / count, f"Registering the liver of {name} ({done + 1} of {count})"
            )

        alignment, quality = register(current, prior, report, options.threads)
        alignments.append(alignment)
        qualities.append(quality)
    return alignments, qualities


def _links(
    studies: Sequence[Study], alignments: list[Alignment], qualities: list[RegistrationQuality | None]
) -> list[Link]:
    """Pairs of each date with the date before, and then with lesions that had vanished at that date."""
    links: list[Link] = []
    for at in range(1, len(studies)):
        for earlier in range(at - 1, -1, -1):
            if any(quality is not None and quality.failure for quality in qualities[earlier:at]):
                break
            before, now = studies[earlier].record, studies[at].record
            gone = set(range(len(before.lesions))) - {
                before.position(link.prior_lesion) for link in links if link.prior == earlier
            }
            free = set(range(len(now.lesions))) - {now.position(link.lesion) for link in links if link.date == at}
            if earlier < at - 1 and not (gone and free):
                continue
            rows, columns = (sorted(gone), sorted(free)) if earlier < at - 1 else (None, None)
            links += _pairs_of(studies, alignments, qualities, (earlier, at), rows, columns)
    return links


def _pairs_of(
    studies, alignments, qualities, dates: tuple[int, int], rows: list[int] | None, columns: list[int] | None
) -> list[Link]:
    """Links between two dates; `rows` and `columns` are the lesions that take part, None is all."""
    earlier, at = dates
    near = nearness(studies[earlier], studies[at], alignments[earlier:at], rows, columns)
    residual = max((quality.residual_mm for quality in qualities[earlier:at] if quality), default=0.0)
    found = []
    for p, c in pair(near, min(MOST_REACH_MM, REACH_MM + residual)):
        row, column = (p if rows is None else rows[p]), (c if columns is None else columns[c])
        overlap, distance = round(float(near.overlap[p, c]), 3), round(float(near.distance_mm[p, c]), 2)
        before, now = studies[earlier].record.lesions[row].id, studies[at].record.lesions[column].id
        found.append(Link(earlier, before, at, now, overlap=overlap, distance_mm=distance))
    return found


def _places(
    records: Sequence[StudyRecord], alignments: list[Alignment], qualities: Sequence[RegistrationQuality | None]
) -> list[list[list[Point | None]]]:
    """Where each lesion of each date is at every date, over sound registrations."""
    failed = [False, *(quality is not None and bool(quality.failure) for quality in qualities)]
    places: list[list[list[Point | None]]] = []
    for own, record in enumerate(records):
        rows: list[list[Point | None]] = [[] for _ in record.lesions]
        centers = np.array([lesion.centroid_ras for lesion in record.lesions]).reshape(-1, 3)
        for at in range(len(records)):
            low, high = sorted((own, at))
            if any(failed[low + 1 : high + 1]):
                for row in rows:
                    row.append(None)
                continue
            move = to_later if own < at else to_earlier
            for row, (r, a, s) in zip(rows, move(alignments[low:high], centers).round(2).tolist(), strict=True):
                row.append((r, a, s))
        places.append(rows)
    return places


def _scan_notes(studies: Sequence[Study]) -> list[str]:
    notes = []
    thick = max(study.record.slice_mm for study in studies)
    if measurable_mm(thick) > MEASURABLE_MM:
        notes.append(
            f"Slices are up to {thick:.1f} mm apart; small lesions and changes between such dates are uncertain."
        )
    notes += [note for pair in zip(studies, studies[1:], strict=False) for note in _phase_notes(*pair)]
    known = [days_between(a.record.date, b.record.date) for a, b in zip(studies, studies[1:], strict=False)]
    if 0 in known:
        notes.append("Two CT are of one day; they stay in the order given, without a doubling time.")
    return notes + [f"{study.name}: {note}" for study in studies for note in study.volume.notes]


def _phase_notes(prior: Study, current: Study) -> list[str]:
    """Whether two dates seem to be of other contrast phases: by their descriptions, or by how dense the livers are."""
    named = [_phase(study.description) for study in (prior, current)]
    if all(named) and named[0] != named[1]:
        what = f"{named[0]} and {named[1]} by their series descriptions"
    else:
        hu = [float(np.median(study.volume.array[study.labels == 1])) for study in (prior, current)]
        if abs(hu[0] - hu[1]) <= PHASE_HU:
            return []
        what = f"their livers have {hu[0]:.0f} and {hu[1]:.0f} HU"
    return [
        f"{prior.name} and {current.name} seem to be of other contrast phases ({what});"
        " lesions may look larger, smaller or be hidden."
    ]


def _phase(description: str) -> str | None:
    text = description.lower()
    return next((phase for phase, words in _PHASES.items() if any(word in text for word in words)), None)
