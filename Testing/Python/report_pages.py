"""What the tests of `livertumor report` share: folders as its commands leave them, and a reader of its page."""

from __future__ import annotations

import argparse
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("surface_distance")


from CompressionTrainerLib.evaluation.case import Parts, score_case
from CompressionTrainerLib.evaluation.comparison import LabeledSlice, compare, rows
from CompressionTrainerLib.evaluation.report import write_report
from CompressionTrainerLib.evaluation.summary import summarize
from CompressionTrainerLib.provenance import provenance
from CompressionTrainerLib.stages import report as command
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.files import write_json, write_table
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


def cells(page, table):
    header, *lines = page.tables[table]
    return [dict(zip(header, line, strict=True)) for line in lines]
