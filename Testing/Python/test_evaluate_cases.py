"""Which cases `livertumor evaluate` measures, and for what each counts."""

import csv
import json
import shutil

import numpy as np
import pytest
from CompressionTrainerLib.data.identity import sha256_of
from evaluate_tools import data_fixture, evaluate, shipped  # noqa: F401  a fixture
from labeled_data import save
from LiverTumorLib.errors import InputError, SomeCasesFailed, UsageError
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.phantom import make_phantom


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
def test_a_mask_that_labels_liver_only_scores_the_liver_only(data, tmp_path):
    evaluate("--pair", data / "volume-2.nii.gz", data / "segmentation-2.nii.gz", "--out", tmp_path)
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert "tumor" not in stored["summary"] and "liver_dice" in stored["cases"][0]
