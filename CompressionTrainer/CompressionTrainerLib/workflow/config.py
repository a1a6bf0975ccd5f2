"""A workflow's configuration: one TOML file that names a network and the stages it goes through, every setting
known."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any

from LiverTumorLib.errors import UsageError

from ..settings import read_section, read_settings
from ..training.config import CONFIGS as NETWORKS
from ..training.config import TrainConfig, find_config, load_config
from .commands import COMMANDS, STAGES

CONFIGS = Path(__file__).parent / "configs"
FROM_SCRATCH = "none"
NEEDS = dict.fromkeys(("onnx", "evaluate", "compare", "benchmark"), "export")


@dataclass(frozen=True)
class ConfigFile:
    """A training configuration and the file it came from."""

    path: Path
    config: TrainConfig


@dataclass(frozen=True)
class Workflow:
    """What is to be done.

    Attributes:
        path: the configuration file.
        name: of the workflow, and the id of the model that comes out.
        network: what is trained.
        student: what distillation trains, or None.
        stages: settings by stage; stages that are left out are not there. "train" always is.
    """

    path: Path
    name: str
    network: ConfigFile
    student: ConfigFile | None
    stages: dict[str, dict[str, Any]]


def load_workflow(
    config: str | Path, network: str | Path | None = None, files: dict[str, Path] | None = None
) -> Workflow:
    """Read a workflow's configuration.

    Args:
        config: a file, or the name of a shipped one.
        network: a training configuration instead of the one that the file names.
        files: settings of the train stage ("imagenet", "start") that take the place of the file's; a start FROM_SCRATCH
          is none.

    Raises:
        UsageError: an unreadable file, an unknown key (the nearest known one is named), a missing key, or a file that
        is not there.
    """
    path = find_config(config, CONFIGS, "workflow configuration")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as a workflow configuration: {error}.") from error
    keys: list[tuple[str, Any] | tuple[str, Any, Any]] = [("name", str), ("network", str)]
    keys += [(stage, Any, None) for stage in STAGES]
    head: Any = read_section(path, None, make_dataclass("Head", keys), content)
    if not is_name(head.name):
        raise UsageError(
            f"{path}: name is {head.name!r}; it becomes a folder's name, so use letters, digits, '-', '_' and '.' only."
        )
    named = _network(network, Path()) if network else _network(head.network, path.parent)
    given = {stage: content[stage] for stage in STAGES if stage in content}
    student = None
    if "distill" in given:
        student_config = given["distill"].pop("config", None) if isinstance(given["distill"], dict) else None
        if student_config is None:
            raise UsageError(f"{path}: [distill] lacks config, the student's training configuration.")
        student = _network(str(student_config), path.parent)
    stages = {stage: read_settings(path, stage, COMMANDS[stage].settings, values) for stage, values in given.items()}
    stages["train"] = stages.get("train", {}) | (files or {})
    start = stages["train"].get("start")
    if isinstance(start, Path) and start.name == FROM_SCRATCH and not start.exists():
        del stages["train"]["start"]
    for stage, needed in NEEDS.items():
        if stage in stages and needed not in stages:
            raise UsageError(
                f"{path}: [{stage}] needs what [{needed}] makes; add a section [{needed}], which may be empty."
            )
    for stage, values in stages.items():
        for name, value in values.items():
            if isinstance(value, Path) and not value.is_file():
                raise UsageError(f"{value}, which [{stage}] {name} names, is missing; check the name.")
    return Workflow(path, head.name, named, student, stages)


def is_name(text: str) -> bool:
    """Whether a text may be the name of a workflow, which is that of a folder."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) is not None


def _network(given: str | Path, folder: Path) -> ConfigFile:
    path = find_config(given, NETWORKS, "training configuration", folder)
    return ConfigFile(path, load_config(path))
