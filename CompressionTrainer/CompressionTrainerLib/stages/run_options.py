"""What the commands that start from a finished run are told alike."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_data_options, add_events_option


def add_source(parser: argparse.ArgumentParser, name: str = "run", metavar: str = "RUN") -> None:
    """The run to start from, which of its weights, the data it was trained on, and how progress is told."""
    parser.add_argument(name, type=Path, metavar=metavar, help="folder of a finished training run")
    add_data_options(parser)
    weights = "which weights of the run: best on the val patients, or last (default: %(default)s)"
    parser.add_argument("--weights", choices=("best", "last"), default="best", help=weights)
    add_events_option(parser)


def share(text: str) -> float:
    """An argument between 0 and 1, both excluded."""
    if not 0 < float(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return float(text)


def positive(text: str) -> float:
    """An argument above 0."""
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return float(text)


def epochs(text: str) -> int:
    """An argument that counts epochs."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of epochs; 1 is the least")
    return int(text)
