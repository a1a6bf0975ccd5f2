"""Patient-wise splits, frozen in a JSON file: which patients train, which choose, which only test."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import InputError

SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One labelled CT: its id, its patient (the smallest case id of that patient) and its two files."""

    id: int
    patient: int
    ct: Path
    mask: Path


@dataclass(frozen=True)
class Split:
    """A frozen split. `cases[subset]` lists the cases; no patient is in two subsets."""

    name: str
    cases: dict[str, list[Case]]
    sha256: dict[str, str]

    def verify(self, cases: list[Case]) -> None:
        """Raises InputError where a file is missing or is not the one the split was frozen with."""
        for path in (path for case in cases for path in (case.ct, case.mask)):
            if not path.is_file():
                raise InputError(f"{path} is missing; the split '{self.name}' needs it, so check the data folder.")
            expected = self.sha256.get(path.name)
            if expected and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                raise InputError(f"{path} is not the file that the split '{self.name}' was frozen with; restore the original file.")


def load_split(path: str | Path, data: str | Path) -> Split:
    """Read a split file and find its cases in a data folder.

    Raises:
        InputError: unreadable file, or a patient in two subsets.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        groups, files = content["patients"], content["files"]
        cases = {
            subset: [
                Case(case, min(group), Path(data) / files["ct"].format(case=case), Path(data) / files["mask"].format(case=case))
                for group in groups.get(subset, [])
                for case in group
            ]
            for subset in SUBSETS
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a split file this version can read ({error}); make it anew.") from error
    seen: dict[int, str] = {}
    for subset in SUBSETS:
        for case in cases[subset]:
            if seen.setdefault(case.id, subset) != subset or seen.setdefault(case.patient, subset) != subset:
                raise InputError(f"{path}: case {case.id} is in '{seen[case.id]}' and in '{subset}'; a patient belongs to one subset.")
    return Split(content.get("name", Path(path).stem), cases, content.get("sha256", {}))
