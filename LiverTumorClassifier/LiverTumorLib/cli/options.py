"""The command-line options that are RunOptions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ..records.options import RunOptions

# Each option's destination is a field of RunOptions; one that is not given stays out, so that RunOptions alone knows
# the defaults.
_DEFAULTS = {field.name: field.default for field in fields(RunOptions)}


@dataclass(frozen=True)
class RunOption:
    """An option of the command line.

    Attributes:
        field: of RunOptions that it sets.
        text: its help.
        kind: of its value; bool is a switch that turns the field off.
        group: the heading under which the help has it.
        segments: whether it makes sense for "segment" only, and not for "classify".
    """

    field: str
    text: str
    kind: type
    group: str | None = "analysis"
    segments: bool = True

    @property
    def help(self) -> str:
        """The text, with the default where there is one."""
        default = _DEFAULTS[self.field]
        return self.text if self.kind is bool or default is None else f"{self.text} (default: {default})"

    @property
    def metavar(self) -> str | None:
        """What stands for the value in the help."""
        return {str: "MODEL", int: "N", float: "X", bool: None}[self.kind]


_MODELS = "models"
_GROUPS = {"analysis": None, _MODELS: "ids ('livertumor models' lists them) or folders of model bundles"}
# By name: --no-tumor is no_tumor.
RUN_OPTIONS = {
    "no_tumor": RunOption("tumor", "segment the liver only", bool),
    "no_slices": RunOption("slices", "do not run the slice classifier", bool),
    "no_roi": RunOption("roi", "look for tumor in the whole abdomen, not only in the liver found first", bool),
    "margin_mm": RunOption("roi_margin_mm", "how far beyond the predicted liver tumor is accepted, in mm", float),
    "min_lesion_ml": RunOption("min_lesion_ml", "drop smaller lesions, in ml", float),
    "liver_threshold": RunOption(
        "liver_threshold", "probability from which a voxel is liver; the model has its own", float
    ),
    "tumor_threshold": RunOption(
        "tumor_threshold", "probability from which a voxel is tumor; the model has its own", float
    ),
    "slice_threshold": RunOption(
        "slice_threshold", "probability from which a slice is suspicious; the model has its own", float, segments=False
    ),
    "liver_model": RunOption("liver_model", "network that finds the liver", str, _MODELS),
    "tumor_model": RunOption("tumor_model", "network that finds tumor", str, _MODELS),
    "slice_model": RunOption("slice_model", "network that classifies slices", str, _MODELS, segments=False),
    "threads": RunOption("threads", "CPU threads; by default all that this process may use", int, None, segments=False),
}


def add_run_options(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the options that make sense for a task ("segment" or "classify")."""
    groups = {None: parser} | {title: parser.add_argument_group(title, text) for title, text in _GROUPS.items()}
    for name, option in RUN_OPTIONS.items():
        if option.segments and task != "segment":
            continue
        given = {"action": "store_false"} if option.kind is bool else {"type": option.kind, "metavar": option.metavar}
        flag = f"--{name.replace('_', '-')}"
        groups[option.group].add_argument(flag, dest=option.field, default=argparse.SUPPRESS, help=option.help, **given)


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """The choices the user has made. Raises UsageError for values out of range."""
    return RunOptions(**{name: getattr(arguments, name) for name in _DEFAULTS if hasattr(arguments, name)})


def named_run_options(values: Mapping[str, object]) -> RunOptions:
    """The choices by the names in `RUN_OPTIONS`; None and False leave RunOptions' own. Raises UsageError for values out
    of range."""
    given = {
        name: value
        for name, value in values.items()
        if name in RUN_OPTIONS and value is not None and value is not False
    }
    return RunOptions(
        **{RUN_OPTIONS[name].field: False if RUN_OPTIONS[name].kind is bool else value for name, value in given.items()}
    )
