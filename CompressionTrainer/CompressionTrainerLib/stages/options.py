"""Arguments that several of the trainer's commands share, and the settings that stages have in common."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from LiverTumorLib.errors import OutputError

from ..data.training_data import TrainingData
from ..training.settings import START, start_weights

if TYPE_CHECKING:
    from ..progress import ProgressReport

CONFIG_HELP = (
    "training configuration: a TOML file (its path has a separator or ends in .toml), or the name of a shipped one"
)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The labeled CT, how it is divided, and where its network slices are kept."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with the CT and mask files of the split"
    )
    parser.add_argument("--split", type=Path, required=True, metavar="FILE", help="frozen split (JSON)")
    parser.add_argument(
        "--cache",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of prepared network slices, shared between runs",
    )


def training_data(arguments: argparse.Namespace) -> TrainingData:
    """What `add_data_options` has asked for."""
    return TrainingData(arguments.data, arguments.split, arguments.cache)


def add_events_option(parser: argparse.ArgumentParser) -> None:
    """How progress is told."""
    events = (
        "report progress and the end as JSON lines on stdout, for a program that listens; closing stdin then stops the "
        "command"
    )
    parser.add_argument("--events", action="store_true", help=events)


def add_source(parser: argparse.ArgumentParser, metavar: str = "RUN") -> None:
    """The run to start from, the data it was trained on, and how progress is told."""
    parser.add_argument("run", type=Path, metavar=metavar, help="folder of a finished training run")
    add_data_options(parser)
    add_events_option(parser)


def add_start_option(parser: argparse.ArgumentParser, more: str = "") -> None:
    """`start_option` for a command whose settings are others; `more` ends its help."""
    parser.add_argument("--start", type=start_weights, metavar="WEIGHTS", help=START + more)


def add_overwrite_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Whether what a folder holds already may be replaced."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def refuse_to_replace(arguments: argparse.Namespace, names: Iterable[str]) -> None:
    """Raises OutputError where the folder --out holds one of these files, and --overwrite was not given."""
    present = next((path for name in names if (path := arguments.out / name).exists()), None)
    if present and not arguments.overwrite:
        raise OutputError(f"{present} exists; choose another --out, or --overwrite.")


@contextlib.contextmanager
def training_work(events: bool, out: Path, *packages: str) -> Iterator[ProgressReport]:
    """Within the block TensorFlow may be loaded and a stop takes effect at once; gives what the work in `out` tells its
    progress to.

    Raises:
        RequirementError: TensorFlow, a package that goes with it, or one of `packages` is not installed.
    """
    from ..progress import reporting
    from ..requirement import need_trainer_packages
    from ..stopping import stops_promptly

    need_trainer_packages(*packages)
    with stops_promptly(), reporting(events, out) as report:
        yield report
