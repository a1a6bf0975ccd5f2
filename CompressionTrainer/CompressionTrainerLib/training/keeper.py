"""Keeps a run's state and files while it trains, and brings a run that continues back to where it was; see `state`."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from LiverTumorLib.atomic import atomic_path, remove_unfinished
from LiverTumorLib.errors import InputError

from ..networks.keras_module import keras
from .state import BEST, LAST, LOG, STATE, TrainingState, read_arrays, write_state

# What callbacks count from epoch to epoch; Keras sets it back when training begins.
_COUNTERS = {"ReduceLROnPlateau": ("best", "wait", "cooldown_counter"), "EarlyStopping": ("best", "wait")}


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

    def __init__(
        self, out: Path, monitor: str, batch: int, callbacks: Sequence, each_epoch: bool = False, writes: bool = True
    ) -> None:
        super().__init__()
        self.state = TrainingState(batch)
        self._out, self._monitor, self._each_epoch, self._writes = out, monitor, each_epoch, writes
        self._counting = {type(each).__name__: each for each in callbacks if type(each).__name__ in _COUNTERS}

    def restore(self, model) -> None:
        """Bring a compiled model whose optimizer is built to the run's last complete epoch, if there is one.

        Raises:
            InputError: the state is damaged, or one of another network.
        """
        self.set_model(model)
        if self._writes:
            remove_unfinished(self._out)
        found = read_arrays(self._out)
        if found is None or found[0].batch != self.state.batch:
            return
        self.state, values = found
        if self.state.finished:
            model.load_weights(self._out / LAST)
            return
        variables = self._variables()
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise InputError(
                f"{self._out / STATE} is the state of another network; choose another folder or remove it."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        if "ReduceLROnPlateau" in self._counting:  # else a schedule tells it from the optimizer's step
            model.optimizer.learning_rate = self.state.learning_rate
        self._write_files()

    def on_train_begin(self, logs=None) -> None:
        for name, values in self.state.counters.items():
            vars(self._counting[name]).update(values)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        state = self.state
        # ReduceLROnPlateau's: before it acted.
        figures = {name: float(value) for name, value in sorted(logs.items()) if name != "lr"}
        state.epochs = epoch + 1
        state.learning_rate = float(keras.backend.get_value(self.model.optimizer.learning_rate))
        state.rows.append({"epoch": epoch, **figures, "learning_rate": float(logs.get("lr", state.learning_rate))})
        score = figures.get(self._monitor)
        if score is None or score > state.best:
            state.best, state.best_epoch = state.best if score is None else score, epoch + 1
        state.counters = {
            name: {attribute: float(getattr(each, attribute)) for attribute in _COUNTERS[name]}
            for name, each in self._counting.items()
        }
        state.stopped = bool(self.model.stop_training)
        self._write_state([variable.numpy() for variable in self._variables()])
        self._write_files()

    def finish(self) -> None:
        """Say that nothing is left to do."""
        self.state.finished = True
        self._write_state([])

    def _variables(self) -> list:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _write_state(self, values: list[np.ndarray]) -> None:
        if self._writes:
            write_state(self._out, self.state, values)

    def _write_files(self) -> None:
        self._save_weights(LAST)
        if self.state.best_epoch == self.state.epochs:
            self._save_weights(BEST)
        if self._each_epoch:
            self._save_weights(f"epoch-{self.state.epochs:03d}.weights.h5")
        if self._writes:
            with atomic_path(self._out / LOG) as path, open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in self.state.rows for name in row)))
                writer.writeheader()
                writer.writerows(self.state.rows)

    def _save_weights(self, name: str) -> None:
        if self._writes:
            with atomic_path(self._out / name) as path:
                self.model.save_weights(path)
        else:  # reading the weights of several workers takes all of them
            with tempfile.TemporaryDirectory() as folder:
                self.model.save_weights(Path(folder) / name)
