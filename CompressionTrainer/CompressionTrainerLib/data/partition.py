"""Divide labeled cases into train, val and test: by patient, or slice by slice as the classifier paper did; stratified
and seeded."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from LiverTumorLib.errors import InputError, RequirementError, UsageError

from .check import CaseFacts
from .splits import KINDS, SUBSETS

SHARE = 0.15  # of val and of test; the rest trains
SELECTIONS = ("all", "liver", "balanced")

T = TypeVar("T")
# The axial slices, by case id, that one subset has.
Slices = dict[str, np.ndarray]


@dataclass(frozen=True)
class SplitOptions:
    """How to divide.

    Attributes:
        kind: "patient", or "slice": slices of one patient then train and test, so that the figures on test are too
          good.
        folds: 0 for one split of 70/15/15 %, else how many, each with another part as test.
        seed: of every draw.
        selection: "all" slices, those with "liver", or "balanced": of those with liver as many with tumor as without.
        min_tumor_mm2: tumor area from which a slice counts as one with tumor; 0 is any pixel.
    """

    kind: str = "patient"
    folds: int = 0
    seed: int = 1
    selection: str = "all"
    min_tumor_mm2: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.selection not in SELECTIONS:
            raise UsageError(f"Split by {' or '.join(KINDS)}, and use the slices {', '.join(SELECTIONS)}.")
        if self.folds < 0 or self.folds == 1:
            raise UsageError(
                f"{self.folds} folds are too few; use 2 or more, or leave --folds out for one split of 70/15/15 %."
            )
        if self.seed < 0 or not 0 <= self.min_tumor_mm2 < np.inf:
            raise UsageError("The seed and the smallest tumor area must not be negative.")


@dataclass(frozen=True)
class Division:
    """One split: the slices of each subset, and what is known of all slices: by case id (k,) bool, with tumor and with
    liver.

    `tumor` lacks the cases whose tumor is unknown.
    """

    subsets: dict[str, Slices]
    tumor: dict[str, np.ndarray]
    liver: dict[str, np.ndarray]

    def counts(self, patients: Sequence[Sequence[str]]) -> dict[str, dict[str, int]]:
        """Patients, cases and slices of each subset, and how many of them have tumor or liver."""
        table = {}
        for subset, slices in self.subsets.items():
            present = within(patients, slices)
            tumor = {case: int(self.tumor[case][ks].sum()) if case in self.tumor else 0 for case, ks in slices.items()}
            table[subset] = {
                "patients": len(present),
                "patients with tumor": sum(any(tumor[case] for case in group) for group in present),
                "cases": len(slices),
                "slices": sum(map(len, slices.values())),
                "slices with tumor": sum(tumor.values()),
                "slices with liver": sum(int(self.liver[case][ks].sum()) for case, ks in slices.items()),
            }
            if len(self.tumor) < len(self.liver):
                table[subset]["cases with unknown tumor"] = sum(case not in self.tumor for case in slices)
            if not all(liver.any() for liver in self.liver.values()):
                table[subset]["cases without liver"] = sum(not self.liver[case].any() for case in slices)
        return table


def divide(facts: dict[str, CaseFacts], patients: Sequence[Sequence[str]], options: SplitOptions) -> list[Division]:
    """Divide the cases, or their slices; one division, or as many as there are folds.

    By patient, patients without, with little and with much tumor (by its share of the liver) are spread evenly, and so
    are those who show no liver, or one whose tumor is unknown, beside them; by slice, those with and without tumor.
    Cases whose tumor is unknown are left out where slices are divided or balanced by it.

    Args:
        facts: of the usable cases, by id.
        patients: the case ids of each patient, see `patient_groups`.
        options: how.

    Raises:
        InputError: too few patients or slices, or a subset that would hold slices of one class only.
        RequirementError: scikit-learn is not installed.
    """
    if options.kind == "slice" or options.selection == "balanced":
        facts = {case: each for case, each in facts.items() if each.holds != "liver"}
        patients = within(patients, facts)
    known = {case: np.array(each.tumor_mm2) for case, each in facts.items() if each.holds != "liver"}
    tumor = {case: areas * (areas >= options.min_tumor_mm2) > 0 for case, areas in known.items()}
    liver = {case: np.array(each.liver_mm2) > 0 for case, each in facts.items()}
    used = {
        case: np.flatnonzero(mask if options.selection != "all" else np.ones_like(mask)) for case, mask in liver.items()
    }
    if options.kind == "patient":
        subsets = [
            {name: {case: used[case] for case in _flat(chosen)} for name, chosen in part.items()}
            for part in _patient_parts(patients, facts, tumor, options)
        ]
    else:
        units = [(case, int(k)) for case, ks in used.items() for k in ks]
        parts = _parts([np.array([tumor[case][k] for case, k in units], int)], options, "slices")
        subsets = [{name: _gather(_chosen(units, numbers)) for name, numbers in part.items()} for part in parts]
    if options.selection == "balanced":
        rng = np.random.default_rng(options.seed)
        subsets = [{name: _balanced(slices, tumor, rng) for name, slices in division.items()} for division in subsets]
    divisions = [Division(division, tumor, liver) for division in subsets]
    for division in divisions:
        _require_both_classes(division)
    return divisions


def patient_groups(cases: Iterable[str], same_patient: Iterable[Sequence[str]]) -> list[list[str]]:
    """The case ids of each patient: one case each, but for the lists in `same_patient`; lists that overlap are
    joined."""
    group = {case: [case] for case in cases}
    for same in same_patient:
        merged = list(dict.fromkeys(case for one in same for case in group[one]))
        group.update(dict.fromkeys(merged, merged))
    return [list(cases) for cases in dict.fromkeys(tuple(cases) for cases in group.values())]


def within(patients: Iterable[Sequence[str]], cases: Container[str]) -> list[list[str]]:
    """The cases of each patient that are among `cases`; patients without any are left out."""
    groups = [[case for case in group if case in cases] for group in patients]
    return [group for group in groups if group]


def split_content(name: str, division: Division, patients: Sequence[Sequence[str]], options: SplitOptions) -> dict:
    """What a split file says of a division, but for the files of the cases."""
    content = {
        "name": name,
        "kind": options.kind,
        "made": asdict(options),
        "counts": division.counts(patients),
        "patients": {subset: within(patients, slices) for subset, slices in division.subsets.items()},
        "tumor_slices": {case: np.flatnonzero(mask) for case, mask in division.tumor.items()},
    }
    if options.kind == "slice" or options.selection != "all":
        content["slices"] = division.subsets
    return content


def _patient_parts(
    patients: Sequence[Sequence[str]], facts: dict[str, CaseFacts], tumor: dict[str, np.ndarray], options: SplitOptions
) -> Iterator[dict[str, list[Sequence[str]]]]:
    """The patients of each subset, one division after the other; those who say nothing about tumor are divided by
    themselves."""

    def is_judged(group: Sequence[str]) -> bool:
        """Whether a case of the patient shows liver, and whether it has tumor is known."""
        return any(case in tumor and np.any(facts[case].liver_mm2) for case in group)

    judged = [n for n, group in enumerate(patients) if is_judged(group)] or list(range(len(patients)))
    others = [n for n in range(len(patients)) if n not in judged]
    parts = _parts(_burden_strata(_chosen(patients, judged), facts, tumor), options, "patients")
    for part, more in zip(parts, _shares(len(others), options), strict=True):
        numbers = {name: _chosen(judged, part[name]) + _chosen(others, more[name]) for name in SUBSETS}
        yield {name: _chosen(patients, sorted(numbers[name])) for name in SUBSETS}


def _chosen(items: Sequence[T], numbers: Iterable[int]) -> list[T]:
    return [items[number] for number in numbers]


def _flat(groups: Iterable[Sequence[str]]) -> list[str]:
    return [case for group in groups for case in group]


def _burden_strata(
    patients: Sequence[Sequence[str]], facts: dict[str, CaseFacts], tumor: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """Strata of the patients, fine ones first: none, little or much tumor; without or with tumor. Slices that count as
    tumor matter."""
    tumor_mm3 = {
        case: np.array(facts[case].tumor_mm2)[slices].sum() * facts[case].slice_mm for case, slices in tumor.items()
    }
    liver_mm3 = {case: np.sum(facts[case].liver_mm2) * facts[case].slice_mm for case in tumor}
    livers = np.array([sum(liver_mm3.get(case, 0) for case in group) for group in patients])
    burden = np.array([sum(tumor_mm3.get(case, 0) for case in group) for group in patients]) / np.maximum(livers, 1e-9)
    some = burden > 0
    much = burden > np.median(burden[some]) if some.any() else some
    return [some.astype(int) + much, some.astype(int)]


def _shares(count: int, options: SplitOptions) -> Iterator[dict[str, np.ndarray]]:
    """Indices of the subsets, one division after the other, of `count` units that are all alike; few of them all
    train."""
    everyone = np.random.default_rng(options.seed).permutation(count)
    size = round(SHARE * count)
    for test in np.array_split(everyone, options.folds) if options.folds else [everyone[:size]]:
        rest = everyone[~np.isin(everyone, test)]
        yield {"train": rest[size:], "val": rest[:size], "test": test}


def _parts(strata: list[np.ndarray], options: SplitOptions, what: str) -> Iterator[dict[str, np.ndarray]]:
    """Indices of the subsets, one division after the other; `strata` as in `_finest`, `what` is divided."""
    try:
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        raise RequirementError("Splitting needs the package scikit-learn: pip install scikit-learn.") from None
    count = len(strata[0])
    if count < max(3, options.folds):
        raise InputError(f"{count} {what} cannot be divided like this; at least {max(3, options.folds)} are needed.")
    everyone = np.arange(count)
    if options.folds:
        folds = StratifiedKFold(options.folds, shuffle=True, random_state=options.seed)
        tests = [test for _, test in folds.split(everyone, _finest(strata, everyone, options.folds))]
    else:
        tests = [_draw(strata, everyone, count, options.seed)]
    for fold, test in enumerate(tests):
        rest = np.setdiff1d(everyone, test)
        val = _draw(strata, rest, count, options.seed + fold)
        yield {"train": np.setdiff1d(rest, val), "val": val, "test": test}


def _draw(strata: list[np.ndarray], among: np.ndarray, count: int, seed: int) -> np.ndarray:
    """SHARE of all `count` units, at least one, drawn from the units `among`."""
    from sklearn.model_selection import train_test_split

    size = max(1, round(SHARE * count))
    # As many of each stratum as there are parts is the least that can be stratified, and no more strata than fit into a
    # part.
    labels = _finest(
        [stratum for stratum in strata if len(np.unique(stratum[among])) <= min(size, len(among) - size)], among, 2
    )
    return np.sort(train_test_split(among, test_size=size, random_state=seed, stratify=labels)[1])


def _finest(strata: list[np.ndarray], among: np.ndarray, smallest: int) -> np.ndarray:
    """The first (finest) strata of which each has at least `smallest` of the units `among`; one stratum where none
    does."""
    for labels in strata:
        if np.unique(labels[among], return_counts=True)[1].min() >= smallest:
            return labels[among]
    return np.zeros(len(among), int)


def _gather(units: Iterable[tuple[str, int]]) -> Slices:
    slices: dict[str, list[int]] = {}
    for case, k in units:
        slices.setdefault(case, []).append(int(k))
    return {case: np.array(sorted(ks)) for case, ks in slices.items()}


def _balanced(slices: Slices, tumor: dict[str, np.ndarray], rng: np.random.Generator) -> Slices:
    """As many slices with tumor as without: the more frequent kind is thinned out at random."""
    kinds: tuple[list, list] = ([], [])
    for case, ks in slices.items():
        for k in ks:
            kinds[int(tumor[case][k])].append((case, k))
    size = min(map(len, kinds))
    return _gather(sorted(kind[n] for kind in kinds for n in rng.choice(len(kind), size, replace=False)))


def _require_both_classes(division: Division) -> None:
    """Of slices with and without tumor or, where that is known of no case with liver, with and without liver."""
    marks = division.tumor if any(division.liver[case].any() for case in division.tumor) else division.liver
    for subset in SUBSETS:
        known = [marks[case][ks] for case, ks in division.subsets[subset].items() if case in marks]
        flags = np.concatenate([np.zeros(0, bool), *known])
        if not flags.any() or (marks is division.tumor and flags.all()):
            structure = "tumor" if marks is division.tumor else "liver"
            unknown = " whose tumor is known" if any(map(len, division.subsets[subset].values())) else ""
            only = (
                f"only slices {'with' if flags.any() else 'without'} {structure}"
                if flags.size
                else f"no slices{unknown}"
            )
            raise InputError(
                f"The part '{subset}' would hold {only}, and nothing can be learned or measured on it; "
                "use more patients, another --seed, fewer --folds, or a smaller --min-tumor-mm2."
            )
