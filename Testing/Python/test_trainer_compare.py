"""`livertumor compare` with real networks of two formats on tiny phantoms."""

import argparse
import csv
import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")
pytest.importorskip("sklearn")

from CompressionTrainerLib.networks.build import build_network
from CompressionTrainerLib.networks.keras_module import keras
from CompressionTrainerLib.stages import compare as compare_command
from CompressionTrainerLib.training.config import config_from_dict
from LiverTumorLib.errors import ModelError, OutputError, UsageError
from LiverTumorLib.models.catalogue import SHIPPED
from tiny_training import write_data

pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models are shipped in this checkout")
RUN, SHIPPED_MODEL = "run/best.weights.h5", "tumor-slice/model.tflite"
CONFIG = {
    "name": "tiny",
    "task": "slice",
    "input": {"size": [64, 64], "spacing_mm": 5.0},
    "sampling": {"slices": 16, "tumor_share": 0.5, "background_share": 0.25},
    "network": {"width": 0.35, "head": "average"},
}


def compare(*words):
    parser = argparse.ArgumentParser()
    compare_command.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["compare", *map(str, words)])
    arguments.func(arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three phantoms, a split of them by patient and one by slice, and the run of an untrained network."""
    folder = tmp_path_factory.mktemp("compare")
    write_data(folder)
    split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    split["patients"] |= {"test": [[0], [1]], "train": []}
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    cases = {subset: [[0], [1], [2]] for subset in ("train", "val", "test")}
    slices = {subset: {str(case): list(range(first, 24, 3)) for case in range(3)} for first, subset in enumerate(cases)}
    (folder / "slices.json").write_text(
        json.dumps(split | {"kind": "slice", "patients": cases, "slices": slices}), encoding="utf-8"
    )
    run = folder / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"config": CONFIG}), encoding="utf-8")
    model = build_network(config_from_dict(CONFIG))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    # Statistics of one batch: with those of a fresh network its answers hardly differ from slice to slice.
    model(np.random.default_rng(1).uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32), training=True)
    model.save_weights(run / "best.weights.h5")
    return folder


@pytest.fixture(scope="module")
def compared(folder):
    """What the run and the shipped int8 network give on the patient-wise split's test patients, and the written
    predictions."""
    options = ["--data", folder, "--split", folder / "split.json", "--cache", folder / "cache", "--subset", "test"]
    compare(folder / "run", "tumor-slice", *options, "--out", folder / "out", "--log", folder / "log.jsonl")
    with open(folder / "out" / "predictions.csv", newline="", encoding="utf-8") as file:
        return json.loads((folder / "out" / "comparison.json").read_text(encoding="utf-8")), list(csv.DictReader(file))


def test_figures_are_those_of_the_written_predictions(compared):
    from sklearn.metrics import roc_auc_score

    content, rows = compared
    truth = np.array([row["tumor"] == "1" for row in rows])
    assert content["slices"] == len(rows) and content["tumor_slices"] == truth.sum() and 0 < truth.sum() < len(rows)
    assert content["patients"] == 2 and content["about"] == {"split": "tiny", "kind": "patient", "subset": "test"}
    for name in (RUN, SHIPPED_MODEL):
        probability = np.array([float(row[name]) for row in rows])
        assert np.ptp(probability) > 0.01 and probability.min() >= 0 and probability.max() <= 1
        figures = content["models"][name]
        assert figures["auc"]["value"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-3)
        assert figures["accuracy"]["value"] == pytest.approx(np.mean((probability >= 0.5) == truth), abs=1e-9)


def test_one_answer_for_all_slices_is_said(folder, tmp_path, capsys):
    options = [
        "--data",
        folder,
        "--split",
        folder / "split.json",
        "--cache",
        folder / "cache",
        "--subset",
        "val",
        "--out",
        tmp_path,
    ]
    compare(folder / "run", *options, "--threshold", "0.000001")
    slices = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["slices"]
    assert f"{RUN} calls all of the {slices} slices tumor" in capsys.readouterr().out


def test_the_second_is_paired_with_the_first(compared):
    content, rows = compared
    first, second = (np.array([float(row[name]) for row in rows]) for name in (RUN, SHIPPED_MODEL))
    against = content["models"][SHIPPED_MODEL]["against_first"]
    assert against["same_decision"] == pytest.approx(np.mean((first >= 0.5) == (second >= 0.5)))
    assert against["largest_difference"] == pytest.approx(np.abs(first - second).max(), abs=1e-5)
    difference = content["models"][SHIPPED_MODEL]["auc"]["value"] - content["models"][RUN]["auc"]["value"]
    assert against["auc_difference"]["value"] == pytest.approx(difference)
    assert "against_first" not in content["models"][RUN]


def test_a_look_at_test_patients_is_logged(folder, compared):
    [line] = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    record = json.loads(line)
    assert record["evaluated"] == "tiny, test, divided by patient" and set(record["figures"]) == set(
        compared[0]["models"]
    )
    assert str(folder) not in line


def test_a_split_by_slice_takes_its_own_slices_only(folder, tmp_path):
    options = ["--data", folder, "--split", folder / "slices.json", "--cache", folder / "cache", "--subset", "val"]
    compare("tumor-slice", *options, "--out", tmp_path)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"] for row in rows} == {"0", "1", "2"} and {int(row["slice"]) % 3 for row in rows} == {1}
    assert json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["about"]["kind"] == "slice"


def test_what_cannot_be_compared_is_refused(folder, compared, tmp_path):
    options = ["--data", folder, "--split", folder / "split.json", "--cache", folder / "cache"]
    with pytest.raises(OutputError, match="exists"):
        compare(folder / "run", *options, "--out", folder / "out")
    lonely = tmp_path / "a" / "b" / "lonely.tflite"
    lonely.parent.mkdir(parents=True)
    lonely.write_bytes(b"no network")
    with pytest.raises(UsageError, match="--run"):
        compare(lonely, *options, "--out", tmp_path / "o")
    with pytest.raises(ModelError, match=r"lonely\.tflite cannot be run"):
        compare(lonely, *options, "--run", folder / "run", "--out", tmp_path / "o")
    twin = tmp_path / "run"
    twin.mkdir()
    for path in (folder / "run").iterdir():
        (twin / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="Two models are called run/best.weights.h5"):
        compare(folder / "run", twin, *options, "--out", tmp_path / "o")
    with pytest.raises(UsageError, match="only slice classifiers"):
        compare("liver-roi", *options, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_model_is_not_measured_on_patients_that_it_was_trained_on(folder, tmp_path):
    """As the val patients of the model before are to a refit."""
    run = tmp_path / "refit"
    run.mkdir()
    for path in (folder / "run").glob("*.h5"):
        (run / path.name).write_bytes(path.read_bytes())
    record = {"config": CONFIG, "split": "tiny", "cases": {"train": [0, 2], "val": []}}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UsageError, match=r"refit/best\.weights\.h5 was trained on the cases 2 of 'val'"):
        compare(
            run,
            "--data",
            folder,
            "--split",
            folder / "split.json",
            "--cache",
            folder / "cache",
            "--out",
            tmp_path / "out",
        )
