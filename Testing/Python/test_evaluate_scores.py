"""Scores of cases and their summary, on label volumes small enough to work out by hand."""

import math

import numpy as np
import pytest
from CompressionTrainerLib.evaluation.agreement import compare_runs
from CompressionTrainerLib.evaluation.case import Parts, score_case
from CompressionTrainerLib.evaluation.report import case_row, markdown, write_report
from CompressionTrainerLib.evaluation.summary import summarize
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, SliceRecord

pytest.importorskip("surface_distance")
pytest.importorskip("sklearn")

SHAPE = (8, 10, 12)
# Axial order already: k up, j posterior, i left; voxels of 5 x 4 x 5 mm, so 0.1 ml.
AXIAL = np.array([[-5.0, 0, 0, 30], [0, -4.0, 0, 20], [0, 0, 5.0, -40], [0, 0, 0, 1]])
MODELS = [{"id": "liver-roi", "version": "1", "sha256": "0" * 64}]


def labels(liver=(), tumor=()):
    """Labels with a liver and a tumor box, each given as three slices."""
    array = np.zeros(SHAPE, np.uint8)
    if liver:
        array[liver] = 1
    if tumor:
        array[tumor] = 2
    return array


def volume(name="case", matrix=AXIAL):
    return CTVolume(np.zeros(SHAPE, np.int16), matrix, name)


def output(found, probability=None, name="case"):
    """An output as the pipeline gives it, for labels in axial order."""
    records = [
        SliceRecord(
            k, float(k), "liver" if found[k].any() else "no liver", None if probability is None else probability[k]
        )
        for k in range(len(found))
    ]
    return CaseOutput(CaseResult(name, CaseSummary(), [], records, MODELS, {"liver": 1.5, "tumor": 0.5}), found)


TRUTH = labels(np.s_[2:6, 2:8, 2:8], np.s_[3:5, 3:5, 3:7])  # liver 144 voxels, 16 of them tumor
FOUND = labels(np.s_[2:6, 2:8, 2:9], np.s_[3:5, 3:5, 4:8])  # liver 168 voxels, tumor shifted by one


def test_liver_counts_its_tumor_and_volumes_are_in_ml():
    scores = score_case(output(FOUND), TRUTH, volume(), "p")
    assert scores.liver.counts.dice == pytest.approx(2 * 144 / (144 + 168))
    assert (scores.liver.truth_ml, scores.liver.predicted_ml, scores.liver.false_positive_ml) == pytest.approx(
        (14.4, 16.8, 2.4)
    )
    assert scores.tumor.counts.dice == pytest.approx(12 / 16)
    assert scores.tumor.false_positive_ml == pytest.approx(0.4)
    assert (scores.lesions.found, scores.lesions.missed, scores.lesions.extra) == (1, 0, 0)
    assert scores.liver.surface.hd95 == pytest.approx(5.0)  # one voxel of 5 mm along i
    assert scores.seconds == 2.0


def test_slices_are_matched_through_the_orientation_of_the_scan():
    """The same case stored upside down and sagittally: the slice figures do not change."""
    probability = [0.0, 0.1, 0.3, 0.9, 0.2, 0.8, 0.1, 0.0]
    straight = score_case(output(FOUND, probability), TRUTH, volume(), "p").slices
    assert straight.tumor.tolist() == [k in (3, 4) for k in range(8)]
    assert straight.liver.tolist() == [2 <= k < 6 for k in range(8)]
    # New array axes (k, j, i) are the old (i, k reversed, j).
    turned = TRUTH[::-1].transpose(2, 0, 1)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = AXIAL[:3, 1], -AXIAL[:3, 2], AXIAL[:3, 0]
    matrix[:3, 3] = AXIAL[:3, 3] + 7 * AXIAL[:3, 2]
    sagittal = CTVolume(np.zeros(turned.shape, np.int16), matrix, "case")
    run = output(FOUND, probability)
    run.labels = FOUND[::-1].transpose(2, 0, 1)
    scores = score_case(run, turned, sagittal, "p")
    assert (
        scores.slices.tumor.tolist() == straight.tumor.tolist()
        and scores.slices.liver.tolist() == straight.liver.tolist()
    )
    assert scores.liver.counts == score_case(output(FOUND), TRUTH, volume(), "p").liver.counts
    assert scores.liver.surface.hd95 == pytest.approx(5.0)


def test_a_mask_without_tumor_labels_scores_the_liver_only():
    scores = score_case(output(FOUND), np.minimum(TRUTH, 1), volume(), "p", Parts(tumor=False, slices=False))
    assert scores.tumor is None and scores.lesions is None and scores.slices is None
    row = case_row(scores)
    assert row["liver_dice"] == scores.liver.counts.dice and not any(key.startswith("tumor") for key in row)


@pytest.fixture
def cases():
    """Two patients, the first with two cases; the last case is without tumor and has a false alarm in one slice."""
    quiet, wrong = [0.1] * 8, [0.1, 0.1, 0.2, 0.3, 0.2, 0.9, 0.1, 0.1]
    right = [0.0, 0.0, 0.2, 0.9, 0.8, 0.3, 0.0, 0.0]
    healthy, alarm = labels(np.s_[2:6, 2:8, 2:8]), labels(np.s_[2:6, 2:8, 2:8], np.s_[5:6, 6:8, 6:8])
    return [
        score_case(output(FOUND, right, "1"), TRUTH, volume("1"), "a"),
        score_case(output(labels(np.s_[2:6, 2:8, 2:8]), quiet, "2"), TRUTH, volume("2"), "a"),
        score_case(output(alarm, wrong, "3"), healthy, volume("3"), "b"),
    ]


def test_summary_of_three_cases(cases):
    summary = summarize(cases, 0.5)
    assert (summary["cases"], summary["patients"]) == (3, 2)
    assert summary["liver"]["mean_dice"]["value"] == pytest.approx((288 / 312 + 1 + 1) / 3)
    assert summary["liver"]["worst_dice"] == pytest.approx(288 / 312)
    tumor = summary["tumor"]
    assert tumor["cases_with_tumor"] == 2 and tumor["mean_dice"]["value"] == pytest.approx(0.375)
    assert tumor["cases_with_tumor_touched"]["value"] == 0.5
    assert tumor["false_positive_ml_without_tumor"] == pytest.approx({"3": 0.4})
    lesions = summary["lesions"]
    assert (lesions["true"], lesions["found"], lesions["extra"]) == (2, 1, 1)
    assert lesions["by_size"] == {"1-5 ml": {"true": 2, "found": 1, "touched": 1}}


def test_slice_figures_pool_the_slices(cases):
    summary = summarize(cases, 0.5)
    liver, everything = summary["slices_with_liver"], summary["slices_all"]
    assert (liver["slices"], everything["slices"]) == (12, 24)
    assert liver["confusion"] == {"tp": 2, "fp": 1, "fn": 2, "tn": 7}
    assert everything["confusion"] == {"tp": 2, "fp": 1, "fn": 2, "tn": 19}
    assert liver["dice"]["value"] == pytest.approx(4 / 7) and liver["sensitivity"]["value"] == 0.5
    # Positives 0.9 0.8 0.1 0.1; negatives of the liver 0.2 0.3 | 0.1 0.1 | 0.2 0.3 0.2 0.9, counted pair by pair.
    positive, negative = np.array([0.9, 0.8, 0.1, 0.1]), np.array([0.2, 0.3, 0.1, 0.1, 0.2, 0.3, 0.2, 0.9])
    pairs = positive[:, None] - negative
    assert liver["auc"]["value"] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    # A draw of patient b alone has one class and no AUC: about a quarter of the draws of two patients.
    assert 0.2 < liver["auc"]["skipped"] / liver["auc"]["resamples"] < 0.3


def test_one_answer_for_all_is_said():
    origin = {"date": "2026-01-01", "commit": "abc", "uncommitted_changes": False, "command": "x", "models": MODELS}
    nothing = labels(np.s_[2:6, 2:8, 2:8])

    def said(found, probability, threshold):
        scored = [score_case(output(found, probability), TRUTH, volume(), "p")]
        return markdown("One case", [case_row(case) for case in scored], summarize(scored, threshold), origin)

    text = said(nothing, [0.4] * len(TRUTH), 0.5)
    assert "**The model calls none of the 4 slices tumor" in text and "**No tumor was found in any case.**" in text
    assert "**The model calls all of the 4 slices tumor" in said(FOUND, [0.9] * len(TRUTH), 0.5)
    text = said(FOUND, [0.1 * k for k in range(len(TRUTH))], 0.35)
    assert "**" not in text


def test_report_shows_and_stores_what_was_measured(cases, tmp_path):
    import csv
    import json

    origin = {
        "date": "2026-01-01",
        "commit": "abc",
        "uncommitted_changes": True,
        "command": "livertumor evaluate x",
        "models": MODELS,
    }
    text = write_report(tmp_path, "Three cases", cases, summarize(cases, 0.5), origin)
    assert (tmp_path / "evaluation.md").read_text(encoding="utf-8") == text
    assert "commit abc with changes" in text and "Case 3 has no tumor: 0.40 ml" in text
    assert f"| 1 | {288 / 312:.3f} |" in text
    stored = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert stored["cases"][2]["tumor_hd95_mm"] is None  # no surface to measure to
    voxels = stored["summary"]["liver"]["mean_hd95_voxels_mm"]["value"]
    assert voxels == pytest.approx(np.mean([case["liver_hd95_voxels_mm"] for case in stored["cases"]]))
    assert "HD95 by area (mm) | HD95 by voxels (mm)" in text and "as MedPy and most papers have it" in text
    assert stored["summary"]["lesions"]["found"] == 1
    with open(tmp_path / "cases.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["tumor_dice"]) == pytest.approx(0.75) and rows[2]["tumor_sensitivity"] == ""
    with open(tmp_path / "lesions.csv", newline="", encoding="utf-8") as file:
        lesions = [(row["case"], row["kind"], float(row["volume_ml"]), row["found"]) for row in csv.DictReader(file)]
    assert lesions == [
        ("1", "true", pytest.approx(1.6), "1"),
        ("2", "true", pytest.approx(1.6), "0"),
        ("3", "extra", pytest.approx(0.4), ""),
    ]
    with open(tmp_path / "slices.csv", newline="", encoding="utf-8") as file:
        slices = list(csv.DictReader(file))
    assert [row["slice"] for row in slices] == [str(k) for k in range(8)] * 3
    assert [(row["probability"], row["tumor"], row["liver"]) for row in slices[3:6]] == [
        ("0.9", "1", "1"),
        ("0.8", "1", "1"),
        ("0.3", "0", "1"),
    ]


def test_agreement_is_dice_and_the_largest_difference():
    run, twin = output(FOUND, [0.5] * 8), output(TRUTH, [0.5] * 4 + [0.25] + [0.5] * 3)
    run.result.summary.suspicious_slices, twin.result.summary.suspicious_slices = [2, 3, 4, 5], [2, 3, 5]
    run.probabilities = {"liver": np.zeros(SHAPE, np.float16), "tumor": np.zeros(SHAPE, np.float16)}
    twin.probabilities = {"liver": np.zeros(SHAPE, np.float16), "tumor": np.zeros(SHAPE, np.float16)}
    twin.probabilities["liver"][1, 2, 3] = 0.125
    agreement = compare_runs(run, twin, FOUND)
    assert agreement.liver_dice == pytest.approx(288 / 312) and agreement.tumor_dice == pytest.approx(0.75)
    assert (agreement.liver_dp, agreement.tumor_dp, agreement.slice_dp) == (0.125, 0, 0.25)
    assert (agreement.slices, agreement.same_decisions) == (4, 3), "of the slices that hold liver"
    assert (agreement.float_liver_dice, agreement.float_tumor_dice) == (agreement.liver_dice, agreement.tumor_dice), (
        "the twin's with the truth"
    )


def test_agreement_summary_leaves_out_empty_masks_and_keeps_the_worst():
    empty = output(labels(np.s_[2:6, 2:8, 2:8]))
    scored = [
        score_case(output(FOUND), TRUTH, volume(), "a", agreement=compare_runs(output(FOUND), output(TRUTH), TRUTH)),
        score_case(empty, TRUTH, volume(), "b", agreement=compare_runs(empty, empty, empty.labels)),
    ]
    agreement = summarize(scored, math.nan)["int8_against_float"]
    assert agreement["tumor_mean_dice"] == agreement["tumor_worst_dice"] == pytest.approx(0.75)
    assert agreement["liver_mean_dice"] == pytest.approx((288 / 312 + 1) / 2)
    assert agreement["liver_worst_dice"] == pytest.approx(288 / 312)
    assert math.isnan(agreement["largest_slice_dp"])
    assert agreement["float_tumor_mean_dice"] == agreement["float_liver_mean_dice"] == 1, (
        "of the case that has tumor, and of both livers"
    )
