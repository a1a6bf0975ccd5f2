"""The command-line options that are RunOptions."""

from __future__ import annotations

import argparse
from dataclasses import fields

from ..pipelines.options import RunOptions

# Each option's destination is a field of RunOptions; one that is not given stays out, so that RunOptions alone knows the defaults.
_DEFAULTS = {field.name: field.default for field in fields(RunOptions)}


def add_run_options(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the options that make sense for a task ("segment" or "classify")."""
    group = parser.add_argument_group("analysis")
    if task == "segment":
        _add(group, "--no-tumor", "tumor", "segment the liver only", switch=True)
        _add(group, "--no-slices", "slices", "do not run the slice classifier", switch=True)
        _add(group, "--no-roi", "roi", "look for tumor in the whole abdomen, not only in the liver found first", switch=True)
        _add(group, "--margin-mm", "roi_margin_mm", "how far beyond the predicted liver tumor is believed, in mm", float)
        _add(group, "--min-lesion-ml", "min_lesion_ml", "drop smaller lesions, in ml", float)
        _add(group, "--liver-threshold", "liver_threshold", "probability from which a voxel is liver; the model has its own", float)
        _add(group, "--tumor-threshold", "tumor_threshold", "probability from which a voxel is tumor; the model has its own", float)
    _add(group, "--slice-threshold", "slice_threshold", "probability from which a slice is suspicious; the model has its own", float)
    group = parser.add_argument_group("models", "ids ('livertumor models' lists them) or folders of model bundles")
    if task == "segment":
        _add(group, "--liver-model", "liver_model", "network that finds the liver", str)
        _add(group, "--tumor-model", "tumor_model", "network that finds tumor", str)
    _add(group, "--slice-model", "slice_model", "network that classifies slices", str)
    _add(parser, "--threads", "threads", "CPU threads; by default all that this process may use", int)


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """The choices the user has made. Raises UsageError for values out of range."""
    return RunOptions(**{name: getattr(arguments, name) for name in _DEFAULTS if hasattr(arguments, name)})


def _add(parser, flag: str, field: str, text: str, kind: type | None = None, *, switch: bool = False) -> None:
    if switch:
        parser.add_argument(flag, dest=field, action="store_false", default=argparse.SUPPRESS, help=text)
        return
    default = _DEFAULTS[field]
    text = text if default is None else f"{text} (default: {default})"
    metavar = {str: "MODEL", int: "N", float: "X"}[kind]
    parser.add_argument(flag, dest=field, type=kind, metavar=metavar, default=argparse.SUPPRESS, help=text)
