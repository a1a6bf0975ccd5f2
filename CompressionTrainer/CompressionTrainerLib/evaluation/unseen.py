"""Figures on patients that a model was trained on say nothing about others, so they must be asked for by name."""

from __future__ import annotations

from collections.abc import Sequence

from LiverTumorLib.errors import UsageError

from ..data.splits import Case


def check_unseen(model: str, training: dict, split: str, subset: str, cases: Sequence[Case]) -> None:
    """Raises UsageError where a model was trained on cases of a split that it is to be measured on, unless these are 'train'.

    Args:
        model: what to call it.
        training: its run's record, as in run.json and in a bundle's manifest.
        split, subset, cases: what is to be evaluated.
    """
    if subset != "train" and (seen := seen_cases(training, split, cases)):
        raise UsageError(
            f"{model} was trained on the cases {', '.join(seen)} of '{subset}', so its figures on them say nothing about other "
            "patients; choose another --subset, or the model from before its refit."
        )


def seen_cases(training: dict, split: str, cases: Sequence[Case]) -> list[str]:
    """Which cases of a split divided by patient, which alone is asked, a model was trained on; sorted. See `check_unseen`."""
    if training.get("split") != split or training.get("split_by", "patient") != "patient":
        return []
    return sorted({str(case) for case in training.get("cases", {}).get("train", [])} & {str(case.id) for case in cases})
