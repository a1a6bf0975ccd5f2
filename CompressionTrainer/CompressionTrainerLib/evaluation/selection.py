"""Which labeled CT an evaluation is of: a split's patients, all cases of a folder, or pairs of files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.splits import LabeledCase, Split, load_split

EVERYTHING = "all"


@dataclass(frozen=True)
class Selection:
    """Cases to evaluate.

    Attributes:
        title: what they are, to read.
        cases: CT and mask of each, and its patient.
        complete: a mask without label 2 is one of a patient without tumor; otherwise one in which tumor was not
          labeled.
        split: of which they are a subset; None where they are named otherwise.
        about: the same to be looked up: data, split, its kind, subset and how many patients the other subsets have.
    """

    title: str
    cases: list[LabeledCase]
    complete: bool
    split: Split | None
    about: dict


def select_cases(
    folder: Path | None, split_file: Path, subset: str, pairs: Sequence[tuple[Path, Path]] | None = None
) -> Selection:
    """The cases that are asked for.

    Args:
        folder: with the labeled CT, or None where `pairs` of CT and mask are given.
        split_file: frozen split by patient.
        subset: of the split, or "all" for every case of the folder, whatever the split says.

    Raises:
        InputError: no such folder or file, or a file that is not the one the split was frozen with.
        UsageError: neither or both ways to name cases, a subset without patients, or a split that is not by patient.
    """
    from LiverTumorLib.errors import UsageError

    if bool(pairs) == bool(folder):
        raise UsageError("Give either the folder DATA, or --pair CT MASK.")
    if pairs:
        cases = [LabeledCase(short(ct), short(ct), ct, mask) for ct, mask in pairs]
        return Selection(f"Pairs: {', '.join(case.id for case in cases)}", cases, False, None, {"kind": "pairs"})
    assert folder is not None  # the other of the two ways
    if subset == EVERYTHING:
        return _whole_folder(folder)
    split = load_split(split_file, folder)
    if split.kind != "patient":
        raise UsageError(
            f"The split '{split.name}' divides slices, not patients; whole cases cannot be evaluated with it."
        )
    cases = split.cases[subset]
    if not cases:
        raise UsageError(f"The split '{split.name}' has no patients in '{subset}'.")
    split.verify(cases)
    patients = {part: len({case.patient for case in members}) for part, members in split.cases.items()}
    about = {"data": folder.resolve().name, "split": split.name, "kind": split.kind, "subset": subset}
    return Selection(f"{split.name}, {subset} patients", cases, True, split, about | {"patients": patients})


def _whole_folder(folder: Path) -> Selection:
    from LiverTumorLib.batch.display import visible

    from ..data.layouts import find_cases

    found = find_cases(folder)
    for problem in found.problems:
        print(visible(f"left out: {problem}"), file=sys.stderr)
    name = folder.resolve().name
    about = {"data": name, "kind": "folder", "layout": found.layout, "subset": EVERYTHING}
    return Selection(f"{name} ({found.layout}), all {len(found.cases)} cases", found.cases, True, None, about)


def short(path: Path) -> str:
    """The end of a path, without what it says about the machine."""
    return "/".join(path.resolve().parts[-2:])
