"""A chain's configuration: one TOML file that names a network and the stages it goes through, every setting known."""

from __future__ import annotations

import argparse
import difflib
import re
import tomllib
from dataclasses import dataclass, make_dataclass
from pathlib import Path

from LiverTumorLib.errors import UsageError

from ..stages.options import start_weights
from ..training.config import TrainConfig, load_config, read_section
from ..training.start import start_file
from .commands import STAGES, settings

CONFIGS = Path(__file__).parent / "configs"
NETWORKS = Path(__file__).parents[1] / "training" / "configs"
NEEDS = dict.fromkeys(("onnx", "evaluate", "compare", "benchmark"), "export")


@dataclass(frozen=True)
class Network:
    """A training configuration and the file it came from."""

    path: Path
    config: TrainConfig


@dataclass(frozen=True)
class Chain:
    """What is to be done.

    Attributes:
        path: the configuration file.
        name: of the chain, and the id of the model that comes out.
        network: what is trained.
        student: what distillation trains, or None.
        stages: settings by stage; stages that are left out are not there. "train" always is.
    """

    path: Path
    name: str
    network: Network
    student: Network | None
    stages: dict[str, dict[str, object]]


def load_chain(config: str | Path, network: str | Path | None = None, files: dict[str, Path] | None = None) -> Chain:
    """Read a chain's configuration.

    Args:
        config: a file, or the name of a shipped one.
        network: a training configuration instead of the one that the file names.
        files: settings of the train stage ("imagenet", "start") that take the place of the file's.

    Raises:
        UsageError: an unreadable file, an unknown key (the nearest known one is named), a missing key, or a file that is not there.
    """
    path = _find(config, Path(), CONFIGS, "chain configuration")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a chain configuration: {error}.") from error
    keys = [("name", "str"), ("network", "str"), *((stage, "dict", None) for stage in STAGES)]
    head = read_section(path, make_dataclass("Head", keys), None, content)
    if not is_name(head.name):
        raise UsageError(f"{path}: name is {head.name!r}; it becomes a folder's name, so use letters, digits, '-', '_' and '.' only.")
    named = _network(network, Path()) if network else _network(head.network, path.parent)
    stages = {stage: _settings(path, stage, content[stage]) for stage in STAGES if stage in content}
    stages["train"] = stages.get("train", {}) | (files or {})
    for stage, needed in NEEDS.items():
        if stage in stages and needed not in stages:
            raise UsageError(f"{path}: [{stage}] needs what [{needed}] makes; add a section [{needed}], which may be empty.")
    student = None
    if "distill" in stages:
        if "config" not in stages["distill"]:
            raise UsageError(f"{path}: [distill] lacks config, the student's training configuration.")
        student = _network(str(stages["distill"].pop("config")), path.parent)
    for stage, values in stages.items():
        for name, value in values.items():
            if isinstance(value, Path) and not value.is_file():
                raise UsageError(f"{value}, which [{stage}] {name} names, is missing; check the name.")
    return Chain(path, head.name, named, student, stages)


def is_name(text: str) -> bool:
    """Whether a text may be the name of a chain, which is that of a folder."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) is not None


def _settings(path: Path, stage: str, values: object) -> dict[str, object]:
    known = settings(stage)
    checked = vars(read_section(path, make_dataclass("Settings", [(key, "object", None) for key in known]), stage, values))
    given = {key: values[key] for key in checked if key in values}
    for key, value in given.items():
        switch = known[key].nargs == 0
        if switch is not isinstance(value, bool):
            wanted = "true or false" if switch else "a value of another kind"
            raise UsageError(f"{path}: [{stage}] {key} is {value!r}; it must be {wanted}.")
    return {key: value if key == "config" else _located(known[key], value, path.parent) for key, value in given.items()}


def _located(option: argparse.Action, value: object, folder: Path) -> object:
    """A setting as it is or, where it names a file, that file, relative to the configuration's folder; the student is found as the
    network is."""
    if option.type is start_weights:
        return start_file(str(value), folder)
    return folder / str(value) if option.type is Path else value


def _network(given: str | Path, folder: Path) -> Network:
    path = _find(given, folder, NETWORKS, "training configuration")
    return Network(path, load_config(path))


def _find(given: str | Path, folder: Path, shipped: Path, what: str) -> Path:
    """A file that is named relative to a folder, or a shipped one by its name."""
    path = folder / given
    if path.is_file():
        return path
    names = {file.stem: file for file in sorted(shipped.glob("*.toml"))}
    if str(given) in names:
        return names[str(given)]
    near = difflib.get_close_matches(str(given), names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"shipped ones are {', '.join(names)}."
    raise UsageError(f"{path} is no {what}; {hint}")
