"""The state of a run at its last complete epoch: all that the next epoch depends on, in one file that is whole or not
there.

The run's other files follow from it: best.weights.h5, last.weights.h5 and log.csv are written after the state, and
written again by a run that continues. So a run may be killed at any moment; what it continues from is the last complete
epoch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.errors import InputError

STATE, LOG, BEST, LAST = "state.npz", "log.csv", "best.weights.h5", "last.weights.h5"
_ENTRY = "record"  # its name among the arrays


@dataclass
class TrainingState:
    """What is not an array.

    Attributes:
        epochs: complete ones.
        batch: slices in a batch.
        learning_rate: of the next step, where no schedule gives it.
        best, best_epoch: the monitored figure's highest value, and the number of the epoch, from 1, that reached it.
        rows: the log, one row an epoch.
        counters: of the callbacks, by class and attribute.
        stopped: training was stopped early.
        finished: nothing is left to do; the file holds no arrays then.
    """

    batch: int
    epochs: int = 0
    learning_rate: float = 0.0
    best: float = -math.inf
    best_epoch: int = 0
    rows: list[dict] = field(default_factory=list)
    counters: dict = field(default_factory=dict)
    stopped: bool = False
    finished: bool = False


def read_state(out: Path) -> TrainingState | None:
    """The state of the run in a folder, None where no epoch is complete; raises InputError for a damaged file."""
    found = read_arrays(out, arrays=False)
    return found and found[0]


def is_finished(out: Path) -> bool:
    """Whether a folder holds a finished training; raises InputError for a damaged state file."""
    state = read_state(out)
    return state.finished if state else (out / LAST).exists()  # runs of earlier versions have no state


def read_arrays(out: Path, arrays: bool = True) -> tuple[TrainingState, list[np.ndarray]] | None:
    """The state with the values of all variables (none of them where `arrays` is false); see `read_state`."""
    path = out / STATE
    try:
        with np.load(path, allow_pickle=False) as file:
            state = TrainingState(**json.loads(str(file[_ENTRY])))
            return state, [file[str(number)] for number in range(len(file.files) - 1)] if arrays else []
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}); remove it to train from the start.") from error


def write_state(out: Path, state: TrainingState, values: Sequence[np.ndarray]) -> None:
    """Write the state with the values of all variables, in one step."""
    arrays: dict[str, Any] = {str(number): value for number, value in enumerate(values)}
    arrays[_ENTRY] = np.array(json.dumps(asdict(state)))
    with atomic_path(out / STATE) as path:
        np.savez(path, **arrays)
