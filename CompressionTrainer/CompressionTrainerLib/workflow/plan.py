"""The stages of a workflow: what each is told, what it builds on, and the folder it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from LiverTumorLib.errors import UsageError

from ..training.config import TrainConfig
from . import commands
from .config import ConfigFile, Workflow
from .content import Content, digest, file_content

MODELS = "models"
NETWORK, STUDENT, SPLIT = "network.toml", "student.toml", "split.json"
# Given the same command again, these continue where they were stopped.
_RESUME = ("prepare", "train", "distill", "slim", "prune", "quantize")
# The network that was made, alone.
_SWITCHES = {
    "liver": ("no_tumor", "no_slices"),
    "tumor": ("true_liver", "no_slices"),
    "slice": ("true_liver", "no_tumor"),
}


@dataclass(frozen=True)
class Stage:
    """One command of the workflow.

    Attributes:
        name: of the stage, in `commands.STAGES`.
        sources, options: what the command is told; a Path is one in the workflow's folder, a Content comes from
            outside.
        folder: what it makes.
        parts: all that its result depends on, by name, as JSON; the stages it builds on stand there with their
          identities.
        steps: training steps it takes, 0 where it does not train.
        config: what is trained.
        resumes: given the same command again, it continues where it was stopped.
    """

    name: str
    sources: Sequence[Path | Content]
    options: dict[str, object]
    folder: Path
    parts: dict[str, object]
    steps: int
    config: TrainConfig
    resumes: bool

    @property
    def after(self) -> list[str]:
        """The stages that it builds on."""
        after = self.parts["after"]
        assert isinstance(after, dict)
        return list(after)

    @property
    def identity(self) -> str:
        """SHA-256 of all that the result depends on."""
        return digest(self.parts)

    @property
    def words(self) -> list[str]:
        """The command line after `livertumor`; a path with * in its name stands for the files there are."""
        return commands.words(self.name, [file for path in self.sources for file in _files(path)], self.options)


def plan(workflow: Workflow, data: Content, split: Content | None, out: Path, cache: Path) -> list[Stage]:
    """The stages of a workflow in the order in which they run; looks at no file in `out`.

    Args:
        data: folder with the labeled CT.
        split: frozen split, or None where the workflow makes its own.
        out: the workflow's folder.
        cache: folder of prepared network slices.

    Raises:
        UsageError: a setting that its command does not take.
    """
    planner = _Planner(workflow, out)
    if split is None:
        planner.add("prepare", [data], {"out": out / "prepare"}, out / "prepare")
    shared = {"data": data, "split": split or out / "prepare" / "split.json", "cache": Content(cache, "")}
    first = ["prepare"] if split is None else []

    run, made_by, networks = out / "train", ["train"], []
    planner.add("train", [_configuration(out / NETWORK, workflow.network)], shared | {"out": run}, run, first)
    for name in ("distill", "slim", "prune"):
        if name in workflow.stages:
            own = shared | {"out": out / name}
            if name == "distill" and workflow.student:
                own["config"] = _configuration(out / STUDENT, workflow.student)
                planner.config = workflow.student.config
            networks.append(_weights(workflow, name, run))
            planner.add(name, [run], own, out / name, made_by)
            run, made_by = out / name, [name]
    networks.append(_weights(workflow, "quantize" if "quantize" in workflow.stages else "export", run))
    if "quantize" in workflow.stages:
        planner.add("quantize", [run], shared, run / "quantized", made_by)
        made_by = [*made_by, "quantize"]

    model, variants, task = out / MODELS / workflow.name, out / "variants", planner.config.task
    planner.add("export", [run], shared | {"out": model}, out / MODELS, made_by)
    planner.add("onnx", [model], {}, out / "onnx", ["export"])
    planner.add("variants", [run], shared | {"out": variants}, variants, made_by)

    # Measured on the val patients only: the test patients are for the time when all choices are made.
    subset = {"subset": "val", "split": shared["split"]}
    twins = {f"{task}_model": model, f"float_{task}_model": run / "float" / workflow.name}
    measured = subset | {"out": out / "evaluate", **twins, **dict.fromkeys(_SWITCHES[task], True)}
    planner.add("evaluate", [data], measured, out / "evaluate", ["export"])
    models = [*networks, model, *([variants / "*.tflite"] if "variants" in workflow.stages else [])]
    files = [name for name in commands.MAKING if name != "prepare"]
    if task == "slice":
        planner.add("compare", models, shared | subset | {"run": run, "out": out / "compare"}, out / "compare", files)
    planner.add("benchmark", models, {"out": out / "benchmark"}, out / "benchmark", files)
    planner.add("report", [out], {"out": out / "report" / "report.html"}, out / "report", commands.STAGES)
    return planner.stages


class _Planner:
    """Collects the stages that the workflow has; `config` is what is trained from here on."""

    def __init__(self, workflow: Workflow, out: Path) -> None:
        self._workflow, self._out = workflow, out
        self.config = workflow.network.config
        self.stages: list[Stage] = []

    def add(
        self,
        name: str,
        sources: Sequence[Path | Content],
        own: Mapping[str, object],
        folder: Path,
        after: Sequence[str] = (),
    ) -> None:
        """Add a stage, if the workflow has it; `own` options are the workflow's, which the configuration's do not
        touch."""
        if name not in self._workflow.stages and name != "prepare":
            return
        given = {
            key: file_content(value) if isinstance(value, Path) else value
            for key, value in self._workflow.stages.get(name, {}).items()
        }
        for key in given.keys() & own.keys():
            raise UsageError(f"{self._workflow.path}: [{name}] {key} is for the workflow to say; leave it out.")
        options: dict[str, object] = {**given, **own}
        identities = {stage.name: stage.identity for stage in self.stages if stage.name in after}
        parts: dict[str, object] = {
            "command": name,
            "after": identities,
            "sources": [self._part(source) for source in sources],
        }
        parts |= {key: self._part(value) for key, value in options.items()}
        stage = Stage(name, sources, options, folder, parts, self._steps(name), self.config, name in _RESUME)
        self.stages.append(stage)

    def _part(self, value: object) -> object:
        """A value as its result depends on it, wherever the workflow's folder is."""
        if isinstance(value, Content):
            return value.sha256
        if isinstance(value, tuple):
            return [self._part(each) for each in value]
        return value.relative_to(self._out).as_posix() if isinstance(value, Path) else value

    def _steps(self, name: str) -> int:
        """Training steps: of all epochs that the configuration or the stage's settings speak of."""
        optimizer = self.config.optimizer
        settings = commands.COMMANDS[name].settings(**self._workflow.stages.get(name, {}))
        own = getattr(settings, "epochs", 0) + getattr(settings, "fine_tune", 0)
        epochs = optimizer.epochs if name in ("train", "distill") else own
        return epochs * (self.config.sampling.slices // optimizer.batch)


def _weights(workflow: Workflow, stage: str, run: Path) -> Path:
    """Those of a run's weights that a stage continues with."""
    return run / f"{workflow.stages.get(stage, {}).get('weights', 'best')}.weights.h5"


def _files(path: Path | Content) -> Sequence[Path | Content]:
    return sorted(path.parent.glob(path.name)) if isinstance(path, Path) and "*" in path.name else [path]


def _configuration(copy: Path, network: ConfigFile) -> Content:
    """The copy of a training configuration in the workflow's folder; what it says counts, not how it is written."""
    return Content(copy, digest(asdict(network.config)))
