"""The check of a whole data folder before anything else is done with it: what is wrong, and what splits need to know of each case."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_json, write_json
from LiverTumorLib.files.atomic import printable
from LiverTumorLib.jobs import Source, start_job
from LiverTumorLib.jobs.source import bounded
from LiverTumorLib.pipelines.options import CaseOutput, RunOptions
from LiverTumorLib.pipelines.results import LIVER, TUMOR, CaseResult, CaseSummary

from ..environment.process import child_environment
from .anatomy import anatomy_notes
from .identity import fingerprint, sha256_of, voxels_sha256
from .labelled import Labelled, read_case
from .problems import Problem
from .splits import Case

CaseProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CaseFacts:
    """What a split needs to know of a case.

    Attributes:
        voxels: SHA-256 of the CT's voxels, the same for copies in other files.
        ct_sha256, mask_sha256: of the files.
        slice_mm: distance of the axial slices.
        liver_mm2, tumor_mm2: by axial slice, on the full-resolution mask; the liver includes the tumor.
    """

    voxels: str
    ct_sha256: str
    mask_sha256: str
    slice_mm: float
    liver_mm2: list[float]
    tumor_mm2: list[float]


def check_folder(cases: Sequence[Case], keep: Path, progress: CaseProgress) -> tuple[dict[str, CaseFacts], list[Problem]]:
    """Check all cases.

    Args:
        cases: of the data folder.
        keep: folder in which each case's result is kept, so that a check that was stopped goes on where it was; a case whose
            files have changed is checked anew.
        progress: called before each case that is not kept with its number, the number of cases and its id.

    Returns:
        The facts of the usable cases by id, and all problems, duplicates among them.
    """
    _keep_all(cases, keep, progress)
    facts, problems = {}, []
    for case in cases:
        changed = None, [Problem(case.id, case.ct, "its files changed during the check", "run the same command again")]
        known, own = _kept(case, keep) or changed
        problems += own
        if known is not None:
            facts[case.id] = known
    return facts, problems + _duplicates(cases, facts)


def _keep_all(cases: Sequence[Case], keep: Path, progress: CaseProgress) -> None:
    """Check the cases of which nothing is kept, in a child: one that a native reader crashes on is a problem of that case alone."""
    numbers = {printable(os.path.abspath(case.ct)): number for number, case in enumerate(cases)}

    def listen(event: dict) -> None:
        number = numbers.get(event["path"]) if event["event"] == "file" else None
        if number is not None:
            progress(number + 1, len(cases), cases[number].id)

    left = [case for case in cases if _kept(case, keep) is None]
    while left:
        words = [text for case in left for text in (case.id, os.path.abspath(case.ct), os.path.abspath(case.mask))]
        source = Source((os.path.abspath(keep), *words), f"{__name__}:_check_in_child")
        job = start_job("read", source, RunOptions(), entry=f"{__name__}:_nothing", environment=child_environment(), on_event=listen)
        try:
            job.wait()
            return
        except InputError as error:  # it has fallen at the first case of which nothing is kept
            fallen = next((number for number, case in enumerate(left) if _kept(case, keep) is None), None)
            if fallen is None:
                raise
            case = left[fallen]
            at_fault = case.mask if str(case.mask) in str(error) else case.ct
            _keep(case, keep, None, [Problem.from_sentence(case.id, at_fault, str(error))])
            left = left[fallen + 1 :]


def _check_in_child(keep: str, *words: str) -> None:
    """Check cases (id, CT and mask of each) and keep what was found."""
    for id, ct, mask in zip(words[::3], words[1::3], words[2::3], strict=True):
        case = Case(id, id, Path(ct), Path(mask))
        with bounded(case.ct, case.mask):
            found = check_case(case)
        _keep(case, Path(keep), *found)


def _nothing(read: None, options: RunOptions, progress: Callable) -> CaseOutput:
    return CaseOutput(CaseResult("", CaseSummary()))


def same_voxels(facts: dict[str, CaseFacts]) -> list[list[str]]:
    """Ids of the cases whose CTs are copies of each other, a list for each such CT."""
    copies: dict[str, list[str]] = {}
    for case, known in facts.items():
        copies.setdefault(known.voxels, []).append(case)
    return [ids for ids in copies.values() if len(ids) > 1]


def check_case(case: Case) -> tuple[CaseFacts | None, list[Problem]]:
    """The facts of a case, None where it cannot be used, and its problems."""
    try:
        labelled = read_case(case)
        digests = sha256_of(case.ct), sha256_of(case.mask)
    except InputError as error:
        at_fault = case.mask if str(case.mask) in str(error) else case.ct
        return None, [Problem.from_sentence(case.id, at_fault, str(error))]
    except OSError as error:
        return None, [Problem(case.id, case.ct, f"it cannot be read ({error})", "copy the case again")]
    problems = _label_problems(case, labelled)
    if any(problem.blocking for problem in problems):
        return None, problems
    problems += [*_reading_notes(case, labelled), *anatomy_notes(case, labelled)]
    areas = [labelled.areas_mm2(mask).round(3).tolist() for mask in (labelled.labels > 0, labelled.labels == TUMOR)]
    return CaseFacts(voxels_sha256(labelled.volume.array), *digests, float(labelled.volume.spacing[2]), *areas), problems


def _kept(case: Case, keep: Path) -> tuple[CaseFacts | None, list[Problem]] | None:
    """What was kept of a case; None where there is nothing, or its files are others now."""
    try:
        kept = read_json(keep / f"{case.id}.json")
        if kept["source"] != _source(case):
            return None
        facts = kept["facts"] and CaseFacts(**kept["facts"])
        return facts, [Problem(**{**problem, "file": Path(problem["file"])}) for problem in kept["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or of another version: check


def _keep(case: Case, keep: Path, facts: CaseFacts | None, problems: list[Problem]) -> None:
    data = {"source": _source(case), "facts": facts and asdict(facts), "problems": [asdict(problem) for problem in problems]}
    write_json(keep / f"{case.id}.json", data)


def _source(case: Case) -> list:
    return [os.path.abspath(case.ct), os.path.abspath(case.mask), fingerprint(case.ct), fingerprint(case.mask)]


def _label_problems(case: Case, labelled: Labelled) -> list[Problem]:
    present = set(np.unique(labelled.labels).tolist())
    if present <= {0}:
        return [Problem(case.id, case.mask, "the mask is empty", "take the right mask, or remove the case")]
    if LIVER not in present:
        return [Problem(case.id, case.mask, "no liver (1) is labelled, only tumor (2)", "label the liver too, or remove the case")]
    if TUMOR not in present:
        remedy = "nothing, if the patient has none; otherwise label it"
        return [Problem(case.id, case.mask, "no tumor (2) is labelled, so it counts as a case without tumor", remedy, blocking=False)]
    return []


def _reading_notes(case: Case, labelled: Labelled) -> list[Problem]:
    """What was repaired or chosen while the CT was read."""
    remedy = "nothing, if that was to be expected; otherwise export the CT again"
    return [Problem(case.id, case.ct, note.rstrip("."), remedy, blocking=False) for note in labelled.volume.notes]


def _duplicates(cases: Sequence[Case], facts: dict[str, CaseFacts]) -> list[Problem]:
    ct = {case.id: case.ct for case in cases}
    remedy = "both count as one patient; remove one of them"
    return [
        Problem(copy, ct[copy], f"its voxels are those of case {first} ({ct[first].name})", remedy, blocking=False)
        for first, *copies in same_voxels(facts)
        for copy in copies
    ]
