"""The report on several folds: networks over all of them, and what `livertumor cross-validate` has found."""

import json

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("surface_distance")


from CompressionTrainerLib.evaluation.fold_figures import write_figures
from CompressionTrainerLib.evaluation.out_of_fold import HeldOut
from CompressionTrainerLib.evaluation.out_of_fold_slices import HeldOutSlices
from CompressionTrainerLib.export.operating_point import _of_cross_validation
from CompressionTrainerLib.training.config import load_config
from LiverTumorLib.errors import InputError
from report_pages import INT8, Page, cells, report, write_benchmark, write_comparison


def test_networks_are_held_together_over_all_folds(tmp_path):
    for fold in (1, 2, 3):
        for name in ("vgg16", "resnet50"):
            write_comparison(tmp_path / name / f"fold-{fold}", "patient", (name,), fold, 4 * fold)
    write_comparison(tmp_path / "again", "patient", (INT8,), 1, 4)
    write_comparison(tmp_path / "once-more", "patient", (INT8,), 2, 6)  # two of the patients again
    write_benchmark(tmp_path / "benchmark")
    report(tmp_path, "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    lines = cells(page, "folds")
    assert [(line["network"], line["patients"]) for line in lines] == [("resnet50", "12"), ("vgg16", "12")]
    for line in lines:
        single = [float(value) for value in line["AUC of each fold"].split(", ")]
        assert len(single) == 3 and min(single) < float(line["AUC"].partition("\xa0")[0].partition(" ")[0]) < max(
            single
        )
    assert {line["model"]: line["slices"] for line in cells(page, "paper-accuracy")}["vgg16"] == "120 test"
    assert "networks-2" in page.tables and "networks-3" not in page.tables


def held_out(name, *tumors, task="tumor"):
    """A case of 0.1 ml voxels: for each (size, core, rim) a box of size^3 voxels; without any a case free of tumor."""
    probability, truth = np.zeros((12, 12, 60), np.uint8), np.zeros((12, 12, 60), bool)
    for place, (size, core, rim) in enumerate(tumors):
        box = np.s_[1 : 1 + size, 1 : 1 + size, 1 + 15 * place : 1 + 15 * place + size]
        probability[box], truth[box] = round(rim * 255), True
        probability[2, 2, 2 + 15 * place] = round(core * 255)
    return HeldOut(name, name, task, probability, truth, 0.1, 50.0)


def write_cross_validation(folder, task="tumor", done=(1, 2, 3)):
    """Three cases with lesions of 2.7 and 51.2 ml, which a low and a high threshold draw whole, and a free one."""
    config = load_config({"tumor": "liver-tumor", "liver": "liver-roi"}[task])
    cases = [held_out(str(n), (3, 0.9, 0.25), (8, 0.9 - 0.2 * n, 0.3), task=task) for n in range(3)]
    cases.append(held_out("free", task=task))
    write_figures(folder, config, cases, {"folds": 3, "folds_done": list(done)})
    return json.loads((folder / "cross-validation.json").read_text(encoding="utf-8"))


def test_a_cross_validation_is_shown_with_its_operating_point(tmp_path):
    content = write_cross_validation(tmp_path / "runs" / "cv")
    report(tmp_path / "runs", "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Patients held out" in page.titles
    chosen, half = content["points"]["chosen"], content["points"]["half"]
    rows = {row["operating point"]: row for row in cells(page, "held-out-1")}
    assert rows["chosen"]["low threshold"] == f"{chosen['threshold']:g}" and chosen["threshold"] < chosen["sure"]
    for name, point in (("chosen", chosen), ("one threshold of 0.5", half)):
        assert rows[name]["Dice"].startswith(f"{point['mean_dice']['value']:.3f}")
        assert rows[name]["false positives in cases without tumor"] == "0.0 ml in 1 case"
    sizes = {row["size"]: (row["lesions"], row["found"]) for row in cells(page, "held-out-lesions-1")}
    counted = {size: (str(each["true"]), str(each["found"])) for size, each in chosen["lesions_by_size"].items()}
    assert sizes == counted and len(sizes) == 2
    cases = cells(page, "held-out-cases-1")
    assert [row["Dice"] for row in cases][3] == "none there" and [row["case"] for row in cases] == [
        "0",
        "1",
        "2",
        "free",
    ]
    figures = [image["alt"] for image in page.images]
    assert (
        any(f"Chosen: {chosen['threshold']:g} and {chosen['sure']:g}" in alt for alt in figures) and len(figures) == 2
    )
    assert [row["what"] for row in cells(page, "provenance")] == ["cross-validation"]


def test_folds_that_are_not_done_are_named_and_the_liver_has_no_lesions(tmp_path):
    write_cross_validation(tmp_path / "cv", "liver", done=(1, 3))
    report(tmp_path, "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "Only the folds 1, 3 are done so far" in text and "held-out-lesions-1" not in page.tables
    assert not any("lesion" in column or "high" in column for column in page.tables["held-out-1"][0])
    assert [row["operating point"] for row in cells(page, "held-out-1")] == ["chosen", "one threshold of 0.5"]
    assert len(page.images) == 1, "one threshold has no plane of pairs"


def held_out_slices(name, tumor, logits):
    return HeldOutSlices(name, name, np.array(logits, np.float32), np.array(tumor, bool))


def test_a_cross_validation_of_a_slice_classifier_is_shown(tmp_path):
    cases = [
        held_out_slices("a", [0, 0, 1, 1], [-3, -1, 2, 3]),
        held_out_slices("b", [0, 0, 1, 1], [-2, 2.5, 1, 4]),
        held_out_slices("free", [0, 0, 0], [-4, -3, -2]),
    ]
    write_figures(tmp_path / "cv", load_config("tumor-slice"), cases, {"folds": 3, "folds_done": [1, 2, 3]})
    report(tmp_path, "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "tumor-slice (cv): a slice classifier, 3 cases of 3 patients, 3 folds." in text
    [row] = cells(page, "held-out-1")
    assert (row["slices that hold liver"], row["with tumor"]) == ("11", "4")
    # Of 4 x 7 pairs of slices, two with tumor are below the one false alarm.
    assert row["AUC"].startswith(f"{26 / 28:.3f}") and row["sensitivity"].startswith("1.000")
    assert row["specificity"].startswith(f"{6 / 7:.3f}")
    rows = {row["case"]: row for row in cells(page, "held-out-cases-1")}
    assert (rows["b"]["found"], rows["b"]["false alarms"], rows["free"]["AUC"]) == ("2", "1", "all alike")

    content = json.loads((tmp_path / "cv/cross-validation.json").read_text(encoding="utf-8"))
    point = _of_cross_validation(tmp_path / "cv", load_config("tumor-slice"))
    assert point.threshold == content["slices"]["threshold"] and point.about["chosen_on"] == ["a", "b", "free"]
    assert point.calibration.slope == content["calibration"]["slope"] > 0
    (tmp_path / "cv/cross-validation.json").write_text(json.dumps(content | {"slices": {}}), encoding="utf-8")
    with pytest.raises(InputError, match=r"cross-validation\.json is not a file this version can read"):
        report(tmp_path, "--out", tmp_path / "again.html")


def test_a_damaged_cross_validation_is_named(tmp_path):
    content = write_cross_validation(tmp_path / "cv")
    for damage in ({}, content | {"points": {}}, content | {"plane": []}, content | {"points": 3}):
        (tmp_path / "cv" / "cross-validation.json").write_text(json.dumps(damage), encoding="utf-8")
        with pytest.raises(InputError, match=r"cross-validation\.json is not a file this version can read"):
            report(tmp_path, "--out", tmp_path / "page.html")
