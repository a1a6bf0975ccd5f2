"""Figures on patients that a model was trained on say nothing about others, so they must be asked for by name.

CT are recognized by the checksums of their files, by their signatures (see `data.signature`) or, where a model's record
has neither, by their ids in a split of the same name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import InputError, ModelError, UsageError

from .check import CaseFacts
from .identity import sha256_of
from .labeled import read_case_apart
from .problems import Problem
from .signature import SAME_HU, Signature, distance_hu, sign, sign_file
from .splits import LabeledCase, Split

SIGNATURES = "train_signatures"  # of a training's record, by case
# As LiTS and MSD call the same 131 CT: volume-7, liver_7; models know them as 7, liver_7 or after a part of them,
# 7-below.
_PUBLIC = re.compile(r"(?:volume-|liver_|)0*(\d+)(?:-[a-z]\w*)?", re.IGNORECASE)


@dataclass(frozen=True)
class KnownCT:
    """What CT are compared by with those that models were trained on: the SHA-256 of the file where it is one, and the
    signature."""

    sha256: str | None
    signature: Signature | None

    @classmethod
    def of(cls, path: Path) -> KnownCT:
        """Of a CT, which is read; one that cannot be is left to whatever uses it."""
        try:
            # In a child, since a reader may crash on it.
            return cls(sha256_of(path), sign(read_case_apart(LabeledCase("", "", path, None, "none")).volume))
        except (OSError, InputError):
            return cls(None, None)


def check_unseen(model: str, training: dict, split: Split, subset: str) -> None:
    """Raises UsageError where a model was trained on cases of a split that it is to be measured on, unless these are
    'train'.

    Where only the name of a CT resembles that of one that it was trained on, a note says so.

    Args:
        model: what to call it.
        training: its run's record, as in run.json and in a bundle's manifest.
        split, subset: what is to be evaluated.
    """
    if subset == "train":
        return
    if seen := seen_cases(training, split, subset):
        raise UsageError(
            f"{model} was trained on the cases {', '.join(seen)} of '{subset}', so its figures on them say nothing "
            "about other patients; choose another --subset, or the model from before its refit."
        )
    if split.kind == "patient":
        warn_of_names(model, training, (case.ct for case in split.cases.get(subset, [])))


def check_unseen_files(model: str, training: dict, cts: Mapping[Path, KnownCT]) -> None:
    """Raises UsageError where a model was trained on one of these CT, whatever it was called there; says where only a
    name is alike."""
    checksums, signatures = set(training.get("train_ct_sha256", [])), known_signatures(training)
    if seen := [path.name for path, ct in cts.items() if ct.sha256 in checksums or known_as(ct.signature, signatures)]:
        raise UsageError(
            f"{model} was trained on {', '.join(seen)}, so its figures on that say nothing about other patients; leave "
            "such cases out."
        )
    warn_of_names(model, training, cts)


def seen_cases(training: dict, split: Split, subset: str) -> list[str]:
    """Which cases of a subset a model was trained on, sorted. See `check_unseen`.

    A split by slice is not about patients, but a refit on it has seen the val slices too.
    """
    if split.kind != "patient":
        refit = training.get("config", {}).get("refit") and training.get("split") == split.name and subset == "val"
        return sorted(case.id for case in split.cases.get(subset, [])) if refit else []
    cases, checksums, signatures = (
        split.cases.get(subset, []),
        set(training.get("train_ct_sha256", [])),
        known_signatures(training),
    )
    ids = (
        {str(case) for case in training.get("cases", {}).get("train", [])}
        if training.get("split") == split.name and not checksums
        else set()
    )
    return sorted(
        {
            case.id
            for case in cases
            if case.id in ids
            or split.ct_sha256(case) in checksums
            or (signatures and known_as(case_signature(case, split), signatures))
        }
    )


def known_signatures(training: dict) -> dict[str, Signature]:
    """The signatures of the CT that a model was trained on, by case, as far as its record has them and they can be
    read."""
    try:
        return {case: Signature.from_dict(content) for case, content in training.get(SIGNATURES, {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(
            f"'{SIGNATURES}' of a model or run is damaged; install the model again, or restore its run's folder."
        ) from None


def known_as(ct: Signature | None, signatures: dict[str, Signature]) -> str | None:
    """The case of which a CT is the same scan, None where there is none."""
    if ct is None:
        return None
    return next((case for case, signature in signatures.items() if distance_hu(ct, signature) < SAME_HU), None)


def case_signature(case: LabeledCase, split: Split) -> Signature | None:
    """The signature of a split's case: the one that it was frozen with, or made of its CT; None where that is missing
    or unreadable."""
    if content := split.signatures.get(case.id):
        try:
            return Signature.from_dict(content)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The split '{split.name}' has a damaged signature of case {case.id} ({error}); make it again."
            ) from error
    try:
        return sign_file(case.ct)
    except InputError:
        return None


def known_patients(cases: Iterable[LabeledCase], facts: Mapping[str, CaseFacts]) -> list[Problem]:
    """Notes on the usable cases of a data folder that models which are installed were trained on."""
    from LiverTumorLib.models.catalogue import list_bundles

    trained = {bundle.id: bundle.manifest.training for bundle in list_bundles()}
    checksums = {model: set(training.get("train_ct_sha256", [])) for model, training in trained.items()}
    signatures = {model: known_signatures(training) for model, training in trained.items()}
    notes = []
    for case in (case for case in cases if case.id in facts):
        checksum, signature = facts[case.id].ct_sha256, Signature.from_dict(facts[case.id].signature)
        if models := [
            model for model in trained if checksum in checksums[model] or known_as(signature, signatures[model])
        ]:
            what = f"the models {', '.join(models)} were trained on this scan"
            remedy = (
                "nothing, unless one of them is to be measured, or trained on, with this data; then leave the patient "
                "out"
            )
            notes.append(Problem(case.id, case.ct, what, remedy, blocking=False))
    return notes


def warn_of_names(model: str, training: dict, cts: Iterable[Path]) -> None:
    """Say on stderr which CT have names like those that a model was trained on, as LiTS and MSD give them, though
    nothing else is alike."""
    trained = {
        match[1] for case in training.get("cases", {}).get("train", []) if (match := _PUBLIC.fullmatch(str(case)))
    }
    names = (path.name.removesuffix(".gz").removesuffix(".nii") for path in cts)
    named = [
        name for name in names if not name.isdigit() and (match := _PUBLIC.fullmatch(name)) and match[1] in trained
    ]
    if named:
        print(
            f"note: {model} was trained on CT with the numbers of {', '.join(named)}, though not on these files; if "
            "they are LiTS or MSD scans, the figures say nothing about new patients.",
            file=sys.stderr,
        )
