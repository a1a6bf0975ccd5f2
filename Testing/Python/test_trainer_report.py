"""`livertumor report`: what the page says is what the files say, and what was not given is not there."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("surface_distance")

from base64 import b64decode
from dataclasses import replace

from CompressionTrainerLib.evaluation.agreement import Agreement
from CompressionTrainerLib.networks.tflite_file import kernels, residual_block
from CompressionTrainerLib.reporting.inputs import read_inputs
from CompressionTrainerLib.reporting.models import model_facts
from CompressionTrainerLib.reporting.section_training import _ends, _stages_to
from LiverTumorLib.errors import InputError, OutputError, UsageError
from LiverTumorLib.files import write_json, write_table
from LiverTumorLib.models.catalogue import SHIPPED
from report_pages import (
    FLOAT,
    INT8,
    PNG,
    Page,
    cells,
    report,
    write_benchmark,
    write_comparison,
    write_evaluation,
    write_run,
    write_saliency,
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A folder with all that a report can be made of, and the page of it."""
    folder = tmp_path_factory.mktemp("report")
    found = folder / "found"
    write_evaluation(found / "evaluation")
    write_comparison(found / "comparison", "patient")
    for fold in (1, 2):
        write_comparison(found / f"slices-{fold}", "slice", (FLOAT,), fold)
    write_benchmark(found / "benchmark")
    write_json(found / "scans" / "benchmark.json", {"rows": [{"what": "scan", "measure": "wall_s", "median": 1.0}]})
    write_saliency(found / "saliency")
    write_run(found / "train")
    write_run(found / "prune", 2, start="/gone/train/best.weights.h5", pruning={"sparsity": 0.2})
    write_run(found / "prune" / "gradual", 1, record=False)
    write_run(found / "prune" / "quantized", 2, record=False)
    write_run(found / "liver", 12, "liver")
    counts = {
        "patients": 2,
        "patients with tumor": 1,
        "cases": 2,
        "slices": 20,
        "slices with tumor": 5,
        "slices with liver": 9,
    }
    write_table(
        found / "prepare" / "counts.csv",
        [{"split": "split", "part": part} | counts for part in ("train", "val", "test")],
    )
    report(found, "--out", folder / "page.html", "--title", "A <title>")
    return folder, Page((folder / "page.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_it_and_its_links_lead_somewhere(everything):
    folder, page = everything
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href|url\()=?[\"']?https?:", text) == [] and "<script" not in text
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 20 for image in page.images)
    anchors = set(re.findall(r' id="([^"]+)"', text))
    assert page.links and {link.removeprefix("#") for link in page.links} <= anchors
    contents = [b64decode(image["src"].partition(",")[2]) for image in page.images]
    assert contents.count(PNG) == 2
    for content in contents:
        if content != PNG:
            ElementTree.fromstring(content)  # SVG, well-formed


def test_a_models_block_and_layers_are_read_from_its_file(tmp_path):
    """Of the file that ships; its float twin, in a folder "float", is left out."""
    pytest.importorskip("ai_edge_litert")
    shutil.copytree(SHIPPED / "tumor-slice", tmp_path / "models" / "mine")
    shutil.copytree(SHIPPED / "liver-roi", tmp_path / "train" / "float" / "twin")
    report(tmp_path, "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Inside the models" in page.titles and len(page.images) == 2
    content = (SHIPPED / "tumor-slice" / "model.tflite").read_bytes()
    rows = {row["kind"]: row for row in cells(page, "layers-tumor-slice")}
    assert sum(int(row["weights"]) for row in rows.values()) == sum(kernel.weights for kernel in kernels(content))
    assert rows["depthwise convolutions"]["layers"] == "17" and {row["stored as"] for row in rows.values()} == {"int8"}

    expand, depthwise, project = residual_block(content)
    assert [each.operator for each in (expand, depthwise, project)] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert (
        expand.shape[0] == 6 * expand.shape[-1] == depthwise.shape[-1] == project.shape[-1]
        and project.shape[0] == expand.shape[-1]
    )


def test_names_are_not_taken_for_markup(everything):
    text = (everything[0] / "page.html").read_text(encoding="utf-8")
    assert "A &lt;title&gt;" in text and "three &lt;b&gt;cases&lt;/b&gt;" in text and "<b>" not in text


def test_numbers_are_those_of_the_files(everything):
    folder, page = everything
    stored = json.loads((folder / "found" / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    mean = stored["summary"]["tumor"]["mean_dice"]
    [row] = cells(page, "segmentation")
    assert row["tumor Dice"].replace("\xa0", " ") == f"{mean['value']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})"
    assert row["lesions found"] == "1 of 2; 0 extra"
    surface = {name: stored["summary"]["liver"][f"mean_{name}_mm"]["value"] for name in ("hd95", "hd95_voxels")}
    assert row["liver HD95 by area (mm)"].startswith(f"{surface['hd95']:.1f}")
    assert row["by voxels (mm)"].startswith(f"{surface['hd95_voxels']:.1f}")
    assert {"liver HD95 by area (mm)", "liver HD95 by voxels (mm)"} <= cells(page, "cases-1")[0].keys()
    assert [case["tumor Dice"] for case in cells(page, "cases-1")] == ["0.750", "0.000", "none there"]
    content = json.loads((folder / "found" / "comparison" / "comparison.json").read_text(encoding="utf-8"))
    for row in cells(page, "networks-1"):
        assert row["AUC"].startswith(f"{content['models'][row['model']]['auc']['value']:.3f}")


def test_tables_lie_beside_the_page_as_csv_and_json(everything):
    folder, page = everything
    stored = json.loads((folder / "page.json").read_text(encoding="utf-8"))
    assert {table["name"] for table in stored["tables"]} == set(page.tables)
    assert {path.stem for path in (folder / "page-tables").iterdir()} == set(page.tables)
    with open(folder / "page-tables" / "benchmark-1.csv", newline="", encoding="utf-8") as file:
        assert [row["slices a second"] for row in csv.DictReader(file)] == ["8", "125", "31.2", "80"]


def test_the_papers_numbers_are_marked_and_stand_beside_ours(everything):
    _, page = everything
    for table in ("paper-accuracy", "paper-size", "paper-speed", "paper-baselines"):
        lines = cells(page, table)
        assert {line["source"] for line in lines} == {"ours", "reported"}
        assert [line["source"] == "reported" for line in lines] == [
            line in page.marked for line in page.tables[table][1:]
        ]
    sizes = {line["model"]: line for line in cells(page, "paper-size")}
    assert sizes[FLOAT]["MiB with Adam's state"] == "26.4" and sizes["fine-tuned MobileNetV2"]["MiB"] == "26.10"
    assert sizes[INT8]["MiB"] == "2.59" and "float32 TFLite" in sizes["pruned and quantized"]["what it is"]
    assert [line["validation"] for line in cells(page, "dice-by-epoch-found-liver")][-1] == "0.943"


def test_pictures_that_are_there_are_in_the_page(everything):
    alts = [image["alt"] for image in everything[1].images]
    assert len([alt for alt in alts if alt.startswith("case-0 (three <b>cases</b>): random slices")]) == 1
    assert not any(alt.startswith("case-1 (three <b>cases</b>): random") for alt in alts)
    assert any(alt.startswith("n on slice 3 of a.nii.gz, probability of tumor 0.75") for alt in alts)


def test_the_leak_is_shown_with_the_folds_together(everything):
    lines = cells(everything[1], "leak")
    assert [line["divided by"] for line in lines] == ["slice"] * 3 + ["patient"] * 2
    assert lines[2]["test slices"] == "all of these together"
    folds = [float(line["AUC"].partition(" ")[0].partition("\xa0")[0]) for line in lines[:3]]
    assert min(folds[:2]) <= folds[2] <= max(folds[:2]) and folds[0] != folds[1]
    assert any(
        "curves-leak" in image.get("id", "") or "all test slices together" in image["alt"]
        for image in everything[1].images
    )


def test_stages_are_put_in_their_order(everything):
    runs = read_inputs([everything[0] / "found"]).runs
    [end] = [run for run in _ends(runs) if run.record["config"]["task"] == "slice"]
    assert [run.stage for run in _stages_to(end, runs)] == [
        "training",
        "gradual pruning",
        "fine-tuning of the pruned",
        "quantization-aware training",
    ]
    assert [len(run.log) for run in _stages_to(end, runs)] == [3, 1, 2, 2]


def test_a_models_speed_is_that_of_what_users_run_on_one_thread(everything):
    facts = {model.name: model for model in model_facts(read_inputs([everything[0] / "found"]))}
    assert (facts[INT8].fps, facts[INT8].runtime, facts[INT8].threads) == (80.0, "LiteRT", 1)
    assert facts[FLOAT].optimizer_mib == pytest.approx(26.41, abs=0.01) and facts[INT8].optimizer_mib is None


def test_variants_that_were_not_benchmarked_have_their_size(tmp_path):
    rows = [{"variant": "float16", "bytes": 4467036, "gzip_bytes": 4000000, "sparsity": 0.2, "float_tensors": 9}]
    write_table(tmp_path / "variants" / "variants.csv", rows)
    [model] = model_facts(read_inputs([tmp_path]))
    assert (model.name, model.sparsity, model.fps) == ("variants/float16.tflite", 0.2, None)
    assert model.mib == pytest.approx(4.26, abs=0.01)
    report(tmp_path, "--out", tmp_path / "page.html")
    assert "paper-speed" not in Page((tmp_path / "page.html").read_text(encoding="utf-8")).tables


def test_what_was_not_given_is_left_out(tmp_path):
    write_benchmark(tmp_path / "b")
    report(tmp_path / "b", "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.titles == [
        "How to read this page",
        "Size and speed of the models",
        "The classifier paper's tables, made again",
        "Limits",
    ]
    assert "paper-accuracy" not in page.tables and "paper-size" in page.tables


def test_an_evaluation_of_the_liver_only_makes_a_page(tmp_path):
    write_evaluation(tmp_path / "e", tumor=False)
    report(tmp_path / "e", "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Liver and tumor segmentation" in page.titles and "Slices with and without tumor" not in page.titles
    for table in ("segmentation", "cases-1"):
        assert "liver Dice" in page.tables[table][0] and not any("tumor" in column for column in page.tables[table][0])


def test_evaluations_of_different_kinds_with_float_twins_make_one_page(tmp_path):
    """As training.md's 'livertumor report runs' meets them: a segmentation and a slice classifier, each with what it
    was asked."""
    both = Agreement(0.99, 0.98, 0.1, 0.2, 0.3, 8, 7, 0.9, 0.8)
    write_evaluation(
        tmp_path / "runs" / "liver" / "evaluate",
        "liver",
        tumor=False,
        agreement=replace(both, slices=0, slice_dp=math.nan),
    )
    write_evaluation(tmp_path / "runs" / "slices" / "evaluate", "slices", liver=False, agreement=both)
    report(tmp_path / "runs", "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    liver, slices = cells(page, "agreement")
    assert (liver["evaluation"], liver["liver mean dice"], liver["slices same decision"]) == ("liver", "0.990", "–")
    assert (slices["evaluation"], slices["liver mean dice"], slices["slices same decision"]) == ("slices", "–", "0.875")


def test_the_same_inputs_make_the_same_figures(everything, tmp_path):
    report(everything[0] / "found" / "evaluation", everything[0] / "found", "--out", tmp_path / "page.html")
    again = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert {image["src"] for image in again.images} == {image["src"] for image in everything[1].images}
    assert len(again.images) == len(everything[1].images)  # a folder in a folder comes once


def test_bad_input_gets_a_sentence_and_leaves_nothing(tmp_path):
    out = tmp_path / "page.html"
    with pytest.raises(InputError, match="nowhere is not a folder"):
        report(tmp_path / "nowhere", "--out", out)
    with pytest.raises(InputError, match="nothing there for a report"):
        report(tmp_path, "--out", out)
    with pytest.raises(UsageError, match=r"let its name end in \.html"):
        report(tmp_path, "--out", tmp_path / "page.pdf")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "evaluation.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"evaluation\.json is not a file this version can read"):
        report(tmp_path, "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]
    out.write_text("kept", encoding="utf-8")
    with pytest.raises(OutputError, match="exists"):
        report(tmp_path, "--out", out)
    assert out.read_text(encoding="utf-8") == "kept"


def test_a_report_replaced_leaves_no_table_of_the_old_one(tmp_path):
    write_run(tmp_path / "r")
    write_benchmark(tmp_path / "b")
    report(tmp_path, "--out", tmp_path / "page.html")
    assert (tmp_path / "page-tables" / "runs.csv").exists()
    report(tmp_path / "b", "--out", tmp_path / "page.html", "--overwrite")
    assert (
        not (tmp_path / "page-tables" / "runs.csv").exists() and (tmp_path / "page-tables" / "benchmark-1.csv").exists()
    )


def test_the_command_loads_nothing_heavy_before_it_is_used():
    code = "import sys, CompressionTrainerLib.stages.report, CompressionTrainerLib.reporting.sections; "
    code += "print(sorted({'tensorflow', 'tf_keras', 'matplotlib', 'jinja2', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"
