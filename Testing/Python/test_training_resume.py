"""Trainings that are killed, stopped or run into trouble: what is left continues as if nothing had been, and is never
broken."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.splits import Split
from CompressionTrainerLib.data.training_data import TrainingData
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.training import run as training
from CompressionTrainerLib.training.run import fit, train
from CompressionTrainerLib.training.settings import TrainSettings
from CompressionTrainerLib.training.state import BEST, LAST, LOG, STATE, is_finished, read_state
from job_tools import keeps_its_promise
from LiverTumorLib.errors import Cancelled, InputError, LiverTumorError, OutputError
from LiverTumorLib.jobs import JobState
from tiny_fit import LONG, tiny_config, tiny_network, tiny_slices

ROOT = Path(__file__).parents[2]
PATIENCE_S = 900
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def start(out: Path, *words: str, **variables: str) -> subprocess.Popen:
    """The training of tiny_fit.py in a process of its own."""
    paths = [ROOT / "CompressionTrainer", ROOT / "LiverTumorClassifier", Path(__file__).parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"} | variables
    command = [sys.executable, str(Path(__file__).parent / "tiny_fit.py"), str(out), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **pipes)


def read_until(stream, text: bytes) -> None:
    while text not in (line := stream.readline()):
        assert line, "the training ended before it said what the test waits for"


def weights(path: Path) -> list[np.ndarray]:
    model = tiny_network()
    model.load_weights(path)
    return model.get_weights()


def same(one: Path, other: Path) -> None:
    assert (one / LOG).read_text() == (other / LOG).read_text()
    for name in (BEST, LAST):
        for a, b in zip(weights(one / name), weights(other / name), strict=True):
            assert np.array_equal(a, b), name
    assert not list(one.glob(".*")), "no unfinished file is left"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    process = start(out)
    said, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors.decode()
    assert b"Epoch 6 of 6: loss " in said and is_finished(out)
    return out


def kill_again_and_again(out: Path, kills: int, *words: str) -> None:
    """Kill the training that often at random moments of it, then let it end."""
    moments = random.Random()
    for _ in range(kills):
        process = start(out, *words)
        if moments.randint(0, 1):
            while (line := process.stdout.readline()) and b"Epoch " not in line:
                pass
        time.sleep(moments.uniform(0, 0.5))
        assert process.poll() is None or is_finished(out), "it was killed, or had come to its end"
        process.kill()
        process.communicate()
        read_state(out)  # whole, or not there: it says where it is neither
    process = start(out, *words)
    said, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors.decode()


@posix
def test_a_killed_training_goes_on_with_the_same_curve(unbroken, tmp_path):
    process = start(tmp_path)
    read_until(process.stdout, b"Epoch 2 of 6")
    process.kill()
    process.communicate()
    assert read_state(tmp_path).epochs >= 2
    kill_again_and_again(tmp_path, 2)
    same(tmp_path, unbroken)


@posix
@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path):
    """In a training that is long enough for all of them."""
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    kill_again_and_again(unbroken, 0, "long")
    kill_again_and_again(killed, 10, "long")
    same(killed, unbroken)
    assert len((killed / LOG).read_text().splitlines()) == 1 + LONG


@posix
@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_inside_a_long_step_takes_effect_within_two_seconds(tmp_path, number):
    folders = (tmp_path / name for name in "abcde")

    def attempt() -> float:
        out = next(folders)
        process = start(out, "endless")
        read_until(process.stderr, b"hanging")
        time.sleep(1)
        begin = time.monotonic()
        process.send_signal(number)
        errors = process.communicate(timeout=PATIENCE_S)[1]
        took = time.monotonic() - begin
        assert process.returncode == Cancelled.exit_code
        assert errors.decode().strip().splitlines()[-1] == "livertumor: Stopped."
        assert read_state(out).epochs == 1
        assert all(np.isfinite(array).all() for array in weights(out / LAST))
        return took

    keeps_its_promise(2, attempt)


@posix
def test_a_listening_program_hears_progress_and_figures_and_stops_by_closing_stdin(tmp_path):
    folders = (tmp_path / name for name in "abcde")

    def attempt() -> float:
        out = next(folders)
        process, state = start(out, "events", "endless"), JobState()
        while not any("metrics" in event for event in state.events):
            line = process.stdout.readline()
            assert line
            state.feed(line)
        assert state.stage == "train" and state.message == "Epoch 1 of 6" and state.fraction == pytest.approx(1 / 6)
        assert state.events[-1]["metrics"].keys() == {"loss", "dice", "val_loss", "val_dice"}
        read_until(process.stderr, b"hanging")
        begin = time.monotonic()
        process.stdin.close()
        process.wait(timeout=PATIENCE_S)
        took = time.monotonic() - begin
        assert process.returncode == Cancelled.exit_code
        assert read_state(out).epochs == 1
        return took

    keeps_its_promise(2.5, attempt)  # 1.5 s of grace, and the end of a process


class At(keras.callbacks.Callback):
    """Does something as an epoch begins."""

    def __init__(self, epoch: int, action) -> None:
        super().__init__()
        self._epoch, self._action = epoch, action

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        if epoch == self._epoch:
            self._action(self.model)


def quiet(*_) -> None:
    """A report that nobody reads."""


LOSS, WEIGHT = r"The loss is .* \(epoch 2, step 1\)", r"A weight of .* \(epoch 2\)"


@pytest.mark.parametrize(("layer", "what"), [(-1, LOSS), (1, f"({WEIGHT}|{LOSS})")])
def test_numbers_that_are_none_are_said_and_the_good_epoch_stays(tmp_path, layer, what):
    """In the last layer the loss shows it; behind a ReLU, which makes 0 of it on some processors, perhaps only the
    weights do."""

    def spoil(model) -> None:
        model.layers[layer].kernel.assign(model.layers[layer].kernel * np.nan)

    with pytest.raises(LiverTumorError, match=f"{what}; the weights of epoch 1 are kept"):
        fit(tiny_network(), tiny_config(), tiny_slices(), tmp_path, [At(1, spoil)], report=quiet)
    assert read_state(tmp_path).epochs == 1
    assert all(np.isfinite(array).all() for array in weights(tmp_path / LAST))


@posix
def test_a_full_disk_is_said_and_the_last_epoch_stays(tmp_path):
    """A limit on the size of files fails a write midway, as a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limited = At(1, lambda model: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1])))
    try:
        with pytest.raises(OutputError, match="state.npz cannot be written: there is no space left"):
            fit(tiny_network(), tiny_config(), tiny_slices(), tmp_path, [limited], report=quiet)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_state(tmp_path).epochs == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LAST, LOG, STATE]
    fit(tiny_network(), tiny_config(epochs=2), tiny_slices(), tmp_path, report=quiet)
    assert is_finished(tmp_path) and len((tmp_path / LOG).read_text().splitlines()) == 3


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / STATE).write_bytes(b"PK")
    with pytest.raises(InputError, match="state.npz cannot be read"):
        fit(tiny_network(), tiny_config(), tiny_slices(), tmp_path, report=quiet)


def test_training_stops_early_and_keeps_each_epoch_where_asked(tmp_path):
    config = replace(tiny_config(stop_patience=2), keep_epochs=True)
    fit(tiny_network(), config, tiny_slices(), tmp_path, report=quiet, tensorboard=True)
    assert list((tmp_path / "tensorboard").rglob("events.*"))
    rows = (tmp_path / LOG).read_text().splitlines()
    losses, rates = ([float(row.split(",")[column]) for row in rows[1:]] for column in (4, 5))
    assert rates == pytest.approx([0.02, 0.02, 0.01]), (
        "an epoch without a fall was enough for a lower rate from the next on"
    )
    assert len(losses) == 3 and losses[0] == min(losses), "two epochs without a fall were enough"
    assert len(list(tmp_path.glob("epoch-*.weights.h5"))) == 3
    model = tiny_network()
    fit(model, config, tiny_slices(), tmp_path, report=quiet)  # finished: only the weights are loaded
    assert (tmp_path / LOG).read_text().splitlines() == rows
    for a, b in zip(model.get_weights(), weights(tmp_path / LAST), strict=True):
        assert np.array_equal(a, b)


@pytest.fixture
def tiny_run(tmp_path, monkeypatch):
    """`train` with the tiny network and slices; the arguments of the training that are asked for."""
    split = Split("tiny", {"train": [], "val": []}, {}, tmp_path)
    monkeypatch.setattr(training, "build_network", lambda config: tiny_network())
    monkeypatch.setattr(training, "load_slices", lambda *_: (tiny_slices(), split))
    data = TrainingData(tmp_path, tmp_path / "split.json", tmp_path)
    return lambda config, report=quiet: train(config, data, tmp_path / "run", TrainSettings(), report)


def test_a_batch_that_does_not_fit_into_memory_is_halved(tiny_run, tmp_path, monkeypatch, capsys):
    from CompressionTrainerLib.training import batches

    make = batches._batch

    def limited(config, cases, plan, *more):
        if len(plan) > 2:
            raise MemoryError
        return make(config, cases, plan, *more)

    monkeypatch.setattr(batches, "_batch", limited)
    tiny_run(tiny_config(batch=8, epochs=1))
    said = capsys.readouterr().out
    assert "A batch of 8 slices does not fit into memory; training again with 4." in said
    assert "A batch of 4 slices does not fit into memory; training again with 2." in said
    assert read_state(tmp_path / "run").batch == 2 and is_finished(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["optimizer"]["batch"] == 8


def test_only_the_same_run_goes_on_and_a_finished_one_is_refused(tiny_run, tmp_path, capsys):
    def stop(stage: str, fraction: float, *_) -> None:
        if fraction >= 0.5:  # told at the end of each epoch, once it is saved
            raise KeyboardInterrupt

    config = tiny_config(epochs=2)
    with pytest.raises(KeyboardInterrupt):
        tiny_run(config, report=stop)
    assert read_state(tmp_path / "run").epochs == 1
    with pytest.raises(InputError, match="holds a run already, one with another 'config'"):
        tiny_run(tiny_config(epochs=2, learning_rate=0.01))
    tiny_run(config)
    assert "continuing after epoch 1 of 2" in capsys.readouterr().out
    with pytest.raises(InputError, match="holds a run already"):
        tiny_run(config)
