"""The commands that a chain is made of: which settings each of them takes, and how these are put into words."""

from __future__ import annotations

import argparse
import functools
import importlib
from collections.abc import Mapping, Sequence

from LiverTumorLib.cli import COMMANDS
from LiverTumorLib.errors import UsageError

# In the order in which they run. A stage has its command's name, where that can be a section's.
MAKING = ("prepare", "train", "distill", "slim", "prune", "quantize", "export", "onnx", "variants")
MEASURING = ("evaluate", "compare", "benchmark", "report")
STAGES = (*MAKING, *MEASURING)
_COMMANDS = {"onnx": "export-onnx"}
# Said by the chain itself.
_ALWAYS_OWN = {"help", "out", "events", "overwrite", "data", "cache"}
_OWN = {"prepare": {"folds"}, "evaluate": {"split", "subset", "pair", "log"}, "compare": {"split", "subset", "run", "log"}}


class _Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and exit."""

    def error(self, message: str) -> None:
        raise UsageError(message)


@functools.cache
def _parsers() -> Mapping[str, argparse.ArgumentParser]:
    commands = _Parser().add_subparsers(parser_class=_Parser)
    for module in COMMANDS:
        if module.startswith("CompressionTrainerLib.") and module != "CompressionTrainerLib.workflow.command":
            importlib.import_module(module).add_parser(commands)
    return commands.choices


def settings(stage: str) -> dict[str, argparse.Action]:
    """What a configuration may say of a stage, by name: the command's options without those that the chain gives."""
    own = _ALWAYS_OWN | _OWN.get(stage, {"split"})
    return {name: action for name, action in _options(stage).items() if name not in own}


def words(stage: str, sources: Sequence[object], options: Mapping[str, object]) -> list[str]:
    """The command line after `livertumor`: the arguments, then the options, False being a switch that is left off."""
    actions = _options(stage)
    line = [_COMMANDS.get(stage, stage), *map(str, sources)]
    for name, value in options.items():
        action = actions[name]
        if action.nargs == 0:
            if value is True:
                line.append(action.option_strings[0])
            elif isinstance(action, argparse.BooleanOptionalAction):
                line.append(action.option_strings[1])
        elif isinstance(action, argparse._AppendAction):
            for each in value:
                line += [action.option_strings[0], *map(str, each)]
        else:
            line += [action.option_strings[0], *map(str, value if isinstance(value, list) else [value])]
    return line + ["--events"] * ("events" in actions)


def parse(line: list[str]) -> argparse.Namespace:
    """What a command makes of its words; raises UsageError where it does not take them."""
    return _parsers()[line[0]].parse_args(line[1:])


def _options(stage: str) -> dict[str, argparse.Action]:
    """A command's options by their long names, with _ for -."""
    found = {}
    for action in _parsers()[_COMMANDS.get(stage, stage)]._actions:
        long = [flag for flag in action.option_strings if flag.startswith("--")]
        if long:
            found[long[0][2:].replace("-", "_")] = action
    return found
