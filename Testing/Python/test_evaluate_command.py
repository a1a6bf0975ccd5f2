"""`livertumor evaluate` as a user calls it."""

import argparse
import csv
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from CompressionTrainerLib.data.identity import sha256_of
from CompressionTrainerLib.provenance import append_log, provenance
from CompressionTrainerLib.stages import evaluate as command
from labeled_data import save
from LiverTumorLib.errors import InputError, LiverTumorError, OutputError, SomeCasesFailed, UsageError
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.phantom import make_phantom

pytest.importorskip("nibabel")
pytest.importorskip("surface_distance")
pytest.importorskip("sklearn")
shipped = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models are shipped in this checkout")


def parse(*arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["evaluate", *map(str, arguments)])


def evaluate(*arguments):
    """Parse and run, as the command line does; errors come through."""
    arguments = parse(*arguments)
    arguments.func(arguments)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two small phantoms as cases 1 and 2 of a split, case 2 stored as a case without tumor."""
    import nibabel
    from LiverTumorLib.files import write_label_nifti

    folder = tmp_path_factory.mktemp("cases")
    for case in (1, 2):
        volume, truth = make_phantom(seed=case, shape=(32, 96, 96))
        labels = truth if case == 1 else np.minimum(truth, 1)
        write_label_nifti(folder / f"segmentation-{case}.nii.gz", labels, volume.ijk_to_ras)
        nibabel.save(
            nibabel.Nifti1Image(volume.array.transpose(2, 1, 0), volume.ijk_to_ras), folder / f"volume-{case}.nii.gz"
        )
    split = {
        "name": "phantoms",
        "patients": {"train": [], "val": [], "test": [[1], [2]]},
        "files": {"ct": "volume-{case}.nii.gz", "mask": "segmentation-{case}.nii.gz"},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()},
    }
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    return folder


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
def test_a_model_is_not_measured_on_patients_that_it_was_trained_on(data, tmp_path):
    trained = shutil.copytree(SHIPPED / "liver-roi", tmp_path / "trained")
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    manifest["training"] |= {"split": "phantoms", "cases": {"train": [2], "val": []}, "train_ct_sha256": []}
    (trained / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    arguments = [
        data,
        "--split",
        data / "split.json",
        "--subset",
        "test",
        "--out",
        tmp_path / "o",
        "--log",
        tmp_path / "log.jsonl",
    ]
    with pytest.raises(UsageError, match="was trained on the cases 2 of 'test'"):
        evaluate(*arguments, "--liver-model", trained)
    manifest["training"]["train_ct_sha256"] = [sha256_of(data / "volume-1.nii.gz")]
    (trained / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UsageError, match=r"was trained on volume-1\.nii\.gz"):
        evaluate(data, "--subset", "all", "--out", tmp_path / "o", "--liver-model", trained)
    assert not (tmp_path / "log.jsonl").exists()


@shipped
def test_a_scan_that_a_model_was_trained_on_is_known_in_another_file(data, tmp_path, capsys):
    """Unpacked, and with every second slice only: in a folder, in a pair, and in a split."""
    from CompressionTrainerLib.data.signature import sign_file

    trained = shutil.copytree(SHIPPED / "liver-roi", tmp_path / "trained")
    manifest = json.loads((trained / "manifest.json").read_text(encoding="utf-8"))
    manifest["training"] |= {
        "cases": {"train": [1], "val": []},
        "train_signatures": {"1": sign_file(data / "volume-1.nii.gz").to_dict()},
    }
    (trained / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    site = tmp_path / "site"
    volume, truth = make_phantom(seed=1, shape=(32, 96, 96))
    matrix = volume.ijk_to_ras @ np.diag([1, 1, 2, 1])
    save(site / "p1.nii", volume.array[::2].clip(-40, 160), matrix)
    save(site / "p1_seg.nii.gz", truth[::2], matrix)
    outputs = ["--out", tmp_path / "o", "--log", tmp_path / "log.jsonl", "--liver-model", trained]
    with pytest.raises(UsageError, match=r"liver-roi was trained on p1\.nii, so"):
        evaluate(site, "--subset", "all", *outputs)
    with pytest.raises(UsageError, match=r"was trained on p1\.nii, so"):
        evaluate("--pair", site / "p1.nii", site / "p1_seg.nii.gz", *outputs)
    split = {"patients": {"test": [["p1"]]}, "cases": {"p1": {"ct": "p1.nii", "mask": "p1_seg.nii.gz"}}}
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    with pytest.raises(UsageError, match="liver-roi was trained on the cases p1 of 'test'"):
        evaluate(site, "--split", tmp_path / "split.json", "--subset", "test", *outputs)
    assert not (tmp_path / "o").exists() and "note:" not in capsys.readouterr().err


@shipped
def test_a_name_alone_is_a_note(tmp_path, capsys):
    """Phantoms by the names of LiTS scans that the shipped models know."""
    cases = []
    for name, seed in (("volume-7", 1), ("liver_9", 2), ("volume-3", 3), ("7", 4)):
        cases += [
            "--pair",
            save(tmp_path / f"{name}.nii.gz", make_phantom(seed=seed, shape=(32, 64, 64))[0].array),
            tmp_path / "no mask",
        ]
    with pytest.raises(InputError, match="no mask"):
        evaluate(*cases, "--out", tmp_path / "o", "--no-tumor", "--no-slices")
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert note.startswith(
        "note: liver-roi was trained on CT with the numbers of volume-7, liver_9, though not on these files; if"
    )


@shipped
def test_what_cannot_be_measured_in_its_true_liver_is_left_out_and_named(data, tmp_path, capsys):
    """So that a workflow whose val patients are of several kinds comes to its end."""
    site, out = tmp_path / "site", tmp_path / "o"
    shutil.copytree(data, site / "liver-only")
    volume, truth = make_phantom(seed=3, shape=(32, 96, 96))
    save(site / "volume-9.nii.gz", volume.array, volume.ijk_to_ras)
    save(site / "segmentation-9.nii.gz", truth, volume.ijk_to_ras)
    words = ["--subset", "all", "--true-liver", "--no-slices", "--out", out, "--log", tmp_path / "log.jsonl"]
    evaluate(site, *words)
    assert "Left out: 1, 2; in them tumor is unknown or there is no liver" in capsys.readouterr().err
    stored = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [case["case"] for case in stored["cases"]] == ["volume-9"] and stored["about"]["left_out"] == ["1", "2"]


@shipped
def test_a_case_counts_for_what_is_known_of_it(data, tmp_path):
    """A case whose tumor is unknown for the liver only, and one without liver by what is found there."""
    site, out = tmp_path / "site", tmp_path / "o"
    shutil.copytree(data, site / "liver-only")
    volume, _ = make_phantom(seed=3, shape=(32, 96, 96))
    save(site / "no-liver" / "legs.nii.gz", volume.array[:4], volume.ijk_to_ras)
    with pytest.raises(
        UsageError, match="No case can be measured with --true-liver: legs, 1, 2; in them tumor is unknown"
    ):
        evaluate(site, "--subset", "all", "--true-liver", "--out", out)
    evaluate(site, "--subset", "all", "--out", out, "--log", tmp_path / "log.jsonl", "--no-slices")
    stored = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    rows, summary = {case["case"]: case for case in stored["cases"]}, stored["summary"]
    assert "tumor_dice" not in rows["volume-1"] and rows["volume-1"]["liver_dice"] > 0
    assert summary["tumor"]["cases_with_tumor"] == 0 and list(summary["tumor"]["false_positive_ml_without_tumor"]) == [
        "legs"
    ]
    assert list(summary["liver"]["false_positive_ml_without_liver"]) == ["legs"]
    mean = np.mean([rows[case]["liver_dice"] for case in ("volume-1", "volume-2")])
    assert summary["liver"]["mean_dice"]["value"] == pytest.approx(mean, abs=1e-6)
    assert "Case legs shows no liver: " in (out / "evaluation.md").read_text(encoding="utf-8")


@shipped
def test_a_folder_of_another_site_is_evaluated_as_one_command(data, tmp_path):
    """Pairs of images and masks in folders, one of them without its mask: no split, no pairs named."""
    site, out = tmp_path / "site", tmp_path / "o"
    for folder in ("images", "masks"):
        (site / folder).mkdir(parents=True)
    (site / "images" / "a.nii.gz").write_bytes((data / "volume-1.nii.gz").read_bytes())
    (site / "masks" / "a.nii.gz").write_bytes((data / "segmentation-1.nii.gz").read_bytes())
    (site / "images" / "b.nii.gz").write_bytes((data / "volume-2.nii.gz").read_bytes())
    evaluate(site, "--subset", "all", "--out", out, "--log", tmp_path / "log.jsonl", "--pictures", 2)
    stored = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert stored["about"] == {"data": "site", "kind": "folder", "layout": "pairs", "subset": "all"}
    assert [case["case"] for case in stored["cases"]] == ["a"]
    assert stored["pictures"] == [{"case": "a", "file": "pictures/001.png"}]
    assert (out / "pictures" / "001.png").read_bytes()[:4] == b"\x89PNG"
    with open(out / "slices.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 32


@shipped
def test_what_only_anatomy_shows_is_noted(tmp_path, capsys):
    import nibabel

    volume, labels = make_phantom(seed=1, shape=(32, 96, 96))
    for name, array in (("ct", volume.array), ("mask", labels)):
        nibabel.save(nibabel.Nifti1Image(array[:, :, ::-1].T, volume.ijk_to_ras), tmp_path / f"{name}.nii.gz")
    pair = "--pair", tmp_path / "ct.nii.gz", tmp_path / "mask.nii.gz"
    evaluate(*pair, "--out", tmp_path / "o", "--log", tmp_path / "log.jsonl", "--no-slices", "--true-liver")
    assert (
        capsys.readouterr().err.count(
            "  ct.nii.gz: The liver lies on the patient's left; unless the patient's organs are mirrored"
        )
        == 1
    )


@shipped
def test_a_bad_mask_does_not_stop_the_other_cases(data, tmp_path):
    site, out = tmp_path / "site", tmp_path / "o"
    site.mkdir()
    for name, source in (("a", 1), ("b", 2)):
        (site / f"{name}.nii.gz").write_bytes((data / f"volume-{source}.nii.gz").read_bytes())
        (site / f"{name}_seg.nii.gz").write_bytes((data / f"segmentation-{source}.nii.gz").read_bytes())
    spoilt = (site / "b_seg.nii.gz").read_bytes()
    (site / "b_seg.nii.gz").write_bytes(spoilt[: len(spoilt) // 2])
    with pytest.raises(SomeCasesFailed, match="1 of 2 cases were left out"):
        evaluate(site, "--subset", "all", "--out", out, "--log", tmp_path / "log.jsonl", "--no-slices")
    assert [case["case"] for case in json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["cases"]] == [
        "a"
    ]
    (site / "a_seg.nii.gz").write_bytes(spoilt[: len(spoilt) // 2])
    with pytest.raises(InputError, match="is damaged"):
        evaluate(site, "--subset", "all", "--out", tmp_path / "p", "--log", tmp_path / "log.jsonl", "--no-slices")
    assert not (tmp_path / "p").exists()


@shipped
def test_a_model_against_itself_agrees_fully(data, tmp_path):
    pair = ["--pair", data / "volume-1.nii.gz", data / "segmentation-1.nii.gz"]
    evaluate(*pair, "--out", tmp_path, "--float-liver-model", "liver-roi")
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    agreement = stored["summary"]["int8_against_float"]
    assert agreement["largest_liver_dp"] == agreement["largest_slice_dp"] == 0
    assert agreement["liver_worst_dice"] in (1, None)  # None where no liver is found in so coarse a phantom


@shipped
def test_a_mask_that_labels_liver_only_scores_the_liver_only(data, tmp_path):
    evaluate("--pair", data / "volume-2.nii.gz", data / "segmentation-2.nii.gz", "--out", tmp_path)
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert "tumor" not in stored["summary"] and "liver_dice" in stored["cases"][0]


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
