"""Cross-validation: every patient is measured by a network that has not seen the person, and an operating point is
chosen on all."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from CompressionTrainerLib.data.folds import fold_splits, joined_by_person, split_file_content
from CompressionTrainerLib.data.slices import CaseSlices
from CompressionTrainerLib.data.splits import LabeledCase, Split, load_split
from CompressionTrainerLib.evaluation.out_of_fold import (
    HeldOut,
    Point,
    at_point,
    best_point,
    by_patient,
    pooled,
    scores,
    summarize,
)
from LiverTumorLib.errors import InputError, SomeCasesFailed, UsageError


def make_split(kind: str = "patient") -> tuple[Split, dict[str, float]]:
    """Twelve patients, the first with two scans, one with unknown tumor; case 99 is a test patient's. And their tumor
    volumes."""
    data = Path("data")
    cases = [LabeledCase(f"{n}", f"{n}", data / f"{n}.nii", data / f"{n}-seg.nii") for n in range(11)]
    cases.insert(1, LabeledCase("0b", "0", data / "0b.nii", data / "0b-seg.nii"))
    cases.append(LabeledCase("liver", "liver", data / "l.nii", data / "l-seg.nii", "liver"))
    test = [LabeledCase("99", "99", data / "99.nii", data / "99-seg.nii")]
    volumes = {case.id: 10.0 * number for number, case in enumerate(cases) if case.holds == "tumor"}
    return Split("s", {"train": cases[:8], "val": cases[8:], "test": test}, {}, data, kind), volumes


def test_folds_hold_out_every_person_once_and_no_test_patient():
    split, volumes = make_split()
    folds = fold_splits(split, 3, 1, volumes)
    held = [{case.id for case in fold.cases["test"]} for fold in folds]
    everyone = {case.id for subset in ("train", "val") for case in split.cases[subset]}
    assert set.union(*held) == everyone and sum(map(len, held)) == len(everyone) and "99" not in everyone
    assert any({"0", "0b"} <= ids for ids in held), "both scans of a person are held out together"
    for fold, ids in zip(folds, held, strict=True):
        assert {case.id for case in fold.cases["train"]} == everyone - ids and not fold.cases["val"]
    means = [np.mean([volumes[case.id] for case in fold.cases["test"] if case.id in volumes]) for fold in folds]
    assert max(means) - min(means) < 25, "patients with much tumor are spread over the folds"
    assert fold_splits(split, 3, 1, volumes) == folds != fold_splits(split, 3, 2, volumes)


def test_a_fold_reads_back_from_its_file(tmp_path):
    split, volumes = make_split()
    fold = fold_splits(split, 3, 1, volumes)[0]
    path = tmp_path / "fold.json"
    path.write_text(json.dumps(split_file_content(fold)), encoding="utf-8")
    assert load_split(path, split.data).cases == fold.cases


def test_cases_that_a_file_beside_the_data_joins_are_held_out_together(tmp_path):
    """Also where the split, which is older, has them as several patients, and over several steps."""
    (tmp_path / "patients.csv").write_text("case,patient\n0b,anna\n3,anna\n7,7\n", encoding="utf-8")
    cases = [LabeledCase(f"{n}", f"{n}", tmp_path / f"{n}.nii", tmp_path / f"{n}-seg.nii") for n in range(9)]
    cases.append(LabeledCase("0b", "0", tmp_path / "0b.nii", tmp_path / "0b-seg.nii"))
    split = joined_by_person(Split("s", {"train": cases[:5], "val": cases[5:], "test": []}, {}, tmp_path))
    for fold in fold_splits(split, 3, 1, {case.id: float(number) for number, case in enumerate(cases)}):
        assert len({"0", "0b", "3"} & {case.id for case in fold.cases["test"]}) in (0, 3)
        (tmp_path / "fold.json").write_text(json.dumps(split_file_content(fold)), encoding="utf-8")
        stored = [case for cases in load_split(tmp_path / "fold.json", tmp_path).cases.values() for case in cases]
        assert len({case.patient for case in stored if case.id in ("0", "0b", "3")}) == 1 and len(stored) == len(cases)


def test_what_cannot_be_divided_is_said():
    split, volumes = make_split()
    with pytest.raises(UsageError, match="give --folds 2 or more"):
        fold_splits(split, 1, 1, volumes)
    with pytest.raises(InputError, match="cannot be divided into 20 folds"):
        fold_splits(split, 20, 1, volumes)
    with pytest.raises(UsageError, match="needs a split by patient"):
        fold_splits(make_split("slice")[0], 3, 1, volumes)


def held(case: str, blobs: list[tuple[int, float, float, bool]]) -> HeldOut:
    """A case of 1 ml voxels: boxes of 3 x 3 x 3 voxels at column `start` with a core and a rim probability, true or
    not."""
    probability, truth = np.zeros((5, 5, 40), np.uint8), np.zeros((5, 5, 40), bool)
    for start, core, rim, true in blobs:
        probability[1:4, 1:4, start : start + 3] = round(rim * 255)
        probability[2, 2, start + 1] = round(core * 255)
        truth[1:4, 1:4, start : start + 3] = true
    return HeldOut(case, case, "tumor", probability, truth, 1.0, 100.0)


def test_a_low_threshold_draws_what_is_sure_somewhere_and_leaves_out_what_is_not():
    case = held("a", [(1, 0.9, 0.25, True), (10, 0.35, 0.3, False)])
    at = scores(case)
    assert at[Point(0.2, 0.5)] == 1.0 and at[Point(0.2, 0.2)] == pytest.approx(2 * 27 / (54 + 27))
    assert at[Point(0.5, 0.5)] == pytest.approx(2 / 28), "one threshold loses the rim"
    best = best_point(at)
    assert best.threshold <= 0.25 and 0.35 < best.sure <= 0.9
    figures = at_point(case, best)
    assert (figures.dice, figures.false_ml, figures.extra) == (1.0, 0, 0) and figures.lesions == [(27.0, True, True)]
    everything = at_point(case, Point(0.2, 0.2))
    assert (everything.false_ml, everything.extra) == (27.0, 1)


def test_the_table_of_scores_agrees_with_the_masks_themselves():
    rng = np.random.default_rng(3)
    noise = rng.random((6, 12, 12))
    probability, truth = np.rint(noise * 255).astype(np.uint8), noise + rng.normal(0, 0.2, noise.shape) > 0.8
    case = HeldOut("n", "n", "tumor", probability, truth, 0.02, 4.0)
    table = scores(case)
    for point in (Point(0.5, 0.5), Point(0.6, 0.9), Point(0.85, 0.95)):
        assert table[point] == pytest.approx(at_point(case, point).dice)


def test_a_person_with_many_scans_counts_once():
    good, bad = held("a", [(1, 0.9, 0.9, True)]), held("b", [(1, 0.2, 0.2, True)])
    one = [good, bad, replace(bad, case="b2")]
    plane = by_patient(one, [scores(case) for case in one])
    assert plane[Point(0.5, 0.5)] == pytest.approx(0.5)
    figures = pooled([at_point(case, Point(0.5, 0.5)) for case in one])
    assert figures["mean_dice"]["value"] == pytest.approx(0.5) and figures["patients"] == 2


def test_tumor_free_cases_count_by_what_is_invented():
    clean, invented = held("a", []), held("b", [(1, 0.9, 0.9, False)])
    assert scores(clean)[Point(0.5, 0.5)] == 1.0 and scores(invented)[Point(0.5, 0.5)] == 0.0
    figures = pooled([at_point(case, Point(0.5, 0.5)) for case in (clean, invented)])
    assert figures["false_ml_without_truth"] == {"a": 0.0, "b": 27.0}


def test_of_a_liver_the_largest_region_counts_at_one_threshold_if_a_slice_shows_enough_of_it():
    spleen = held("a", [(1, 0.9, 0.6, True), (10, 0.9, 0.9, False)])
    spleen.probability[1:4, 1:4, 4] = round(0.6 * 255)  # the liver is the larger one now
    case = replace(spleen, task="liver")
    at = scores(case)
    assert all(point.threshold == point.sure for point in at) and at[Point(0.5, 0.5)] == pytest.approx(54 / 63)
    assert at[Point(0.8, 0.8)] == 0.0, "the spleen is the largest there"
    assert at_point(case, Point(0.5, 0.5)).extra == 0
    stray = replace(held("b", [(1, 0.9, 0.9, False)]), task="liver")  # 900 mm2 in each slice
    assert scores(stray)[Point(0.5, 0.5)] == 0.0 and scores(replace(stray, pixel_mm2=80.0))[Point(0.5, 0.5)] == 1.0
    points = summarize([case, stray])["points"]
    assert points["chosen"] == points["one_threshold"] and points["half"]["score"] == pytest.approx(54 / 63)
    assert points["half"]["false_ml_without_truth"] == {"b": 27.0}, "told, but the pipeline's checks are for it"


def test_the_command_trains_a_network_a_fold_and_goes_on_where_it_was(tmp_path, capsys):
    pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")
    from LiverTumorLib.cli import main
    from tiny_training import TINY, write_data

    write_data(tmp_path)
    config = tmp_path / "tiny.toml"
    config.write_text(
        TINY.format(task="tumor", region="liver").replace("epochs = 2", "epochs = 1") + "pasted_lesions = 0.5\n"
    )
    common = [
        "--data",
        tmp_path,
        "--split",
        tmp_path / "split.json",
        "--cache",
        tmp_path / "cache",
        "--out",
        tmp_path / "cv",
        "--folds",
        2,
    ]
    command = ["cross-validate", *map(str, [config, *common])]
    assert main([*command, "--only", "2"]) == 0
    first = json.loads((tmp_path / "cv/cross-validation.json").read_text(encoding="utf-8"))
    assert first["points"]["chosen"]["patients"] < 3 and not (tmp_path / "cv/fold-1").exists()
    written = (tmp_path / "cv/fold-2/last.weights.h5").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "cv/fold-2/last.weights.h5").stat().st_mtime_ns == written, (
        "a fold that is done is not done again"
    )
    summary = json.loads((tmp_path / "cv/cross-validation.json").read_text(encoding="utf-8"))
    assert summary["points"]["chosen"]["patients"] == 3 and len(summary["plane"]) == 19 * 20 / 2
    rows = list(csv.DictReader((tmp_path / "cv/cases.csv").open(encoding="utf-8")))
    assert sorted(row["case"] for row in rows) == ["0", "1", "2"]
    for number in (1, 2):
        record = json.loads((tmp_path / f"cv/fold-{number}/run.json").read_text(encoding="utf-8"))
        answered = [path.stem for path in (tmp_path / f"cv/out-of-fold/fold-{number}").glob("*.npy")]
        assert answered and not set(answered) & set(map(str, record["cases"]["train"]))
    assert "mean Dice" in capsys.readouterr().out

    from CompressionTrainerLib.export.operating_point import given_point

    run = tmp_path / "cv/fold-1"  # as any refit of the same canvas
    point, chosen = given_point(run, tmp_path / "cv"), summary["points"]["chosen"]
    assert (point.threshold, point.sure) == (chosen["threshold"], chosen["sure"]) and sorted(
        point.about["chosen_on"]
    ) == ["0", "1", "2"]
    with pytest.raises(UsageError, match="or of a cross-validation"):
        given_point(run, None)
    (tmp_path / "cv/cross-validation.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not the summary of a cross-validation"):
        given_point(run, tmp_path / "cv")

    for other, said in (
        ([*command[:-1], "3"], "holds a cross-validation with other folds or data (fold-1.json)"),
        ([*command, "--seed", "2"], "holds a cross-validation with other folds or data"),
        ([*command, "--start", "tumor-slice"], "holds a cross-validation that started from other weights (fold-1)"),
    ):
        assert main(other) == 3 and said in capsys.readouterr().err, (
            "its networks were trained on patients held out here"
        )
    config.write_text(config.read_text() + "noise = 0.01\n")
    assert main(command) == 3 and "holds a cross-validation of another configuration" in capsys.readouterr().err

    assert main([*command, "--only", "3"]) == 2
    assert "--only 3 is not one of the 2 folds" in capsys.readouterr().err


def test_a_cluster_trains_each_fold_once_and_names_those_that_fail(tmp_path, capsys, monkeypatch):
    pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    from LiverTumorLib.cli import main
    from tiny_training import TINY, write_data

    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY.format(task="liver", region="body").replace("epochs = 2", "epochs = 1"))
    words = "cross-validate tiny.toml --data . --split split.json --cache cache --out cv --folds 2"
    command = words.split(" ")
    cluster = ["--cluster", "local", "--workers", "2"]
    Path("cv/fold-1").parent.mkdir()
    Path("cv/fold-1").write_text("in the way")
    assert main([*command, *cluster]) == SomeCasesFailed.exit_code
    assert "1 of 2 folds are not trained:\n  fold 1: " in capsys.readouterr().err
    assert json.loads(Path("cv/cross-validation.json").read_text(encoding="utf-8"))["folds_done"] == [2]
    written = Path("cv/fold-2/last.weights.h5").stat().st_mtime_ns
    Path("cv/fold-1").unlink()
    assert main([*command, *cluster]) == 0
    assert Path("cv/fold-2/last.weights.h5").stat().st_mtime_ns == written, "a fold that is done is not done again"
    assert Path("cv/fold-1/last.weights.h5").exists() and "continuing" not in Path("cv/fold-1.log").read_text()
    figures = Path("cv/cross-validation.json").read_bytes()
    assert json.loads(figures)["points"]["chosen"]["patients"] == 3
    assert main(command) == 0, "one process takes what the cluster has left"
    assert json.loads(figures)["points"] == json.loads(Path("cv/cross-validation.json").read_bytes())["points"]
    assert main([*command, "--cluster", "local", "--worker-memory", "4GiB"]) == UsageError.exit_code
    assert "bounds no training on this computer" in capsys.readouterr().err


def test_a_slice_classifiers_folds_start_from_those_of_the_tumor_network(tmp_path, capsys):
    pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")
    from LiverTumorLib.cli import main
    from tiny_training import TINY, write_data

    write_data(tmp_path)

    def command(task: str, folds: int = 2) -> list[str]:
        config = tmp_path / f"{task}.toml"
        config.write_text(TINY.format(task=task, region="liver").replace("epochs = 2", "epochs = 1"), encoding="utf-8")
        data = ["--data", tmp_path, "--split", tmp_path / "split.json", "--cache", tmp_path / "cache"]
        return ["cross-validate", *map(str, [config, *data, "--out", tmp_path / task, "--folds", folds])]

    assert main([*command("tumor"), "--only", "1"]) == 0
    start = ["--start", str(tmp_path / "tumor")]
    assert main([*command("slice"), *start]) == 3, "the second fold has no weights yet"
    assert "fold-2" in capsys.readouterr().err
    assert main(command("tumor")) == 0
    assert main([*command("slice"), *start]) == 0
    assert "AUC" in capsys.readouterr().out
    for number in (1, 2):
        record = json.loads((tmp_path / f"slice/fold-{number}/run.json").read_text(encoding="utf-8"))
        assert record["start"] == str(tmp_path / f"tumor/fold-{number}/last.weights.h5")
        assert (tmp_path / f"slice/fold-{number}.json").read_text() == (
            tmp_path / f"tumor/fold-{number}.json"
        ).read_text()
    summary = json.loads((tmp_path / "slice/cross-validation.json").read_text(encoding="utf-8"))
    assert summary["slices"]["patients"] == 3 and sorted(summary["held_out"]) == ["0", "1", "2"]
    assert main([*command("slice"), "--start", str(tmp_path / "tumor/fold-1/last.weights.h5")]) == 2
    assert "was trained on the cases" in capsys.readouterr().err, "of the second fold"
    assert main([*command("slice", 3), *start]) == 2
    assert "has 2 folds of 3 cases, and other ones are asked for" in capsys.readouterr().err


def test_slices_of_other_patients_are_pasted_and_their_labels_with_them():
    from CompressionTrainerLib.data.pasting import LesionBank
    from LiverTumorLib.ct.canvas import InputSpec

    spec = InputSpec((64, 64), 2.0, neighbor_mm=4.0)
    shape = (5, 128, 128)
    rows, columns = np.mgrid[:128, :128]
    liver = np.broadcast_to(np.hypot(rows - 64, columns - 64) < 50, shape)
    tumor = np.broadcast_to(np.hypot(rows - 60, columns - 70) < 5, shape)
    image = np.where(tumor, 60, np.where(liver, 150, 20)).astype(np.uint8)

    def case(patient: str, with_tumor: bool) -> CaseSlices:
        lesion = tumor if with_tumor else np.zeros(shape, bool)
        masks = [(mask * 255).astype(np.uint8) for mask in (liver, lesion)]
        found = lesion.any(axis=(1, 2))
        return CaseSlices(
            patient,
            patient,
            image if with_tumor else np.where(liver, 150, 20).astype(np.uint8),
            *masks,
            found | True,
            found,
            4.0,
        )

    bank = LesionBank([case("donor", True), case("other", False)], spec)
    healthy = case("other", False)
    plain = np.repeat(healthy.image[2][..., None], 3, -1).astype(np.float32) / 255
    masks = np.stack([healthy.liver[2], healthy.tumor[2]], -1).astype(np.float32) / 255
    changed = 0
    for seed in range(20):
        pasted, labels = bank.paste(plain, masks, "other", np.random.default_rng(seed))
        if labels is masks:
            continue
        changed += 1
        inside = labels[..., 1] > 0.9
        assert inside.any() and (labels[..., 0] >= labels[..., 1]).all(), "tumor is liver too"
        inside &= masks[..., 0] > 0.9  # some reach out of the liver
        assert pasted[inside, 1].mean() < 0.5 < plain[inside, 1].mean(), (
            "as dark as the donor's lesion is beside its liver"
        )
        far = labels[..., 1] == 0
        assert np.abs(pasted - plain)[far].mean() < 0.01
    assert changed >= 10
    assert bank.paste(plain, masks, "donor", np.random.default_rng(0))[1] is masks, (
        "a patient's own lesions are not pasted back"
    )
