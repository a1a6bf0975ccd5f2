"""The options of a run by the names that users give them: on the command line, and in a workflow's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .options import RunOptions

# Each option's destination is a field of RunOptions; one that is not given stays out, so that RunOptions alone knows
# the defaults.
DEFAULTS = {field.name: field.default for field in fields(RunOptions)}


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
        default = DEFAULTS[self.field]
        return self.text if self.kind is bool or default is None else f"{self.text} (default: {default})"

    @property
    def metavar(self) -> str | None:
        """What stands for the value in the help."""
        return {str: "MODEL", int: "N", float: "X", bool: None}[self.kind]


MODELS = "models"
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
    "liver_model": RunOption("liver_model", "network that finds the liver", str, MODELS),
    "tumor_model": RunOption("tumor_model", "network that finds tumor", str, MODELS),
    "slice_model": RunOption("slice_model", "network that classifies slices", str, MODELS, segments=False),
    "threads": RunOption("threads", "CPU threads; by default all that this process may use", int, None, segments=False),
}


def named_run_options(values: Mapping[str, object]) -> RunOptions:
    """The choices by the names in `RUN_OPTIONS`; None and False leave RunOptions' own. Raises UsageError for values out
    of range."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name in RUN_OPTIONS and value is not None and value is not False:
            option = RUN_OPTIONS[name]
            given[option.field] = False if option.kind is bool else value
    return RunOptions(**given)
