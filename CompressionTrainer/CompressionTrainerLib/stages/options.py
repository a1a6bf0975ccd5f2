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
