"""Folds for cross-validation by person: every patient that may be trained on is held out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from LiverTumorLib.errors import InputError, UsageError

from .partition import patient_groups
from .patients import read_patients
from .splits import LabeledCase, Split

Patients = dict[str, list[LabeledCase]]


def fold_splits(split: Split, folds: int, seed: int, tumor_ml: Mapping[str, float]) -> list[Split]:
    """Divide the train and the val patients of a split into folds; its test patients are in none.

    Patients are dealt out in the order of their tumor volume, so that each fold has patients without, with little and
    with much tumor; those of whose tumor nothing is known come last.

    Args:
        split: by patient.
        folds: how many, at least 2.
        seed: of the draw among patients of similar tumor volume.
        tumor_ml: tumor volume by case id, where it is known.

    Returns:
        a split for each fold: its held-out patients are "test", all others "train"; "val" is empty.

    Raises:
        UsageError: fewer than two folds, or a split by slice.
        InputError: fewer patients than folds.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds are too few; give --folds 2 or more.")
    if split.kind != "patient":
        raise UsageError(
            f"The split '{split.name}' divides slices, not patients; cross-validation needs a split by patient."
        )
    patients: Patients = {}
    for case in (*split.cases["train"], *split.cases["val"]):
        patients.setdefault(case.patient, []).append(case)
    known = {who: max(tumor_ml.get(case.id, -1.0) for case in cases) for who, cases in patients.items()}
    if sum(ml >= 0 for ml in known.values()) < folds:
        raise InputError(f"{len(known)} patients cannot be divided into {folds} folds; use fewer folds.")
    return [_held_out(split, patients, held, number) for number, held in enumerate(_dealt(known, folds, seed), start=1)]


def joined_by_person(split: Split) -> Split:
    """The split with the patients that the data folder's patients.csv joins counted as one, as the split's own are."""
    cases = {case.id: case for members in split.cases.values() for case in members}
    entries = read_patients(split.data)
    named: dict[tuple[str, str], list[str]] = {}
    for case in cases.values():
        named.setdefault(("split", case.patient), []).append(case.id)
        if case.id in entries and entries[case.id].patient:
            named.setdefault(("file", entries[case.id].patient), []).append(case.id)
    groups = patient_groups(cases, named.values())
    patient = {case: cases[group[0]].patient for group in groups for case in group}
    joined = {
        subset: [replace(case, patient=patient[case.id]) for case in members] for subset, members in split.cases.items()
    }
    return replace(split, cases=joined)


def _dealt(tumor_ml: dict[str, float], folds: int, seed: int) -> list[list[str]]:
    """The patients of each fold."""
    rng = np.random.default_rng(seed)
    order = sorted(tumor_ml, key=lambda who: (-tumor_ml[who], who))
    members: list[list[str]] = [[] for _ in range(folds)]
    for start in range(0, len(order), folds):
        for who, fold in zip(order[start : start + folds], rng.permutation(folds), strict=False):
            members[fold].append(who)
    return members


def _held_out(split: Split, patients: Patients, held: Sequence[str], number: int) -> Split:
    cases = {
        "train": [case for who, cases in patients.items() if who not in held for case in cases],
        "val": [],
        "test": [case for who in held for case in patients[who]],
    }
    return replace(split, name=f"{split.name}, fold {number}", cases=cases)


def split_file_content(split: Split) -> dict:
    """A split by patient as `load_split` reads it, every case with its files."""
    entries = {}
    for case in (case for cases in split.cases.values() for case in cases):
        entry = {"ct": case.ct.relative_to(split.data).as_posix(), "holds": case.holds}
        if case.mask is not None:
            entry["mask"] = case.mask.relative_to(split.data).as_posix()
        entries[case.id] = entry
    files = {name for entry in entries.values() for name in (entry["ct"], entry.get("mask"))}
    return {
        "name": split.name,
        "source": split.source,
        "weights_license": split.weights_license,
        "patients": {subset: _by_patient(cases) for subset, cases in split.cases.items()},
        "cases": entries,
        "sha256": {name: value for name, value in split.sha256.items() if name in files},
        "signatures": {case: value for case, value in split.signatures.items() if case in entries},
    }


def _by_patient(cases: Sequence[LabeledCase]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for case in cases:
        groups.setdefault(case.patient, []).append(case.id)
    return list(groups.values())
