"""The check of a whole data folder before anything else is done with it: what is wrong, and what splits need to know of
each case."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from LiverTumorLib.atomic import printable
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_json, write_json
from LiverTumorLib.jobs import Source, start_job
from LiverTumorLib.jobs.source import bounded
from LiverTumorLib.records.options import CaseOutput, RunOptions
from LiverTumorLib.records.results import LIVER, TUMOR, CaseResult, CaseSummary

from ..environment.process import child_environment
from .anatomy import anatomy_notes
from .identity import fingerprint, sha256_of
from .labeled import Labeled, read_case
from .problems import Problem
from .signature import AKIN_HU, SAME_HU, Signature, distance_hu, sign
from .splits import LabeledCase

CaseProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CaseFacts:
    """What a split needs to know of a case.

    Attributes:
        signature: what identifies the CT in other files, as `Signature.to_dict` gives it.
        ct_sha256, mask_sha256: of the files; None where there is no mask.
        slice_mm: distance of the axial slices.
        liver_mm2, tumor_mm2: by axial slice, on the full-resolution mask; the liver includes the tumor.
        holds: as in `LabeledCase`.
    """

    signature: dict[str, str]
    ct_sha256: str
    mask_sha256: str | None
    slice_mm: float
    liver_mm2: list[float]
    tumor_mm2: list[float]
    holds: str = "tumor"


def check_folder(
    cases: Sequence[LabeledCase], keep: Path, progress: CaseProgress
) -> tuple[dict[str, CaseFacts], list[Problem]]:
    """Check all cases.

    Args:
        cases: of the data folder.
        keep: folder in which each case's result is kept, so that a check that was stopped continues where it was; a
            case whose files have changed is checked again.
        progress: called before each case that is not kept with its number, the number of cases and its id.

    Returns:
        The facts of the usable cases by id, and the problems of the cases.
    """
    _keep_all(cases, keep, progress)
    facts, problems = {}, []
    for case in cases:
        changed = None, [Problem(case.id, case.ct, "its files changed during the check", "run the same command again")]
        known, own = _kept(case, keep) or changed
        problems += own
        if known is not None:
            facts[case.id] = known
    return facts, problems


def alike(facts: dict[str, CaseFacts]) -> list[tuple[str, str, float]]:
    """Pairs of cases whose CT are one scan in two files, or perhaps two of one person, with their `distance_hu`."""
    signed = {case: Signature.from_dict(known.signature) for case, known in facts.items()}
    pairs = [(one, other, distance_hu(signed[one], signed[other])) for one, other in combinations(signed, 2)]
    return [pair for pair in pairs if pair[2] < AKIN_HU]


def _keep_all(cases: Sequence[LabeledCase], keep: Path, progress: CaseProgress) -> None:
    """Check the cases of which nothing is kept, in a child: one that a native reader crashes on is a problem of that
    case alone."""
    numbers = {printable(os.path.abspath(case.ct)): number for number, case in enumerate(cases)}

    def listen(event: dict) -> None:
        number = numbers.get(event["path"]) if event["event"] == "file" else None
        if number is not None:
            progress(number + 1, len(cases), cases[number].id)

    left = [case for case in cases if _kept(case, keep) is None]
    while left:
        words = [text for case in left for text in (case.id, case.holds, os.path.abspath(case.ct), _mask_path(case))]
        source = Source((os.path.abspath(keep), *words), f"{__name__}:_check_in_child")
        job = start_job(
            "read", source, RunOptions(), entry=f"{__name__}:_nothing", environment=child_environment(), on_event=listen
        )
        try:
            job.wait()
            return
        except InputError as error:  # it has fallen at the first case of which nothing is kept
            fallen = next((number for number, case in enumerate(left) if _kept(case, keep) is None), None)
            if fallen is None:
                raise
            case = left[fallen]
            at_fault = case.mask if case.mask and str(case.mask) in str(error) else case.ct
            _keep(case, keep, None, [Problem.from_sentence(case.id, at_fault, str(error))])
            left = left[fallen + 1 :]


def _check_in_child(keep: str, *words: str) -> None:
    """Check cases (id, what it holds, CT, and mask or "" of each) and keep what was found."""
    for id, holds, ct, mask in zip(*(words[part::4] for part in range(4)), strict=True):
        case = LabeledCase(id, id, Path(ct), Path(mask) if mask else None, holds)
        with bounded(*case.files):
            found = check_case(case)
        _keep(case, Path(keep), *found)


def _nothing(read: None, options: RunOptions, progress: Callable) -> CaseOutput:
    return CaseOutput(CaseResult("", CaseSummary()))


def check_case(case: LabeledCase) -> tuple[CaseFacts | None, list[Problem]]:
    """The facts of a case, None where it cannot be used, and its problems."""
    try:
        labeled = read_case(case)
        signature = sign(labeled.volume).to_dict()
        ct_sha256, mask_sha256 = sha256_of(case.ct), sha256_of(case.mask) if case.mask else None
    except InputError as error:
        at_fault = case.mask if case.mask and str(case.mask) in str(error) else case.ct
        return None, [Problem.from_sentence(case.id, at_fault, str(error))]
    except OSError as error:
        return None, [Problem(case.id, case.ct, f"it cannot be read ({error})", "copy the case again")]
    problems = _label_problems(case, labeled)
    if any(problem.blocking for problem in problems):
        return None, problems
    problems += [*_reading_notes(case, labeled), *anatomy_notes(case, labeled)]
    liver, tumor = (labeled.areas_mm2(mask).round(3).tolist() for mask in (labeled.labels > 0, labeled.labels == TUMOR))
    spacing = float(labeled.volume.spacing[2])
    return CaseFacts(signature, ct_sha256, mask_sha256, spacing, liver, tumor, case.holds), problems


def _kept(case: LabeledCase, keep: Path) -> tuple[CaseFacts | None, list[Problem]] | None:
    """What was kept of a case; None where there is nothing, or its files are others now."""
    try:
        kept = read_json(keep / f"{case.id}.json")
        if kept["source"] != _source(case):
            return None
        facts = kept["facts"] and CaseFacts(**kept["facts"])
        return facts, [Problem(**{**problem, "file": Path(problem["file"])}) for problem in kept["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or of another version: check


def _keep(case: LabeledCase, keep: Path, facts: CaseFacts | None, problems: list[Problem]) -> None:
    data = {
        "source": _source(case),
        "facts": facts and asdict(facts),
        "problems": [asdict(problem) for problem in problems],
    }
    write_json(keep / f"{case.id}.json", data)


def _source(case: LabeledCase) -> list:
    return [case.holds, *map(os.path.abspath, case.files), *map(fingerprint, case.files)]


def _mask_path(case: LabeledCase) -> str:
    return os.path.abspath(case.mask) if case.mask else ""


def _label_problems(case: LabeledCase, labeled: Labeled) -> list[Problem]:
    present = set(np.unique(labeled.labels).tolist())
    if case.mask is None:
        return []
    if present <= {0}:
        return [Problem(case.id, case.mask, "the mask is empty", "take the right mask, or remove the case")]
    if LIVER not in present:
        return [
            Problem(
                case.id, case.mask, "no liver (1) is labeled, only tumor (2)", "label the liver too, or remove the case"
            )
        ]
    if case.holds == "liver":
        remedy = "nothing, if not all of it is labeled; otherwise say that the case holds tumor"
        what = "some tumor (2) is labeled, which is not looked at, since the case counts as one whose tumor is unknown"
        return [Problem(case.id, case.mask, what, remedy, blocking=False)] if TUMOR in present else []
    if TUMOR not in present:
        remedy = (
            "nothing, if the patient has none; where it was not looked for, say in patients.csv that the case holds "
            "liver"
        )
        return [
            Problem(
                case.id,
                case.mask,
                "no tumor (2) is labeled, so it counts as a case without tumor",
                remedy,
                blocking=False,
            )
        ]
    return []


def _reading_notes(case: LabeledCase, labeled: Labeled) -> list[Problem]:
    """What was repaired or chosen while the CT was read."""
    remedy = "nothing, if that was to be expected; otherwise export the CT again"
    return [Problem(case.id, case.ct, note.rstrip("."), remedy, blocking=False) for note in labeled.volume.notes]


def copies(cases: Sequence[LabeledCase], pairs: Sequence[tuple[str, str, float]]) -> list[Problem]:
    """Notes on cases that are `alike`."""
    ct = {case.id: case.ct for case in cases}
    notes = []
    for first, copy, apart in pairs:
        what, remedy = (
            f"it shows the scan of case {first}, stored in another form",
            "both count as one patient; remove one of them",
        )
        if apart == 0:
            what = f"its voxels are those of case {first} ({ct[first].name})"
        elif apart >= SAME_HU:
            what, remedy = (
                f"it may show the person of case {first}",
                "if so, say it in patients.csv or with --same-patient",
            )
        notes.append(Problem(copy, ct[copy], what, remedy, blocking=False))
    return notes
