"""Options that several of the trainer's commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

STRATEGIES = ("none", "mirrored", "multiworker")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The labelled CT, how it is divided, and where its network slices are kept."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the CT and mask files of the split")
    parser.add_argument("--split", type=Path, required=True, metavar="FILE", help="frozen split (JSON)")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="folder of prepared network slices, shared between runs")


def add_start_option(parser: argparse.ArgumentParser) -> None:
    """The weights that a training starts from, as a path; that of an exported model is its TFLite file's."""
    words = "start from these weights, where layers match: of a run (.h5 file), or of a model (id, folder or .tflite file)"
    parser.add_argument("--start", type=start_weights, metavar="WEIGHTS", help=words)


def start_weights(words: str) -> Path:
    """See `start_file`."""
    from ..training.start import start_file

    return start_file(words)


def add_events_option(parser: argparse.ArgumentParser) -> None:
    """How progress is told."""
    events = "tell progress and the end as JSON lines on stdout, for a program that listens; closing stdin then stops the command"
    parser.add_argument("--events", action="store_true", help=events)


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
