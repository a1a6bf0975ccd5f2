"""A run's folder: what is written down about the run, and whether another may begin or continue there."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from LiverTumorLib import __version__
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.errors import InputError, OutputError
from LiverTumorLib.models.bundle import MANIFEST
from LiverTumorLib.renamed import with_new_keys

from ..data.signature import Signature
from ..data.splits import Split
from ..data.unseen import SIGNATURES, case_signature, known_signatures
from ..provenance import commit
from .config import TrainConfig, config_from_dict
from .state import is_finished, read_state

RECORD = "run.json"
QUANTIZED = "quantized"  # the folder of a run's quantization-aware training
# May be another in a run that continues; the last two follow from others that may not, and earlier versions did not
# write them.
_MAY_CHANGE = ("commit", "versions", "machine", "train_ct_sha256", SIGNATURES)
# What a run that was made from another says of how its network came about, as that one did.
_INHERITED = ("imagenet", "distillation", "slimming", "pruning")


def is_run(folder: Path) -> bool:
    """Whether a folder is a training run's."""
    return (folder / RECORD).is_file()


def read_record(run: Path) -> dict:
    """What is written down about a run; raises InputError where its folder holds no record, or a damaged one."""
    path = run / RECORD
    try:
        record = with_new_keys(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            f"{run} is not the folder of a training run, which holds {RECORD}; name the one that 'livertumor train' "
            "has written."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); restore it, or train again.") from error
    if not isinstance(record, dict):
        raise InputError(
            f"{path} is not the record of a training run; take the folder that 'livertumor train' has written."
        )
    return record


def read_run(run: Path) -> TrainConfig:
    """The configuration of a run; raises InputError when the folder holds none, or one that is not finished."""
    state = read_state(run)
    if state and not state.finished:
        raise InputError(f"The run in {run} is not finished; the command that began it continues it.")
    try:
        return config_from_dict(read_record(run)["config"])
    except KeyError as error:
        raise InputError(f"{run / RECORD} has no {error}; restore it, or train again.") from error


def lineage(run: Path) -> dict:
    """What a run's record says of how its network came about; a run made from it says so too."""
    record = read_record(run)
    return {key: record[key] for key in _INHERITED if key in record}


def run_of(path: Path) -> Path:
    """The run that a file with weights belongs to, those of its quantization lying in a folder of their own."""
    return path.parent.parent if path.parent.name == QUANTIZED else path.parent


def is_tflite(path: Path) -> bool:
    """Whether a file with weights is an exported model, not a run's."""
    with open(path, "rb") as file:
        return file.read(8)[4:] == b"TFL3"


def known_ct(path: Path | None) -> set[str]:
    """The checksums of the CT that weights were trained on, those that their own start was trained on among them, as
    far as is known."""
    return set(training_of(path).get("train_ct_sha256", []))


def known_scans(path: Path | None) -> dict[str, Signature]:
    """The signatures of the same CT, by case."""
    return known_signatures(training_of(path))


def training_of(path: Path | None) -> dict:
    """What is known of the training of weights: their run's record; empty where there is none."""
    if path is None:
        return {}
    about = path.parent / MANIFEST if is_tflite(path) else run_of(path) / RECORD
    if not about.is_file():
        return {}
    record = json.loads(about.read_text(encoding="utf-8"))
    return record.get("training", {}) if is_tflite(path) else record


def refuse_a_run(out: Path) -> None:
    """Raises InputError where a folder that is to become a run's holds a finished one, OutputError where it cannot be
    written."""
    present = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not present.is_dir():
        raise OutputError(f"{present} is a file; choose another folder.")
    if not os.access(present, os.W_OK):
        raise OutputError(f"{present} cannot be written: no permission; choose another folder.")
    if (out / RECORD).exists() and is_finished(out):
        raise InputError(f"{out} holds a run already; choose another folder or remove it.")


def write_record(
    out: Path,
    config: TrainConfig,
    split: Split,
    imagenet: Path | None,
    start: Path | None,
    teacher: Path | None = None,
    **more,
) -> None:
    """Everything needed to make this run again, beside its weights: RUN/run.json; `more` says what else there is to
    know.

    The patients that `start` and `teacher`, weights, were trained on count as this run's: its network knows something
    of them.

    Raises:
        InputError: the folder holds another run, which is not finished.
    """
    from ..networks.keras_module import tf

    record = {
        "config": config.to_dict(),
        "split": split.name,
        "split_by": split.kind,
        "cases": {subset: [case.id for case in split.cases[subset]] for subset in ("train", "val")},
        "sha256": split.sha256,
        "train_ct_sha256": sorted(
            {*filter(None, map(split.ct_sha256, split.cases["train"])), *known_ct(start), *known_ct(teacher)}
        ),
        SIGNATURES: _signatures(split, start, teacher),
        "commit": commit() or None,
        "imagenet": bool(imagenet),
        "start": start and str(start),
        "versions": {
            "livertumor": __version__,
            "tensorflow": tf.__version__,
            **{name: version(name) for name in ("tf_keras", "numpy", "scipy")},
        },
        "machine": platform.processor() or platform.machine(),
        **more,
    }
    claim(out / RECORD, record)


def _signatures(split: Split, *earlier: Path | None) -> dict[str, dict[str, str]]:
    """The signatures of the train cases and of those of earlier weights, by case; a name that two scans have is told
    apart."""
    signed = {case.id: signature for case in split.cases["train"] if (signature := case_signature(case, split))}
    for case, signature in ((case, signature) for path in earlier for case, signature in known_scans(path).items()):
        if all(signature.voxels != known.voxels for known in signed.values()):
            signed[case if case not in signed else f"{case} of {signature.voxels[:8]}"] = signature
    return {case: signature.to_dict() for case, signature in signed.items()}


def claim(path: Path, record: dict) -> None:
    """Write a record; one of the same run, which then continues, stays as it is.

    Raises:
        InputError: there is a record of another run.
    """
    record = json.loads(json.dumps(record))
    if path.exists():
        try:
            earlier = with_new_keys(json.loads(path.read_text(encoding="utf-8")))
        except ValueError:
            earlier = {}
        for key in record.keys() | earlier.keys():
            if key not in _MAY_CHANGE and _comparable(key, earlier) != _comparable(key, record):
                raise InputError(
                    f"{path.parent} holds a run already, one with another {key!r}; choose another folder or remove it."
                )
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _comparable(key: str, record: dict) -> object:
    """What a record says, ids of cases as texts: earlier versions wrote numbers."""
    value = record.get(key)
    return (
        {subset: [str(case) for case in cases] for subset, cases in value.items()}
        if key == "cases" and value
        else value
    )
