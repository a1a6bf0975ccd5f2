"""The check of a whole data folder before anything else is done with it: what is wrong, and what splits need to know of each case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import write_json
from LiverTumorLib.pipelines.results import LIVER, TUMOR

from .anatomy import anatomy_notes
from .identity import fingerprint, sha256_of, voxels_sha256
from .labelled import Labelled, read_case
from .problems import Problem
from .splits import Case

Progress = Callable[[int, int, str], None]


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


def check_folder(cases: Sequence[Case], keep: Path, progress: Progress) -> tuple[dict[str, CaseFacts], list[Problem]]:
    """Check all cases.

    Args:
        cases: of the data folder.
        keep: folder in which each case's result is kept, so that a check that was stopped goes on where it was; a case whose
            files have changed is checked anew.
        progress: called before each case with its number, the number of cases and its id.

    Returns:
        The facts of the usable cases by id, and all problems, duplicates among them.
    """
    facts, problems = {}, []
    for number, case in enumerate(cases, start=1):
        progress(number, len(cases), case.id)
        known, own = _check_kept(case, keep / f"{case.id}.json")
        problems += own
        if known is not None:
            facts[case.id] = known
    return facts, problems + _duplicates(cases, facts)


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
    problems += anatomy_notes(case, labelled)
    areas = [labelled.areas_mm2(mask).round(3).tolist() for mask in (labelled.labels > 0, labelled.labels == TUMOR)]
    return CaseFacts(voxels_sha256(labelled.volume.array), *digests, float(labelled.volume.spacing[2]), *areas), problems


def _check_kept(case: Case, path: Path) -> tuple[CaseFacts | None, list[Problem]]:
    """`check_case`, or its result from the last time where the files are the same."""
    source = [str(case.ct), str(case.mask), fingerprint(case.ct), fingerprint(case.mask)]
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["source"] == source:
            facts = kept["facts"] and CaseFacts(**kept["facts"])
            return facts, [Problem(**{**problem, "file": Path(problem["file"])}) for problem in kept["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or of another version: check
    facts, problems = check_case(case)
    write_json(path, {"source": source, "facts": facts and asdict(facts), "problems": [asdict(problem) for problem in problems]})
    return facts, problems


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


def _duplicates(cases: Sequence[Case], facts: dict[str, CaseFacts]) -> list[Problem]:
    ct = {case.id: case.ct for case in cases}
    remedy = "both count as one patient; remove one of them"
    return [
        Problem(copy, ct[copy], f"its voxels are those of case {first} ({ct[first].name})", remedy, blocking=False)
        for first, *copies in same_voxels(facts)
        for copy in copies
    ]
