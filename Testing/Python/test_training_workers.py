"""Training by several replicas: two worker processes over loopback, and two devices of one process."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.training.batches import training_batches
from CompressionTrainerLib.training.state import LAST, is_finished, read_state
from CompressionTrainerLib.training.strategy import make_strategy
from LiverTumorLib.errors import UsageError
from ports import free_port
from test_training_resume import PATIENCE_S, start, weights
from tiny_fit import tiny_config, tiny_slices


def test_two_workers_train_one_network_and_only_the_first_writes(tmp_path):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in (free_port(), free_port())]}
    folders = [tmp_path / "worker0", tmp_path / "worker1"]
    workers = []
    for index, folder in enumerate(folders):
        folder.mkdir()
        who = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        workers.append(start(folder, "multiworker", TF_CONFIG=json.dumps(who)))
    for worker in workers:
        errors = worker.communicate(timeout=PATIENCE_S)[1]
        assert worker.returncode == 0, errors.decode()
    assert is_finished(folders[0]) and len(read_state(folders[0]).rows) == 6
    assert all(np.isfinite(array).all() for array in weights(folders[0] / LAST))
    assert list(folders[1].iterdir()) == []


@pytest.mark.slow
def test_two_devices_of_one_process_share_the_batches(tmp_path):
    process = start(tmp_path, "mirrored")
    errors = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, errors.decode()
    assert len(read_state(tmp_path).rows) == 6


def test_the_replicas_parts_make_up_the_batch():
    config, slices = tiny_config(epochs=1), tiny_slices()["train"]
    (images, targets), *_ = training_batches(config, slices)
    parts = list(training_batches(config, slices, parts=range(2), of=2).take(2))
    assert np.array_equal(np.concatenate([image for image, _ in parts]), images)
    assert np.array_equal(np.concatenate([target for _, target in parts]), targets)


def test_several_workers_without_their_addresses_are_told_what_is_missing(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match="TF_CONFIG in each worker"):
        make_strategy("multiworker")
