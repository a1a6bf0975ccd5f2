"""A run's folder: what is written down about the run, and whether another may begin or go on there."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from LiverTumorLib.errors import InputError, OutputError
from LiverTumorLib.files.atomic import atomic_path

from ..data.splits import Split
from ..networks.keras_module import tf
from ..provenance import commit
from .config import TrainConfig
from .start import known_ct
from .state import is_finished

RECORD = "run.json"
# May be another in a run that goes on; the last follows from others that may not, and earlier versions did not write it.
_MAY_CHANGE = ("commit", "versions", "machine", "train_ct_sha256")


def refuse_a_run(out: Path) -> None:
    """Raises InputError where a folder that is to become a run's holds a finished one, OutputError where it cannot be written."""
    present = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not present.is_dir():
        raise OutputError(f"{present} is a file; choose another folder.")
    if not os.access(present, os.W_OK):
        raise OutputError(f"{present} cannot be written: no permission; choose another folder.")
    if (out / RECORD).exists() and is_finished(out):
        raise InputError(f"{out} holds a run already; choose another folder or remove it.")


def write_record(
    out: Path, config: TrainConfig, split: Split, imagenet: Path | None, start: Path | None, teacher: Path | None = None, **more
) -> None:
    """Everything needed to make this run again, beside its weights: RUN/run.json; `more` says what else there is to know.

    The patients that `start` and `teacher`, weights, were trained on count as this run's: its network knows something of them.

    Raises:
        InputError: the folder holds another run, which is not finished.
    """
    record = {
        "config": config.to_dict(),
        "split": split.name,
        "split_by": split.kind,
        "cases": {subset: [case.id for case in split.cases[subset]] for subset in ("train", "val")},
        "sha256": split.sha256,
        "train_ct_sha256": sorted({*filter(None, map(split.ct_sha256, split.cases["train"])), *known_ct(start), *known_ct(teacher)}),
        "commit": commit() or None,
        "imagenet": bool(imagenet),
        "start": start and str(start),
        "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in ("tf_keras", "numpy", "scipy")}},
        "machine": platform.processor() or platform.machine(),
        **more,
    }
    claim(out / RECORD, record)


def claim(path: Path, record: dict) -> None:
    """Write a record; one of the same run, which then goes on, stays as it is.

    Raises:
        InputError: there is a record of another run.
    """
    record = json.loads(json.dumps(record))
    if path.exists():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            earlier = {}
        for key in record.keys() | earlier.keys():
            if key not in _MAY_CHANGE and earlier.get(key) != record.get(key):
                raise InputError(f"{path.parent} holds a run already, one with another {key!r}; choose another folder or remove it.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
