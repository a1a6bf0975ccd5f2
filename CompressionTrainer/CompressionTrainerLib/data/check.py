"""The check of a whole data folder before anything else is done with it: what is wrong, and what splits need to know of each case."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import write_json
from LiverTumorLib.pipelines.results import LIVER, TUMOR

from .identity import fingerprint, sha256_of
from .labelled import Labelled, read_case
from .problems import Problem
from .signature import AKIN_HU, SAME_HU, Signature, distance_hu, sign
from .splits import Case

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CaseFacts:
    """What a split needs to know of a case.

    Attributes:
        signature: what tells the CT again in other files, as `Signature.to_dict` gives it.
        ct_sha256, mask_sha256: of the files; None where there is no mask.
        slice_mm: distance of the axial slices.
        liver_mm2, tumor_mm2: by axial slice, on the full-resolution mask; the liver includes the tumor.
        holds: as in `Case`.
    """

    signature: dict[str, str]
    ct_sha256: str
    mask_sha256: str | None
    slice_mm: float
    liver_mm2: list[float]
    tumor_mm2: list[float]
    holds: str = "tumor"


def check_folder(cases: Sequence[Case], keep: Path, progress: Progress) -> tuple[dict[str, CaseFacts], list[Problem]]:
    """Check all cases.

    Args:
        cases: of the data folder.
        keep: folder in which each case's result is kept, so that a check that was stopped goes on where it was; a case whose
            files have changed is checked anew.
        progress: called before each case with its number, the number of cases and its id.

    Returns:
        The facts of the usable cases by id, and the problems of the cases.
    """
    facts, problems = {}, []
    for number, case in enumerate(cases, start=1):
        progress(number, len(cases), case.id)
        known, own = _check_kept(case, keep / f"{case.id}.json")
        problems += own
        if known is not None:
            facts[case.id] = known
    return facts, problems


def alike(facts: dict[str, CaseFacts]) -> list[tuple[str, str, float]]:
    """Pairs of cases whose CT are one scan in two files, or perhaps two of one person, with their `distance_hu`."""
    signed = {case: Signature.from_dict(known.signature) for case, known in facts.items()}
    pairs = [(one, other, distance_hu(signed[one], signed[other])) for one, other in combinations(signed, 2)]
    return [pair for pair in pairs if pair[2] < AKIN_HU]


def check_case(case: Case) -> tuple[CaseFacts | None, list[Problem]]:
    """The facts of a case, None where it cannot be used, and its problems."""
    try:
        labelled = read_case(case)
        signature = sign(labelled.volume).to_dict()
        digests = sha256_of(case.ct), case.mask and sha256_of(case.mask)
    except InputError as error:
        at_fault = case.mask if case.mask and str(case.mask) in str(error) else case.ct
        return None, [Problem.from_sentence(case.id, at_fault, str(error))]
    except OSError as error:
        return None, [Problem(case.id, case.ct, f"it cannot be read ({error})", "copy the case again")]
    problems = _label_problems(case, labelled)
    if any(problem.blocking for problem in problems):
        return None, problems
    areas = [labelled.areas_mm2(mask).round(3).tolist() for mask in (labelled.labels > 0, labelled.labels == TUMOR)]
    return CaseFacts(signature, *digests, float(labelled.volume.spacing[2]), *areas, case.holds), problems


def _check_kept(case: Case, path: Path) -> tuple[CaseFacts | None, list[Problem]]:
    """`check_case`, or its result from the last time where the files are the same."""
    source = [case.holds, *map(str, case.files), *map(fingerprint, case.files)]
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
    if case.holds == "none":
        return []
    if present <= {0}:
        return [Problem(case.id, case.mask, "the mask is empty", "take the right mask, or remove the case")]
    if LIVER not in present:
        return [Problem(case.id, case.mask, "no liver (1) is labelled, only tumor (2)", "label the liver too, or remove the case")]
    if case.holds == "liver":
        remedy = "nothing, if not all of it is labelled; otherwise say that the case holds tumor"
        what = "some tumor (2) is labelled, which is not looked at, since the case counts as one whose tumor is unknown"
        return [Problem(case.id, case.mask, what, remedy, blocking=False)] if TUMOR in present else []
    if TUMOR not in present:
        remedy = "nothing, if the patient has none; where nobody has looked for it, say in patients.csv that the case holds liver"
        return [Problem(case.id, case.mask, "no tumor (2) is labelled, so it counts as a case without tumor", remedy, blocking=False)]
    return []


def copies(cases: Sequence[Case], pairs: Sequence[tuple[str, str, float]]) -> list[Problem]:
    """Notes on cases that are `alike`."""
    ct = {case.id: case.ct for case in cases}
    notes = []
    for first, copy, apart in pairs:
        what, remedy = f"it shows the scan of case {first}, stored otherwise", "both count as one patient; remove one of them"
        if apart == 0:
            what = f"its voxels are those of case {first} ({ct[first].name})"
        elif apart >= SAME_HU:
            what, remedy = f"it may show the person of case {first}", "if so, say it in patients.csv or with --same-patient"
        notes.append(Problem(copy, ct[copy], what, remedy, blocking=False))
    return notes
