"""The command-line options that are RunOptions."""

from __future__ import annotations

import argparse

from ..records.named_options import DEFAULTS, MODELS, RUN_OPTIONS
from ..records.options import RunOptions

_GROUPS = {"analysis": None, MODELS: "ids ('livertumor models' lists them) or folders of model bundles"}


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
    return RunOptions(**{name: getattr(arguments, name) for name in DEFAULTS if hasattr(arguments, name)})
