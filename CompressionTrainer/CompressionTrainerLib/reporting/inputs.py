"""Find and read what training, evaluation, comparison, benchmark and the rest left in the folders that a report is made
of."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError
from LiverTumorLib.metrics import PatientSlices

from ..evaluation.out_of_fold import POINTS, SUMMARY
from ..training.record import is_run, read_record


@dataclass(frozen=True)
class Scores:
    """Probabilities of slices against the truth, all (n,), in one order.

    `patient` holds names, `liver` and `tumor` bool.
    """

    patient: np.ndarray
    probability: np.ndarray
    tumor: np.ndarray
    liver: np.ndarray

    def by_patient(self, liver_only: bool) -> list[PatientSlices]:
        """Probability and truth of each patient's slices; patients without any are left out."""
        kept = self.liver if liver_only else np.ones_like(self.liver)
        of = [kept & (self.patient == patient) for patient in dict.fromkeys(self.patient)]
        return [(self.probability[mask], self.tumor[mask]) for mask in of if mask.any()]


def pool(scores: list[Scores]) -> Scores:
    """The slices of several sets as one, as those of the folds of a cross-validation."""
    return Scores(
        *(
            np.concatenate([getattr(each, name) for each in scores])
            for name in ("patient", "probability", "tumor", "liver")
        )
    )


@dataclass(frozen=True)
class Evaluation:
    """A folder of `livertumor evaluate`: its JSON file, its tables, and the slices where they have probabilities."""

    folder: Path
    content: dict
    lesions: list[dict]
    scores: Scores | None

    @property
    def title(self) -> str:
        return self.content["title"]

    @property
    def pictures(self) -> list[tuple[str, Path]]:
        """Case and file of the pictures that are still there."""
        listed = [(picture["case"], self.folder / picture["file"]) for picture in self.content.get("pictures", [])]
        return [(case, path) for case, path in listed if path.is_file()]


@dataclass(frozen=True)
class ComparedModels:
    """A folder of `livertumor compare`: its JSON file, and the scores of each model by name, all on the same slices."""

    folder: Path
    content: dict
    scores: dict[str, Scores]


@dataclass(frozen=True)
class CrossValidation:
    """A folder of `livertumor cross-validate`.

    Attributes:
        name: of the configuration, with the folder's.
        content: its JSON file.
        cases: the rows of its table, a case held out each.
    """

    name: str
    content: dict
    cases: list[dict]

    @property
    def task(self) -> str:
        """What the networks find: "liver", "tumor" or "slice", slices with tumor."""
        return self.content["config"]["task"]


@dataclass(frozen=True)
class LoggedTraining:
    """A folder in which a network was trained.

    Attributes:
        name: the folder relative to the one that was given, to tell it from others.
        record: its run.json; of quantization-aware training and of gradual pruning the one of the run they belong to.
        stage: what was done there.
        log: the epochs in order, each figure a number.
    """

    folder: Path
    name: str
    record: dict
    stage: str
    log: list[dict[str, float]]


@dataclass
class Inputs:
    """All that was found, in the order of the folders; of the variants the size of each file, of the models the file by
    id."""

    evaluations: list[Evaluation] = field(default_factory=list)
    comparisons: list[ComparedModels] = field(default_factory=list)
    cross_validations: list[CrossValidation] = field(default_factory=list)
    runs: list[LoggedTraining] = field(default_factory=list)
    benchmarks: list[dict] = field(default_factory=list)
    variants: list[dict] = field(default_factory=list)
    counts: list[list[dict]] = field(default_factory=list)
    saliency: list[tuple[Path, dict]] = field(default_factory=list)
    models: dict[str, Path] = field(default_factory=dict)


def both_kinds(inputs: Inputs) -> bool:
    """Whether there are comparisons on test slices divided by slice and such divided by patient."""
    return {"slice", "patient"} <= {comparison.content["about"]["kind"] for comparison in tested(inputs)}


def tested(inputs: Inputs) -> list[ComparedModels]:
    """The comparisons on test slices; others are of slices that have trained or chosen something."""
    return [comparison for comparison in inputs.comparisons if comparison.content["about"]["subset"] == "test"]


def cross_validated(inputs: Inputs) -> dict[str, list[ComparedModels]]:
    """The folds of each model by name: several comparisons on test slices divided by patient, no patient in two."""
    folds: dict[str, list[ComparedModels]] = {}
    for comparison in tested(inputs):
        if comparison.content["about"]["kind"] == "patient":
            for name in comparison.scores:
                folds.setdefault(name, []).append(comparison)

    def apart(name: str) -> bool:
        patients = [set(comparison.scores[name].patient) for comparison in folds[name]]
        return len(patients) > 1 and len(set().union(*patients)) == sum(map(len, patients))

    return {name: comparisons for name, comparisons in folds.items() if apart(name)}


def read_inputs(folders: list[Path]) -> Inputs:
    """Read everything in the folders and below them; folders are recognized by the files in them.

    Raises:
        InputError: a folder does not exist, none holds anything for a report, or a file is damaged.
    """
    found = Inputs()
    roots: dict[Path, tuple[Path, Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder} is not a folder; name folders of training, evaluation, comparison, cross-validation or "
                "benchmark."
            )
        for path in sorted(path for path in folder.rglob("*") if path.name in _READERS or path.name == "log.csv"):
            roots.setdefault(path.resolve(), (path, folder))  # folders may lie in each other
    workflows = {resolved: _workflow_of(resolved) for resolved in roots}
    several = len(set(workflows.values()) - {None}) > 1  # in all of them files have the same names
    for resolved, (path, folder) in roots.items():
        workflow = workflows[resolved]
        _read(path, folder, found, f"{workflow.name}/" if several and workflow else "")
    if not any(vars(found).values()):
        raise InputError(
            f"{', '.join(map(str, folders))}: nothing there for a report; it is made of what 'livertumor train', "
            "'prepare', 'cross-validate', 'evaluate', 'compare', 'benchmark' and 'saliency' write."
        )
    return found


def _workflow_of(path: Path) -> Path | None:
    """The folder of the workflow ('livertumor compress') that a file belongs to."""
    return next((folder for folder in path.parents if (folder / "compress.toml").is_file()), None)


def _read(path: Path, root: Path, found: Inputs, workflow: str) -> None:
    """Read a file below the folder `root`; `workflow` goes before the names of models."""
    try:
        if path.name == "log.csv":
            found.runs += _run(path, root)
        else:
            _READERS[path.name](path, found, workflow)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a file this version can read ({type(error).__name__}: {error}); make it again."
        ) from error


def _evaluation(path: Path, found: Inputs, workflow: str) -> None:
    tables = {name: _rows(path.with_name(f"{name}.csv")) for name in ("lesions", "slices")}
    scores = _scores(tables["slices"], "probability") if tables["slices"] else None
    found.evaluations.append(Evaluation(path.parent, _json(path), tables["lesions"], scores))


def _comparison(path: Path, found: Inputs, workflow: str) -> None:
    content, rows = _json(path), _rows(path.with_name("predictions.csv"))
    scores = {f"{workflow}{name}": _scores(rows, name) for name in content["models"]}
    content["models"] = {f"{workflow}{name}": model for name, model in content["models"].items()}
    found.comparisons.append(ComparedModels(path.parent, content, scores))


def _cross_validation(path: Path, found: Inputs, workflow: str) -> None:
    content = _json(path)
    slices = content["config"]["task"] == "slice"
    if slices and not {"patients", "cases", "threshold", "confusion", "auc"} <= content["slices"].keys():
        raise ValueError("its figures are not complete")
    for point in () if slices else POINTS:
        if not {"threshold", "sure", "score", "mean_dice", "lesions_by_size"} <= content["points"][point].keys():
            raise ValueError(f"its operating point '{point}' is not complete")
    if not slices and not content["plane"]:
        raise ValueError("it holds no scores")
    name = f"{content['config']['name']} ({path.resolve().parent.name})"
    found.cross_validations.append(CrossValidation(name, content, _rows(path.with_name("cases.csv"))))


def _benchmark(path: Path, found: Inputs, workflow: str) -> None:
    content = _json(path)
    if all("file" in row for row in content["rows"]):  # else that of whole scans, which Testing/Benchmark writes
        content["rows"] = [row | {"file": f"{workflow}{row['file']}"} for row in content["rows"]]
        found.benchmarks.append(content)


def _saliency(path: Path, found: Inputs, workflow: str) -> None:
    record = _json(path)
    if path.with_name(record["picture"]).is_file():
        found.saliency.append((path.parent, record))


def _model(path: Path, found: Inputs, workflow: str) -> None:
    """The TFLite file of a model; its float twin, which has the same id, lies in a folder "float" and is left out."""
    file = path.with_name("model.tflite")
    if file.is_file() and path.parent.parent.name != "float":
        found.models.setdefault(f"{workflow}{_json(path)['id']}", file)


def _variants(path: Path, found: Inputs, workflow: str) -> None:
    """Sizes of the files beside variants.csv, as benchmarks have them."""
    for row in _rows(path):
        sizes = {"bytes": int(row["bytes"]), "gzip_bytes": int(row["gzip_bytes"]), "sparsity": float(row["sparsity"])}
        found.variants.append({"file": f"{workflow}{path.resolve().parent.name}/{row['variant']}.tflite"} | sizes)


def _run(log: Path, root: Path) -> list[LoggedTraining]:
    """The training that a log is of: of a run itself, or of quantization or gradual pruning, whose folders lie in
    one."""
    folder = log.parent
    record = next((read_record(each) for each in (folder, folder.parent) if is_run(each)), None)
    if record is None:
        return []  # a log.csv from elsewhere
    epochs = [{name: float(value) for name, value in row.items() if value} for row in _rows(log)]
    name = folder.relative_to(root.parent).as_posix() if folder != root else folder.resolve().name
    return [LoggedTraining(folder, name, record, _stage(folder, record), epochs)] if epochs else []


def _stage(folder: Path, record: dict) -> str:
    if not is_run(folder):
        return "gradual pruning" if folder.name == "gradual" else "quantization-aware training"
    for key, stage in (
        ("pruning", "fine-tuning of the pruned"),
        ("slimming", "fine-tuning of the slimmed"),
        ("distillation", "distillation"),
    ):
        if key in record:
            return stage
    return "training"


def _scores(rows: list[dict], column: str) -> Scores:
    tumor, liver = (np.array([row[name] == "1" for row in rows], dtype=bool) for name in ("tumor", "liver"))
    return Scores(
        np.array([row["patient"] for row in rows]), np.array([float(row[column]) for row in rows]), tumor, liver
    )


def _rows(path: Path) -> list[dict]:
    """The rows of a CSV file; none where there is no such file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> dict:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    return content


_READERS = {
    "evaluation.json": _evaluation,
    "comparison.json": _comparison,
    SUMMARY: _cross_validation,
    "benchmark.json": _benchmark,
    "variants.csv": _variants,
    "counts.csv": lambda path, found, workflow: found.counts.append(_rows(path)),
    "saliency.json": _saliency,
    "manifest.json": _model,
}
