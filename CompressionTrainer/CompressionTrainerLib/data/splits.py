"""Splits, frozen in a JSON file: which patients (or, where that was asked for by name, which slices) train, choose and
only test."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_json
from LiverTumorLib.renamed import with_new_keys

from .identity import sha256_of
from .patients import HOLDS, require_apart

SUBSETS = ("train", "val", "test")
KINDS = ("patient", "slice")


@dataclass(frozen=True)
class LabeledCase:
    """One labeled CT: its id (a text, also where a file says a number), its patient (the smallest case id of that
    patient), CT and mask.

    The CT is what `read_ct` takes (file or DICOM folder), the mask a label file or the folder of 3D-IRCADb's DICOM
    masks; None where the scan shows no liver. `holds` is one of HOLDS.
    """

    id: str
    patient: str
    ct: Path
    mask: Path | None
    holds: str = "tumor"

    @property
    def files(self) -> list[Path]:
        """The CT and, where there is one, the mask."""
        return [self.ct] if self.mask is None else [self.ct, self.mask]


@dataclass(frozen=True)
class Split:
    """A frozen split.

    Attributes:
        name: what reports call it.
        cases: the cases of each subset. No patient is in two subsets, unless `kind` is "slice".
        sha256: by path relative to `data` (for a DICOM folder: of all its files), what the split was frozen with.
        data: the data folder.
        kind: "patient", or "slice" for the classifier paper's split, in which slices of one patient train and test.
        slices: by subset and case id, the axial slices that belong there; empty where all slices of a subset's cases
          do.
        tumor_slices: by case id, the axial slices that count as tumor; empty where any tumor pixel counts.
        source: what the data are and whom to cite, for the cards of models trained on them; empty if unknown.
        weights_license: under which such models may be used; empty if unknown.
        signatures: by case id as text, what identifies its CT, see `signature`; empty where the split does not say.
    """

    name: str
    cases: dict[str, list[LabeledCase]]
    sha256: dict[str, str]
    data: Path
    kind: str = "patient"
    slices: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    tumor_slices: dict[str, list[int]] = field(default_factory=dict)
    source: str = ""
    weights_license: str = ""
    signatures: dict[str, dict[str, str]] = field(default_factory=dict)

    def verify(self, cases: list[LabeledCase]) -> None:
        """Raises InputError where a file is missing or is not the one the split was frozen with."""
        for path in (path for case in cases for path in case.files):
            if not path.exists():
                raise InputError(f"{path} is missing; the split '{self.name}' needs it, so check the data folder.")
            expected = self.sha256.get(path.relative_to(self.data).as_posix())
            if expected and sha256_of(path) != expected:
                raise InputError(
                    f"{path} is not the file that the split '{self.name}' was frozen with; restore the original file."
                )

    def ct_sha256(self, case: LabeledCase) -> str | None:
        """What a case's CT was frozen with; None where the split does not say."""
        return self.sha256.get(case.ct.relative_to(self.data).as_posix())

    def refitted(self) -> Split:
        """The split whose train patients are the train and the val patients together, and which no longer has val
        patients."""
        train, slices = [*self.cases["train"], *self.cases["val"]], dict(self.slices)
        if slices:
            slices |= {"train": _joined(slices.get("train", {}), slices.get("val", {})), "val": {}}
        return replace(
            self,
            cases={**self.cases, "train": list({case.id: case for case in train}.values()), "val": []},
            slices=slices,
        )


def _joined(one: dict[str, list[int]], other: dict[str, list[int]]) -> dict[str, list[int]]:
    """Slices by case, of either."""
    return {case: sorted([*one.get(case, []), *other.get(case, [])]) for case in one.keys() | other.keys()}


def slices_of(split: Split, subset: str, case: LabeledCase) -> list[int] | None:
    """The axial slices of a case that belong to a subset; None where all of them do."""
    return split.slices[subset][case.id] if split.slices else None


def load_split(path: str | Path, data: str | Path) -> Split:
    """Read a split file and find its cases in a data folder.

    Raises:
        InputError: unreadable file, or a patient in two subsets (in a slice-wise split: a slice in two subsets).
    """
    data = Path(data)
    try:
        content = with_new_keys(read_json(path))
        cases = {subset: _cases(content, content["patients"].get(subset, []), data) for subset in SUBSETS}
        split = Split(
            content.get("name", Path(path).stem),
            cases,
            content.get("sha256", {}),
            data,
            content.get("kind", "patient"),
            content.get("slices", {}),
            content.get("tumor_slices", {}),
            content.get("source", ""),
            content.get("weights_license", ""),
            content.get("signatures", {}),
        )
        _require_kinds(split)
        if split.kind not in KINDS:
            raise ValueError(f"its kind is {split.kind!r}, not one of {', '.join(KINDS)}")
        if split.kind == "slice":
            _require_slices_apart(path, split)
        else:
            _require_patients_apart(path, split)
            require_apart(
                Path(path),
                {subset: [case.id for case in members] for subset, members in split.cases.items()},
                data,
            )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a split file this version can read ({error}); make it again.") from error
    return split


def _cases(content: dict, groups: list[list], data: Path) -> list[LabeledCase]:
    """The cases of a subset, listed by patient."""
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise TypeError("the patients of a subset are not lists of case ids")
    if not all(isinstance(case, int | str) for group in groups for case in group):
        raise TypeError("a case's id is neither a number nor a text")
    return [
        _case(content, str(case), patient, data)
        for group in groups
        if group
        for patient in [str(min(group))]
        for case in group
    ]


def _case(content: dict, case: str, patient: str, data: Path) -> LabeledCase:
    """A case with its files, which a split file lists by case, relative to the data folder, or gives by a pattern for
    all."""
    if "cases" not in content:
        ct, mask = (_within(data, content["files"][name].replace("{case}", case)) for name in ("ct", "mask"))
        return LabeledCase(case, patient, ct, mask)
    entry = content["cases"][case]
    holds = entry.get("holds", "tumor")
    if holds not in HOLDS:
        raise ValueError(f"case {case} holds {holds!r}, not one of {', '.join(HOLDS)}")
    return LabeledCase(
        case, patient, _within(data, entry["ct"]), None if holds == "none" else _within(data, entry["mask"]), holds
    )


def _within(data: Path, relative: str) -> Path:
    """The file of a case; raises ValueError for one outside the data folder, and for a pattern that asks for more than
    the case."""
    if "{" in relative or "\0" in relative or os.path.isabs(relative) or ".." in Path(relative).parts:
        raise ValueError(f"{relative!r} is not a file of the data folder; the only pattern is {{case}}")
    return data / relative


def _require_kinds(split: Split) -> None:
    """Raises TypeError where something is not of the kind that `Split` says."""
    texts = [split.name, split.kind, split.source, split.weights_license, *split.sha256, *split.sha256.values()]
    chosen = [ks for by_case in (*split.slices.values(), split.tumor_slices) for ks in by_case.values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name or a checksum is not text")
    if not all(isinstance(k, int) and k >= 0 for ks in chosen for k in ks):
        raise TypeError("a slice's index is not a whole number")
    for subset in SUBSETS if split.slices else ():
        for case in split.cases[subset]:
            if not isinstance(split.slices[subset][case.id], list):
                raise TypeError(f"the slices of case {case.id} are not a list")


def _require_patients_apart(path: str | Path, split: Split) -> None:
    seen: dict[str, str] = {}
    for subset in SUBSETS:
        for case in split.cases[subset]:
            if seen.setdefault(case.id, subset) != subset or seen.setdefault(case.patient, subset) != subset:
                raise InputError(
                    f"{path}: case {case.id} is in '{seen[case.id]}' and in '{subset}'; a patient belongs to one "
                    "subset."
                )


def _require_slices_apart(path: str | Path, split: Split) -> None:
    seen: dict[tuple[str, int], str] = {}
    for subset in SUBSETS:
        for case in split.cases[subset]:
            for k in split.slices[subset][case.id]:
                if seen.setdefault((case.id, k), subset) != subset:
                    raise InputError(
                        f"{path}: slice {k} of case {case.id} is in two subsets; a slice belongs to one. Repeat the "
                        "split."
                    )
