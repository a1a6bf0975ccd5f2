"""The commands that a workflow is made of, the settings of each, and how these are put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..export.settings import ExportSettings
from ..settings import as_words
from ..stages.benchmark import BenchmarkSettings
from ..stages.compare import CompareSettings
from ..stages.distill import DistillSettings
from ..stages.evaluate import EvaluateSettings
from ..stages.export_variants import VariantsSettings
from ..stages.prepare import PrepareSettings
from ..stages.prune import PruneSettings
from ..stages.quantize import QuantizeSettings
from ..stages.report import ReportSettings
from ..stages.slim import SlimSettings
from ..training.settings import TrainSettings


@dataclass(frozen=True)
class NoSettings:
    """Those of a stage that has none."""


@dataclass(frozen=True)
class Command:
    """A stage's command: what it is called after `livertumor`, and the dataclass of what a configuration may say of
    it."""

    name: str
    settings: type


# In the order in which they run. A stage has its command's name, where that can be a section's.
_MAKING = {
    "prepare": Command("prepare", PrepareSettings),
    "train": Command("train", TrainSettings),
    "distill": Command("distill", DistillSettings),
    "slim": Command("slim", SlimSettings),
    "prune": Command("prune", PruneSettings),
    "quantize": Command("quantize", QuantizeSettings),
    "export": Command("export", ExportSettings),
    "onnx": Command("export-onnx", NoSettings),
    "variants": Command("variants", VariantsSettings),
}
_MEASURING = {
    "evaluate": Command("evaluate", EvaluateSettings),
    "compare": Command("compare", CompareSettings),
    "benchmark": Command("benchmark", BenchmarkSettings),
    "report": Command("report", ReportSettings),
}
COMMANDS = _MAKING | _MEASURING
MAKING, STAGES = tuple(_MAKING), tuple(COMMANDS)


def words(stage: str, sources: Sequence[object], options: Mapping[str, object]) -> list[str]:
    """The command line after `livertumor`: the arguments, then the options, and that it is a program that listens."""
    command = COMMANDS[stage]
    return [command.name, *map(str, sources), *as_words(command.settings, options), "--events"]
