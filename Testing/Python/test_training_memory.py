"""A training that memory does not suffice for: the batch is halved before it begins, or one sentence says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.training.memory import available_bytes, step_bytes
from CompressionTrainerLib.training.state import read_state
from tiny_fit import tiny_network

TESTS = Path(__file__).parent

# A network with feature maps so many times the image's size, trained where the process may take so many bytes more than
# it has, as by a shell's `ulimit -v`. Where nothing looks ahead, TensorFlow ends it by a segmentation fault.
SCRIPT = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from CompressionTrainerLib.data.splits import Split
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.training import memory, run
from CompressionTrainerLib.training.run import train
from CompressionTrainerLib.training.settings import TrainSettings
from CompressionTrainerLib.data.training_data import TrainingData
from tiny_fit import SIZE, tiny_config, tiny_slices

def network(config):
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(layers.UpSampling2D(times)(image)))
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(layers.AveragePooling2D(times)(x)))

out, (batch, times, limit) = Path(sys.argv[1]), map(int, sys.argv[2:])
run.build_network = network
run.load_slices = lambda *_: (tiny_slices(), Split("tiny", {"train": [], "val": []}, {}, out))
config = tiny_config(epochs=1)
optimizer, sampling = replace(config.optimizer, batch=batch), replace(config.sampling, slices=batch)
config = replace(config, optimizer=optimizer, sampling=sampling)
size = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + limit, size + limit))
try:
    train(config, TrainingData(out, out / "split.json", out), out / "run", TrainSettings())
except run.BatchTooLarge as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory a process has")
@pytest.mark.parametrize(
    ("batch", "times", "limit", "said", "trained"),
    [
        (256, 22, 85 * 10**8, "A batch of 256 slices does not fit into memory; training again with 128.", True),
        (
            1,
            128,
            10**9,
            "A batch of 1 slices does not fit into memory; lower [optimizer] batch, or close other programs.",
            False,
        ),
    ],
)
def test_a_batch_is_halved_or_a_sentence_says_what_to_do_before_memory_runs_out(
    tmp_path, batch, times, limit, said, trained
):
    paths = [*(TESTS.parents[1] / name for name in ("CompressionTrainer", "LiverTumorClassifier")), TESTS]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *map(str, (batch, times, limit))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    if trained:
        record = read_state(tmp_path / "run")
        assert record.finished and record.batch < batch
        assert json.loads((tmp_path / "run/run.json").read_text())["config"]["optimizer"]["batch"] == batch
    else:
        assert not (tmp_path / "run/state.npz").exists()


def test_a_step_takes_what_the_layers_give_for_each_slice():
    # 32 x 32 pixels: 3 channels in, 8 from each of convolution, batch norm, ReLU and dropout, 1 out; four bytes each, a
    # quarter more.
    assert step_bytes(tiny_network(), 10) == 1.25 * 10 * 4 * 32 * 32 * (3 + 4 * 8 + 1)
    assert available_bytes() > 0
