"""`livertumor evaluate` as a user calls it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from CompressionTrainerLib.provenance import append_log, provenance
from CompressionTrainerLib.stages import evaluate as command
from evaluate_tools import data_fixture, evaluate, parse, shipped  # noqa: F401  a fixture
from LiverTumorLib.errors import InputError, LiverTumorError, OutputError, SomeCasesFailed, UsageError
from LiverTumorLib.phantom import make_phantom


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--out", "o"], UsageError, "either"),
        (["d", "--pair", "a", "b", "--out", "o"], UsageError, "either"),
        (["nowhere", "--subset", "test", "--out", "o"], InputError, "missing"),
        (["--pair", "nowhere.nii.gz", "mask.nii.gz", "--out", "o"], InputError, "nowhere.nii.gz"),
        (["d", "--split", "nowhere.json", "--out", "o"], InputError, "nowhere.json"),
    ],
)
def test_wrong_calls_get_a_sentence(arguments, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        evaluate(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_subset_and_a_changed_file_are_refused(data, tmp_path):
    with pytest.raises(UsageError, match="no patients in 'val'"):
        evaluate(data, "--split", data / "split.json", "--subset", "val", "--out", tmp_path / "o")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in data.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "volume-2.nii.gz").write_bytes((data / "volume-1.nii.gz").read_bytes())
    with pytest.raises(InputError, match=r"volume-2\.nii\.gz is not the file"):
        evaluate(copy, "--split", copy / "split.json", "--subset", "test", "--out", tmp_path / "o")


def test_a_split_of_slices_and_a_folder_without_cases_are_refused(data, tmp_path):
    content = json.loads((data / "split.json").read_text(encoding="utf-8"))
    content |= {"kind": "slice", "slices": {"train": {}, "val": {}, "test": {"1": [3], "2": [4]}}}
    (tmp_path / "slices.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match="divides slices, not patients"):
        evaluate(data, "--split", tmp_path / "slices.json", "--subset", "test", "--out", tmp_path / "o")
    with pytest.raises(InputError, match="holds no labeled CT"):
        evaluate(tmp_path, "--subset", "all", "--out", tmp_path / "o")


def test_an_evaluation_is_not_overwritten_silently(data, tmp_path):
    (tmp_path / "cases.csv").write_text("kept")
    with pytest.raises(OutputError, match="cases.csv exists"):
        evaluate("--pair", data / "volume-1.nii.gz", data / "segmentation-1.nii.gz", "--out", tmp_path)
    assert (tmp_path / "cases.csv").read_text() == "kept"


def test_the_log_grows_and_an_unwritable_one_is_an_error(tmp_path):
    log = tmp_path / "new" / "log.jsonl"
    for number in range(2):
        append_log(log, provenance(f"run {number}", []))
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line["command"] for line in lines] == ["run 0", "run 1"]
    with pytest.raises(OutputError, match="--log"):
        append_log(tmp_path, {})


def test_evaluation_loads_no_tensorflow_and_its_import_nothing_heavy():
    modules = (
        "CompressionTrainerLib.stages.evaluate, CompressionTrainerLib.evaluation.summary, "
        "CompressionTrainerLib.evaluation.report"
    )
    heavy = {"tensorflow", "tf_keras", "ai_edge_litert", "nibabel", "sklearn", "surface_distance"}
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"


@shipped
def test_a_split_is_evaluated_and_logged(data, tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    arguments = ["--split", data / "split.json", "--subset", "test", "--out", tmp_path / "o", "--log", log]
    evaluate(data, *arguments, "--threads", 2)
    text = capsys.readouterr().out
    stored = json.loads((tmp_path / "o" / "evaluation.json").read_text(encoding="utf-8"))
    assert [case["case"] for case in stored["cases"]] == ["volume-1", "volume-2"]
    assert (tmp_path / "o" / "evaluation.md").read_text(encoding="utf-8") in text
    volume, truth = make_phantom(seed=1, shape=(32, 96, 96))
    assert stored["cases"][0]["liver_truth_ml"] == pytest.approx(np.count_nonzero(truth) * volume.voxel_ml, rel=1e-5)
    assert list(stored["summary"]["tumor"]["false_positive_ml_without_tumor"]) == ["volume-2"]
    [line] = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert line["evaluated"] == "phantoms, test patients" and line["figures"]["cases"] == 2
    assert {model["id"] for model in line["models"]} == {"liver-roi", "liver-tumor", "tumor-slice"}
    assert str(tmp_path) not in json.dumps(line) and str(data.parent) not in json.dumps(line)


@shipped
def test_a_classifier_alone_is_measured_in_the_true_liver(data, tmp_path):
    """Without stage 1, whose models count for nothing then, and without looking for tumor."""
    arguments = [
        "--split",
        data / "split.json",
        "--subset",
        "test",
        "--true-liver",
        "--no-tumor",
        "--out",
        tmp_path / "o",
    ]
    told = []
    words = [data, *arguments, "--log", tmp_path / "log.jsonl", "--float-slice-model", "tumor-slice"]
    command.evaluate(parse(*words), lambda *event: told.append(event))
    fractions = [fraction for _, fraction, _, _ in told]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1 and len(fractions) > 4
    assert {stage for stage, *_ in told} == {"[1/2] volume-1.nii.gz", "[2/2] volume-2.nii.gz", "tables"}
    stored = json.loads((tmp_path / "o" / "evaluation.json").read_text(encoding="utf-8"))
    assert not {"liver", "tumor"} & stored["summary"].keys() and not any(
        key.startswith("liver_") for key in stored["cases"][0]
    )
    assert stored["summary"]["slices_all"]["slices"] == 64
    assert stored["summary"]["int8_against_float"] == {"slices_same_decision": 1, "largest_slice_dp": 0}, (
        "nobody looked for liver or tumor"
    )
    with open(tmp_path / "o" / "slices.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert any(row["tumor"] == "1" for row in rows) and all(
        float(row["probability"]) == 0 for row in rows if row["liver"] == "0"
    )
    [line] = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert line["command"].endswith("--true-liver --no-tumor") and {model["id"] for model in line["models"]} == {
        "tumor-slice"
    }


@shipped
def test_a_model_against_itself_agrees_fully(data, tmp_path):
    pair = ["--pair", data / "volume-1.nii.gz", data / "segmentation-1.nii.gz"]
    evaluate(*pair, "--out", tmp_path, "--float-liver-model", "liver-roi")
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    agreement = stored["summary"]["int8_against_float"]
    assert agreement["largest_liver_dp"] == agreement["largest_slice_dp"] == 0
    assert agreement["liver_worst_dice"] in (1, None)  # None where no liver is found in so coarse a phantom


@shipped
def test_a_model_that_does_not_exist_is_named(data, tmp_path):
    pair = ["--pair", data / "volume-1.nii.gz", data / "segmentation-1.nii.gz"]
    with pytest.raises(LiverTumorError, match="no-such-model"):
        evaluate(*pair, "--out", tmp_path, "--liver-model", "no-such-model")
    assert list(tmp_path.iterdir()) == []


@shipped
def test_a_cluster_measures_what_one_process_measures(data, tmp_path):
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    pairs = [(data / f"volume-{case}.nii.gz", data / f"segmentation-{case}.nii.gz") for case in (1, 2)]
    pairs.insert(1, (tmp_path / "bad.nii.gz", pairs[0][1]))
    words = [word for ct, mask in pairs for word in ("--pair", ct, mask)] + ["--pictures", 1]
    stored = []
    for more in ([], ["--cluster", "local", "--workers", 2]):
        out = tmp_path / f"out{len(more)}"
        with pytest.raises(SomeCasesFailed, match=r"1 of 3 cases were left out.*\n  bad.nii.gz: "):
            evaluate(*words, *more, "--out", out)
        stored.append(json.loads((out / "evaluation.json").read_text(encoding="utf-8")))
        assert sorted(path.name for path in (out / "pictures").iterdir()) == ["001.png", "003.png"]
    one, several = ([case | {"seconds": None} for case in each["cases"]] for each in stored)
    assert one == several and [case["case"] for case in one] == ["volume-1", "volume-2"]


def test_what_a_cluster_cannot_do_is_said_before_any_work(data, tmp_path):
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    pair = ["--pair", data / "volume-1.nii.gz", data / "segmentation-1.nii.gz", "--out", tmp_path]
    for options, said in (
        (["--cluster", "somewhere"], "is none of: local, slurm"),
        (["--workers", 2], "go with --cluster"),
    ):
        with pytest.raises(UsageError, match=said):
            evaluate(*pair, *options)
