"""The comparison of two or more dates of one patient: CT and segmentation nodes in, and a text node that keeps what was
found and what the user has chosen since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from ..batch.handed_dates import HandedDate, hand_over
from ..ct import CTVolume
from ..errors import InputError, OutputError
from ..files import read_json
from ..files.followup import RESULT
from ..followup import FollowOptions
from ..followup.byhand import HandPair
from ..followup.conclusion import conclude
from ..jobs import Source, start_job
from ..jobs.folder import new_job_folder
from ..jobs.process import ChildJob
from ..records.followup import FollowUp
from ..records.options import Progress, RunOptions
from ..records.results import LIVER
from .case_nodes import check_present, ct_of
from .follow_up_plot import plot_course
from .lesions import LesionLabels, TakenLesions, take_lesions
from .nodes import companion_node, no_leftovers, place_beside
from .segment_contents import axes_by_hand, contents_of
from .segmentations import known_segments
from .serving import ServedRun, Steps
from .study_facts import date_of, facts_of, images_of
from .translation import _
from .volumes import TakenCT, take_ct

FOLLOW_UP_ROLE = "LiverTumor.followUp"  # from the CT that the user looks at to what was found
_CT_ROLE, _SEGMENTATION_ROLE = "LiverTumor.followUp.ct", "LiverTumor.followUp.segmentation"  # and the date's number


@dataclass(frozen=True)
class DateNodes:
    """One date: a CT and the segmentation of its liver and lesions."""

    ct: Any
    segmentation: Any


@dataclass(frozen=True)
class Kept:
    """What a text node keeps.

    Attributes:
        result: the follow-up, with the user's choices in it.
        targets: lesions of the first date that the user has chosen as targets; None while nobody has.
        pairs: what the user has said of pairs.
        contents: of each segmentation when its lesions were measured, see `contents_of`.
    """

    result: FollowUp
    targets: tuple[int, ...] | None
    pairs: tuple[HandPair, ...]
    contents: tuple[str, ...]


def segmentation_of(ct_node):
    """The newest segmentation of a CT that has a liver; None where there is none."""
    scene = ct_node.GetScene()
    number = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLSegmentationNode") for index in reversed(range(number))]
    return next((node for node in nodes if ct_of(node) is ct_node and LIVER in known_segments(node)), None)


def start_follow_up(
    current_ct,
    dates: Sequence[DateNodes],
    *,
    same_patient: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    finished: Callable[[ServedRun], None] | None = None,
) -> ServedRun:
    """Compare dates in a child process; the run's result is the text node, see `kept_in`.

    Args:
        current_ct: the CT that the result belongs to; a second run replaces it.
        dates: in any order where all days are known, else the earliest first.
        same_patient: the dates are of one patient, whatever their headers say.

    Raises:
        InputError: a CT that is none, or a segmentation without a liver. UsageError, OutputError, WorkerError: the job
        cannot be started. Ended badly, the run has what `followup.follow` raises, and InputError where a node was
        removed or a lesion changed meanwhile.
    """
    contents = [contents_of(date.segmentation) for date in dates]
    options = FollowOptions(same_patient=same_patient, threads=threads)

    def steps() -> Steps:
        handed = yield from _handed(dates)
        for date, before in zip(dates, contents, strict=True):
            _check_unchanged(date, before)
        with _job_folder() as (folder, out):
            job = yield lambda: _start(hand_over(handed, options, folder, out), progress)
            yield job
            result = FollowUp.from_dict(read_json(out / RESULT))
        order = [_position(study.name, handed) for study in result.studies]
        for at in order:
            _check_unchanged(dates[at], contents[at])
        kept = Kept(result, None, (), tuple(contents[at] for at in order))
        return keep(current_ct, [dates[at] for at in order], kept)

    return ServedRun(steps(), finished)


def start_report(
    node, folder: Path, *, progress: Progress | None = None, finished: Callable[[ServedRun], None] | None = None
) -> ServedRun:
    """Write page, plot and tables of a follow-up, with the user's choices, into a new folder, by a child process, and
    structured reports of the dates that are in Slicer's DICOM database.

    The run's result is the folder. See `start_follow_up` for what is raised.
    """
    kept = kept_in(node)
    dates = dates_of(node)
    if dates is None:
        raise InputError(_("A CT or segmentation of the follow-up is no longer in the scene; compare the dates again."))
    if is_outdated(node):
        raise InputError(_("Lesions have changed since the dates were compared; compare them again first."))

    def steps() -> Steps:
        handed = yield from _handed(dates)
        dicom = any(date.volume.images for date in handed)
        with _job_folder() as (place, out):

            def start() -> ChildJob:
                source = hand_over(handed, FollowOptions(), place, out, picture=True, dicom=dicom, result=kept.result)
                return _start(source, progress)

            job = yield start
            yield job
            yield partial(_move, out, folder)
        return folder

    return ServedRun(steps(), finished)


def keep(current_ct, dates: Sequence[DateNodes], kept: Kept):
    """Put a follow-up into the scene, in place of the one before; `dates` in its order. Returns the text node.

    Raises InputError: the CT has left the scene.
    """
    check_present(current_ct)
    with no_leftovers(current_ct.GetScene()):
        name = f"{current_ct.GetName()} follow-up"
        node = companion_node(current_ct, FOLLOW_UP_ROLE, "vtkMRMLTextNode", name)
        for at, date in enumerate(dates):
            node.SetNodeReferenceID(f"{_CT_ROLE}{at}", date.ct.GetID())
            node.SetNodeReferenceID(f"{_SEGMENTATION_ROLE}{at}", date.segmentation.GetID())
        place_beside(node, current_ct)
        _write(node, kept)
    return node


def kept_in(node) -> Kept:
    """What a text node keeps. Raises InputError where it is another, or of another version."""
    try:
        data = json.loads(node.GetText() or "")
        return Kept(
            FollowUp.from_dict(data["result"]),
            None if data["targets"] is None else tuple(data["targets"]),
            tuple(HandPair(**pair) for pair in data["pairs"]),
            tuple(data["contents"]),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            _("{name} holds no follow-up that this version can read; compare the dates again.").format(
                name=node.GetName()
            )
        ) from error


def choose(node, targets: Sequence[int] | None, pairs: Sequence[HandPair]) -> Kept:
    """Let other choices of the user's take effect, and keep them; for `targets` and `pairs` see `Kept`.

    Raises UsageError, InputError: see `conclude`.
    """
    kept = kept_in(node)
    chosen = None if targets is None else tuple(targets)
    changed = Kept(conclude(kept.result, chosen, pairs), chosen, tuple(pairs), kept.contents)
    _write(node, changed)
    return changed


def dates_of(node) -> list[DateNodes] | None:
    """The nodes of the dates, the earliest first; None where one has left the scene."""
    dates = [
        DateNodes(node.GetNodeReference(f"{_CT_ROLE}{at}"), node.GetNodeReference(f"{_SEGMENTATION_ROLE}{at}"))
        for at in range(len(kept_in(node).result.studies))
    ]
    return dates if all(date.ct and date.segmentation for date in dates) else None


def is_outdated(node) -> bool:
    """Whether a segmentation is no longer what was compared."""
    dates = dates_of(node)
    contents = kept_in(node).contents
    return dates is None or [contents_of(date.segmentation) for date in dates] != list(contents)


def _handed(dates: Sequence[DateNodes]) -> Generator[Callable[[], Any], Any, list[HandedDate]]:
    """The dates as the child gets them, one after the other. Raises InputError, see `take_ct` and `take_lesions`."""
    handed: list[HandedDate] = []
    for date in dates:
        ct = take_ct(date.ct)
        taken = take_lesions(date.segmentation, date.ct)
        names = [other.volume.name for other in handed]
        name = next(name for name in _names(ct.volume.name) if name not in names)
        facts = facts_of(date.ct)
        told = (date_of(date.ct), facts.series, facts.patient, facts.description)
        drawn, images = axes_by_hand(date.segmentation), images_of(date.ct)
        volume, found = yield partial(_looked_at, ct, taken)
        ct.check_unchanged()
        numbers = [lesion.number for lesion in found.lesions]
        handed.append(HandedDate(replace(volume, name=name, images=images), found.labels, numbers, drawn, *told))
    return handed


def _looked_at(ct: TakenCT, taken: TakenLesions) -> tuple[CTVolume, LesionLabels]:
    """The CT in HU and the lesions that count. Touches no node."""
    found = taken.labels().without_rejected()
    return ct.copied(), found


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} ({number})" for number in count(2))


def _position(name: str, handed: Sequence[HandedDate]) -> int:
    return next(at for at, date in enumerate(handed) if date.volume.name == name)


def _start(source: Source, progress: Progress | None) -> ChildJob:
    def listen(event: dict) -> None:
        if progress is not None and event["event"] == "progress":
            progress(event["stage"], event["fraction"], event["message"])

    return start_job("follow", source, RunOptions(), on_event=listen)


@contextmanager
def _job_folder():
    """A folder for voxels and one in it for results, gone when the block ends."""
    held = new_job_folder()
    try:
        out = held.path / "out"
        out.mkdir()
        yield held.path, out
    finally:
        held.remove()


def _move(out: Path, folder: Path) -> None:
    try:
        shutil.copytree(out, folder)  # which may be on another disk
    except OSError as error:
        raise OutputError(
            _("{path} cannot be written ({reason}); choose another folder.").format(
                path=folder, reason=getattr(error, "strerror", None) or error
            )
        ) from error


def _check_unchanged(date: DateNodes, contents: str) -> None:
    check_present(date.ct)
    if date.segmentation.GetScene() is None or contents_of(date.segmentation) != contents:
        raise InputError(
            _("{name} was changed while the dates were compared; compare them again.").format(
                name=date.segmentation.GetName()
            )
        )


def _write(node, kept: Kept) -> None:
    data = {
        "result": kept.result.to_dict(),
        "targets": kept.targets,
        "pairs": [asdict(pair) for pair in kept.pairs],
        "contents": kept.contents,
    }
    node.SetText(json.dumps(data))
    plot_course(node, kept.result)
