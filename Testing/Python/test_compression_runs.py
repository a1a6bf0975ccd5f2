"""Compression of runs, on tiny data with the real TensorFlow: what each command leaves behind and what the next makes
of it.

With VGG-16 at an eighth of its width, which has the fewest layers; test_compression_networks.py has the networks that
are shipped.
"""

import argparse
import csv
import json
from dataclasses import astuple, replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.data.training_data import TrainingData
from CompressionTrainerLib.export.bundle import export_run
from CompressionTrainerLib.export.settings import ExportSettings
from CompressionTrainerLib.export.variants import write_variants
from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.tflite_file import float_tensors, kernels, sparsity
from CompressionTrainerLib.stages import distill
from CompressionTrainerLib.stages.distill import DistillSettings, distill_run
from CompressionTrainerLib.stages.prune import PruneSettings, prune_run
from CompressionTrainerLib.stages.quantize import QuantizeSettings, quantize_run
from CompressionTrainerLib.stages.slim import SlimSettings, slim_run
from CompressionTrainerLib.training.config import config_from_dict
from CompressionTrainerLib.training.finished import open_run
from CompressionTrainerLib.training.record import read_run
from LiverTumorLib.errors import Cancelled, InputError, UsageError
from tiny_training import TINY, untrained_run, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return TrainingData(folder, folder / "split.json", folder / "cache")


def classifier_run(folder, data, size=64):
    """An untrained classifier's run."""
    text = (
        TINY.format(task="slice", region="body")
        .replace("[64, 64]", f"[{size}, {size}]")
        .replace("5.0", str(320 / size))
    )
    return untrained_run(folder, data, text.replace("width = 0.35", 'architecture = "vgg16"\nwidth = 0.125'))


FIGURES = {"accuracy", "loss", "slice_loss", "cell_loss"}


def figures_of(folder):
    """The figures of the training slices in a log; those of the val patients must be the same."""
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        names = set(next(csv.reader(file))) - {"epoch", "learning_rate"}
    training = {name for name in names if not name.startswith("val_")}
    assert {f"val_{name}" for name in training - {"soft_loss"}} <= names
    return training


def stop_at(stage):
    """A report that stops the work when a stage tells of itself."""

    def report(told, *_):
        if told == stage:
            raise Cancelled("Stopped.")

    return report


def test_zeros_of_a_pruned_run_are_in_its_int8_file(data, tmp_path):
    """Prune, stopped once half-way, quantize in training, export; and the runs and the card say what was done."""
    run = classifier_run(tmp_path / "run", data)
    out = run / "pruned"
    how = PruneSettings(sparsity=0.3, epochs=2, fine_tune=1, learning_rate=1e-3)
    with pytest.raises(Cancelled):
        prune_run(run, data, out, how, stop_at("fine-tune"))
    with pytest.raises(InputError, match="one with another 'pruning'"):
        prune_run(run, data, out, replace(how, sparsity=0.5))
    prune_run(run, data, out, how, stop_at("prune"))  # that part is not done again
    rows = list(csv.DictReader((out / "sparsity.csv").open()))
    assert len(rows) == 14 and all(float(row["sparsity"]) == pytest.approx(0.3, abs=0.02) for row in rows)
    schedule = json.loads((out / "run.json").read_text())["pruning"]
    assert (schedule["sparsity"], schedule["end_step"], schedule["frequency"]) == (0.3, 3, 1)

    quantize_run(out, data, QuantizeSettings("last", epochs=1, learning_rate=1e-3))
    assert figures_of(out) == figures_of(out / "gradual") == figures_of(out / "quantized") == FIGURES
    bundle = export_run(out, data, tmp_path / "tiny-slice", ExportSettings("last", "0.0.1"))
    assert "Pruned: 30% of the weights" in bundle.card
    content = bundle.model.read_bytes()
    found = kernels(content)
    assert float_tensors(content) == []
    assert sparsity(found) > 0.29  # rounding adds zeros to those of pruning; it takes none away
    assert all(kernel.sparsity > 0.28 for kernel in found if kernel.operator == "CONV_2D" and kernel.weights >= 64)
    with pytest.raises(InputError, match="holds a run already"):
        prune_run(run, data, out, how)


def test_a_slim_run_is_smaller_and_becomes_int8(data, tmp_path):
    """Fewer parameters, and it is built again from its configuration."""
    run, out = classifier_run(tmp_path / "run", data), tmp_path / "slim"
    before, after = slim_run(run, data, out, SlimSettings(remove=0.5, epochs=1, learning_rate=1e-3))
    assert after < 0.7 * before
    again = build_network(read_run(out))
    again.load_weights(out / "best.weights.h5")
    assert again.count_params() == after
    kept = json.loads((out / "run.json").read_text())["slimming"]["kept"]
    assert {name: len(numbers) for name, numbers in kept.items()} == read_run(out).network.channels
    rows = {row["variant"]: row for row in write_variants(out, data, tmp_path / "variants")}
    assert rows["int8"]["float_tensors"] == 0 and rows["int8"]["bytes"] < 0.5 * rows["float32"]["bytes"]
    for variant, row in rows.items():
        assert (tmp_path / "variants" / f"{variant}.tflite").stat().st_size == row["bytes"]
    with pytest.raises(UsageError, match="removes none"):
        slim_run(run, data, tmp_path / "same", SlimSettings(remove=0.001, epochs=1))


def test_a_student_is_slimmed_in_its_first_layers_and_still_taught(data, tmp_path, capsys):
    teacher, student = classifier_run(tmp_path / "teacher", data), tmp_path / "student"
    distill_run(
        teacher, read_run(teacher), data, student, DistillSettings(temperature=3.0, share=0.7, from_teacher=True)
    )
    assert figures_of(student) == FIGURES | {"soft_loss"}
    slim_run(student, data, tmp_path / "slim", SlimSettings(remove=0.5, epochs=1, up_to_stride=2))
    assert read_run(tmp_path / "slim").network.channels == {"block2_conv1": 8, "block2_conv2": 8}
    assert float(next(csv.DictReader((tmp_path / "slim/log.csv").open()))["soft_loss"]) > 0
    (teacher / "best.weights.h5").unlink()
    slim_run(student, data, tmp_path / "alone", SlimSettings(remove=0.5, epochs=1, up_to_stride=2))
    assert (
        "best.weights.h5, this network's teacher, is gone; the fine-tuning has the labels only."
        in capsys.readouterr().out
    )
    assert "soft_loss" not in (tmp_path / "alone/log.csv").read_text()


def test_a_student_with_smaller_inputs_is_a_run_of_its_own(data, tmp_path):
    teacher = classifier_run(tmp_path / "teacher", data, size=128)
    config = config_from_dict({**read_run(teacher).to_dict(), "input": {"size": [64, 64], "spacing_mm": 5.0}})
    start = classifier_run(tmp_path / "start", data, size=64) / "last.weights.h5"
    distill_run(teacher, config, data, tmp_path / "student", DistillSettings(temperature=3.0, share=0.7, start=start))
    assert read_run(tmp_path / "student") == config
    log = list(csv.DictReader((tmp_path / "student" / "log.csv").open()))
    assert len(log) == 2 and float(log[-1]["soft_loss"]) > 0
    student = build_network(config)
    student.load_weights(start)
    before = student.get_weights()
    student.load_weights(tmp_path / "student" / "last.weights.h5")
    assert any((old != new).any() for old, new in zip(before, student.get_weights(), strict=True))
    assert all(np.isfinite(new).all() for new in student.get_weights())


def test_a_short_student_starts_from_its_teachers_first_layers(data, tmp_path):
    text = TINY.format(task="slice", region="body")
    teacher = untrained_run(tmp_path / "teacher", data, text)
    text = text.replace("epochs = 2", "epochs = 1\nlearning_rate = 1e-12").replace(
        "[network]", "[network]\nstride = 16\nblocks = 12"
    )
    (tmp_path / "student.toml").write_text(text, encoding="utf-8")
    parser = argparse.ArgumentParser()
    distill.add_parser(parser.add_subparsers())
    words = ["distill", teacher, "--config", tmp_path / "student.toml", "--from-teacher", "--out", tmp_path / "student"]
    options = (f"--{name}={path}" for name, path in zip(("data", "split", "cache"), astuple(data), strict=True))
    arguments = parser.parse_args([*map(str, words), *options])
    assert arguments.func(arguments) == 0
    first = [open_run(run, data).model.get_layer("Conv1").get_weights()[0] for run in (teacher, tmp_path / "student")]
    np.testing.assert_allclose(*first, atol=1e-6)
