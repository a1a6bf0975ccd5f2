"""The state of a run at its last complete epoch: all that the next epoch depends on, in one file that is whole or not there.

The run's other files follow from it: best.weights.h5, last.weights.h5 and log.csv are written after the state, and written
again by a run that goes on. So a run may be killed at any moment; what it goes on from is the last complete epoch.
"""

from __future__ import annotations

import csv
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.files.atomic import atomic_path

from ..networks.keras_module import keras

STATE, LOG, BEST, LAST = "state.npz", "log.csv", "best.weights.h5", "last.weights.h5"
_RECORD = "record"  # its name among the arrays
# What callbacks count from epoch to epoch; Keras sets it back when training begins.
_COUNTERS = {"ReduceLROnPlateau": ("best", "wait", "cooldown_counter"), "EarlyStopping": ("best", "wait")}


@dataclass
class Record:
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


def read_record(out: Path) -> Record | None:
    """The record of the run in a folder, None where no epoch is complete; raises InputError for a damaged file."""
    state = _read(out, arrays=False)
    return state and state[0]


def is_finished(out: Path) -> bool:
    """Whether a folder holds a finished training; raises InputError for a damaged state file."""
    record = read_record(out)
    return record.finished if record else (out / LAST).exists()  # runs of earlier versions have no state


class Keeper(keras.callbacks.Callback):
    """Keeps a run's state and files; must come after all callbacks that change or count something.

    Args:
        out: the run's folder.
        monitor: what the best epoch is best in, the higher the better; where it is not measured, the last is the best.
        batch: slices in a batch.
        callbacks: the training's other callbacks, some of which count.
        each_epoch: keep the weights of each epoch too, as epoch-001.weights.h5, ...
        writes: False in all but one of several workers, which take part but write nothing.
    """

    def __init__(self, out: Path, monitor: str, batch: int, callbacks: Sequence, each_epoch: bool = False, writes: bool = True) -> None:
        super().__init__()
        self.record = Record(batch)
        self._out, self._monitor, self._each_epoch, self._writes = out, monitor, each_epoch, writes
        self._counting = {type(each).__name__: each for each in callbacks if type(each).__name__ in _COUNTERS}

    def restore(self, model) -> None:
        """Bring a compiled model whose optimizer is built to the run's last complete epoch, if there is one.

        Raises:
            InputError: the state is damaged, or one of another network.
        """
        self.set_model(model)
        if self._writes:
            for unfinished in self._out.glob(".????????????.*"):  # what `atomic_path` leaves where the process was killed
                unfinished.unlink()
        state = _read(self._out)
        if state is None or state[0].batch != self.record.batch:
            return
        self.record, values = state
        if self.record.finished:
            model.load_weights(self._out / LAST)
            return
        variables = self._variables()
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise InputError(f"{self._out / STATE} is the state of another network; choose another folder or remove it.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        if "ReduceLROnPlateau" in self._counting:  # else a schedule tells it from the optimizer's step
            model.optimizer.learning_rate = self.record.learning_rate
        self._write_files()

    def on_train_begin(self, logs=None) -> None:
        for name, values in self.record.counters.items():
            vars(self._counting[name]).update(values)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        record = self.record
        figures = {name: float(value) for name, value in sorted(logs.items()) if name != "lr"}  # ReduceLROnPlateau's: before it acted
        record.epochs = epoch + 1
        record.learning_rate = float(keras.backend.get_value(self.model.optimizer.learning_rate))
        record.rows.append({"epoch": epoch, **figures, "learning_rate": float(logs.get("lr", record.learning_rate))})
        score = figures.get(self._monitor)
        if score is None or score > record.best:
            record.best, record.best_epoch = record.best if score is None else score, epoch + 1
        record.counters = {
            name: {attribute: float(getattr(each, attribute)) for attribute in _COUNTERS[name]} for name, each in self._counting.items()
        }
        record.stopped = bool(self.model.stop_training)
        self._write_state([variable.numpy() for variable in self._variables()])
        self._write_files()

    def finish(self) -> None:
        """Say that nothing is left to do."""
        self.record.finished = True
        self._write_state([])

    def _variables(self) -> list:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _write_state(self, values: list[np.ndarray]) -> None:
        if self._writes:
            arrays = {str(number): value for number, value in enumerate(values)}
            with atomic_path(self._out / STATE) as path:
                np.savez(path, **arrays, **{_RECORD: np.array(json.dumps(asdict(self.record)))})

    def _write_files(self) -> None:
        self._save_weights(LAST)
        if self.record.best_epoch == self.record.epochs:
            self._save_weights(BEST)
        if self._each_epoch:
            self._save_weights(f"epoch-{self.record.epochs:03d}.weights.h5")
        if self._writes:
            with atomic_path(self._out / LOG) as path, open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(self.record.rows[0]))
                writer.writeheader()
                writer.writerows(self.record.rows)

    def _save_weights(self, name: str) -> None:
        if self._writes:
            with atomic_path(self._out / name) as path:
                self.model.save_weights(path)
        else:  # reading the weights of several workers takes all of them
            with tempfile.TemporaryDirectory() as folder:
                self.model.save_weights(Path(folder) / name)


def _read(out: Path, arrays: bool = True) -> tuple[Record, list[np.ndarray]] | None:
    path = out / STATE
    try:
        with np.load(path, allow_pickle=False) as file:
            record = Record(**json.loads(str(file[_RECORD])))
            return record, [file[str(number)] for number in range(len(file.files) - 1)] if arrays else []
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}); remove it to train from the start.") from error
