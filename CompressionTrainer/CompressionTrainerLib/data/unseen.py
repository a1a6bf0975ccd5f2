"""Figures on patients that a model was trained on say nothing about others, so they must be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping

from LiverTumorLib.errors import UsageError

from .splits import Split


def check_unseen(model: str, training: dict, split: Split, subset: str) -> None:
    """Raises UsageError where a model was trained on cases of a split that it is to be measured on, unless these are 'train'.

    Args:
        model: what to call it.
        training: its run's record, as in run.json and in a bundle's manifest.
        split, subset: what is to be evaluated.
    """
    if subset != "train" and (seen := seen_cases(training, split, subset)):
        raise UsageError(
            f"{model} was trained on the cases {', '.join(seen)} of '{subset}', so its figures on them say nothing about other "
            "patients; choose another --subset, or the model from before its refit."
        )


def check_unseen_files(model: str, training: dict, checksums: Mapping[str, str]) -> None:
    """Raises UsageError where a model was trained on one of these CT files (SHA-256 by name), whatever it was called there."""
    known = set(training.get("train_ct_sha256", []))
    if seen := [name for name, checksum in checksums.items() if checksum in known]:
        raise UsageError(
            f"{model} was trained on {', '.join(seen)}, so its figures on that say nothing about other patients; leave such cases out."
        )


def seen_cases(training: dict, split: Split, subset: str) -> list[str]:
    """Which cases of a subset a model was trained on, sorted. See `check_unseen`.

    They are told by the checksums of their CT or, where these are not known, by their ids in a split of the same name. A split by slice is
    not about patients, but a refit on it has seen the val slices too.
    """
    if split.kind != "patient":
        refit = training.get("config", {}).get("refit") and training.get("split") == split.name and subset == "val"
        return sorted(case.id for case in split.cases.get(subset, [])) if refit else []
    cases, checksums = split.cases.get(subset, []), set(training.get("train_ct_sha256", []))
    ids = (
        {str(case) for case in training.get("cases", {}).get("train", [])}
        if training.get("split") == split.name and not checksums
        else set()
    )
    return sorted({case.id for case in cases if case.id in ids or split.ct_sha256(case) in checksums})
