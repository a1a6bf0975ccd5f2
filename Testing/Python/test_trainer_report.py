"""`livertumor report`: what the page says is what the files say, and what was not given is not there."""

import argparse
import csv
import json
import math
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("surface_distance")

from base64 import b64decode
from dataclasses import replace

from CompressionTrainerLib.evaluation.agreement import Agreement
from CompressionTrainerLib.evaluation.case import Parts, score_case
from CompressionTrainerLib.evaluation.comparison import LabeledSlice, compare, rows
from CompressionTrainerLib.evaluation.report import write_report
from CompressionTrainerLib.evaluation.summary import summarize
from CompressionTrainerLib.networks.tflite_file import kernels, residual_block
from CompressionTrainerLib.provenance import provenance
from CompressionTrainerLib.reporting.inputs import read_inputs
from CompressionTrainerLib.reporting.models import model_facts
from CompressionTrainerLib.reporting.section_training import _chain, _ends
from CompressionTrainerLib.stages import report as command
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.errors import InputError, OutputError, UsageError
from LiverTumorLib.files import write_json, write_table
from LiverTumorLib.models.catalogue import SHIPPED
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import CaseResult, CaseSummary, SliceRecord

MODELS = [{"id": "liver-roi", "version": "1", "sha256": "0" * 64}]
PNG = b"\x89PNG\r\n\x1a\n not a real one"
FLOAT, INT8 = "train/best.weights.h5", "tumor-slice/model.tflite"


def report(*words):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["report", *map(str, words)])
    arguments.func(arguments)


def write_evaluation(folder, title="three <b>cases</b>", tumor=True, liver=True, agreement=None):
    """Three patients of 8 slices, the last without tumor; a picture of the first, and one that is no longer there."""
    scored = []
    for number in range(3):
        truth = np.zeros((8, 10, 12), np.uint8)
        truth[2:6, 2:8, 2:8] = 1
        found = truth.copy()
        if number < 2:
            truth[3:5, 3:5, 3:7] = 2
            found[3:5, 3:5, 4:8] = 2 if number == 0 else 1
        probability = [0.1, 0.1, 0.2, 0.9, 0.6 - 0.3 * number, 0.3, 0.1, 0.1]
        records = [SliceRecord(k, 5.0 * k, "liver", p) for k, p in enumerate(probability)]
        output = CaseOutput(CaseResult(f"case-{number}", CaseSummary(), [], records, MODELS, {"liver": 1.0}), found)
        volume = CTVolume(np.zeros(truth.shape, np.int16), np.diag([-5.0, -4.0, 5.0, 1]), f"case-{number}")
        scored.append(score_case(output, truth, volume, str(number), Parts(liver, tumor, tumor), agreement))
    pictures = [{"case": f"case-{number - 1}", "file": f"pictures/{number:03d}.png"} for number in (1, 2)]
    write_report(
        folder,
        title,
        scored,
        summarize(scored, 0.5),
        provenance("livertumor evaluate x", MODELS),
        about={},
        pictures=pictures,
    )
    (folder / "pictures").mkdir()
    (folder / "pictures" / "001.png").write_bytes(PNG)


def write_comparison(folder, kind, models=(FLOAT, INT8), fold=1, first=0):
    """Four patients, the `first` and those after it, of ten slices each."""
    rng = np.random.default_rng(fold)
    slices = [
        LabeledSlice(str(patient), str(patient), k, k > 5) for patient in range(first, first + 4) for k in range(10)
    ]
    scores = {name: rng.uniform(0, 0.6, 40) + 0.4 * np.array([each.tumor for each in slices]) for name in models}
    content = {
        "title": f"fold-{fold}, test, divided by {kind}",
        "provenance": provenance("livertumor compare", []),
        "about": {"kind": kind, "subset": "test"},
        "threshold": 0.5,
        "slices": 40,
        "tumor_slices": 16,
        "patients": 4,
        "models": compare(scores, slices, 0.5),
    }
    write_table(folder / "predictions.csv", rows(scores, slices))
    write_json(folder / "comparison.json", content)


def write_benchmark(folder):
    def row(file, kind, runtime, threads, size, ms, **more):
        sizes = {
            "bytes": size,
            "gzip_bytes": size // 2,
            "mib": size / 2**20,
            "mb": size / 1e6,
            "weights": "int8",
            "sparsity": 0.2,
        }
        times = {"median_ms": ms, "p90_ms": ms, "fps": 1000 / ms, "first_result_s": 1.0, "load_s": 1.0, "peak_mb": None}
        return (
            {"file": file, "kind": kind, "runtime": runtime, "delegate": "none", "threads": threads}
            | sizes
            | times
            | more
        )

    measured = [
        row(FLOAT, "keras", "Keras predict", 1, 9536416, 125.0, with_optimizer_bytes=27695984),
        row(INT8, "tflite", "LiteRT", 2, 2710872, 8.0),
        row(INT8, "tflite", "LiteRT without XNNPACK", 1, 2710872, 32.0),
        row(INT8, "tflite", "LiteRT", 1, 2710872, 12.5),
    ]
    write_json(
        folder / "benchmark.json", {"processor": "some CPU", "cores": "2 of 2", "date": "2026-01-01", "rows": measured}
    )


def write_run(folder, epochs=3, task="slice", record=True, **more):
    config = {
        "name": "n",
        "task": task,
        "seed": 1,
        "input": {"size": [64, 64], "spacing_mm": 4.0},
        "sampling": {"slices": 64},
    }
    config |= {"network": {"width": 0.35}, "optimizer": {"batch": 8}}
    content = {
        "config": config,
        "split": "some split",
        "cases": {"train": [1, 2], "val": [3]},
        "commit": "abc",
        "imagenet": False,
    }
    if record:
        write_json(folder / "run.json", content | {"start": None, "versions": {"numpy": "2"}, "machine": "m"} | more)
    score = "probability_accuracy" if task == "slice" else "dice"
    log = [
        {"epoch": e, "loss": 1 / (e + 1), score: 0.5 + e / 10, "val_loss": 2.0, f"val_{score}": 0.4 + e / 10}
        for e in range(epochs)
    ]
    write_table(folder / "log.csv", log)


def write_saliency(folder):
    record = {
        "run": "n",
        "ct": "a.nii.gz",
        "slice": 3,
        "probability": 0.75,
        "map": "cells",
        "attribution_gap": 1e-4,
        "picture": "saliency.png",
    }
    write_json(folder / "saliency.json", record)
    (folder / "saliency.png").write_bytes(PNG)


class Page(HTMLParser):
    """Titles, table cells by table and row, images and links of a page; every tag that is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.titles, self.tables, self.images, self.links, self.open, self.marked = [], {}, [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "table":
            self.rows = self.tables[attributes["id"]] = []
        if tag == "tr":
            self.rows.append([])
            if attributes.get("class") == "reported":
                self.marked.append(self.rows[-1])
        if tag in ("td", "th", "h2"):
            self.text = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "h2":
            self.titles.append(self.text)
        if tag in ("td", "th"):
            self.rows[-1].append(self.text)

    def handle_data(self, data):
        self.text = getattr(self, "text", "") + data


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


def cells(page, table):
    header, *lines = page.tables[table]
    return [dict(zip(header, line, strict=True)) for line in lines]


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


def test_stages_are_put_in_their_order(everything):
    runs = read_inputs([everything[0] / "found"]).runs
    [end] = [run for run in _ends(runs) if run.record["config"]["task"] == "slice"]
    assert [run.stage for run in _chain(end, runs)] == [
        "training",
        "gradual pruning",
        "fine-tuning of the pruned",
        "quantization-aware training",
    ]
    assert [len(run.log) for run in _chain(end, runs)] == [3, 1, 2, 2]


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
