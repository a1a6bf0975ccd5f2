"""A stage's settings are the fields of a dataclass: its command line, its section in a configuration and its record are
read off them."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from LiverTumorLib.errors import UsageError
from LiverTumorLib.suggestion import did_you_mean

T = TypeVar("T")
_KIND_NAMES = {
    float: "a number",
    int: "a whole number",
    str: "a text",
    bool: "true or false",
    Path: "the name of a file",
}
_METADATA = "option"


@dataclass(frozen=True)
class Limit:
    """What a value must keep to, in words that follow "it must be", and whether one does."""

    words: str
    holds: Callable[[Any], bool]


SHARE = Limit("between 0 and 1", lambda value: 0 < value < 1)
POSITIVE = Limit("above 0", lambda value: value > 0)
COUNT = Limit("at least 1", lambda value: value >= 1)


@dataclass(frozen=True)
class Option:
    """What is to be said of a field beside its type and its default.

    Attributes:
        help: for the command line.
        metavar: what stands for its value there.
        choices: the values there are.
        limit: what a number must keep to.
        locate: a file from what a user calls it, relative to a folder.
        group: the heading under which the command line's help has it.
    """

    help: str
    metavar: str | None = None
    choices: tuple = ()
    limit: Limit | None = None
    locate: Callable[[str, Path], Path] = lambda text, folder: folder / text
    group: str | None = None


def option(default: Any, text: str, **more: Any) -> Any:
    """A field of a settings dataclass with its default; the rest is `Option`'s."""
    return field(default=default, metadata={_METADATA: Option(text, **more)})


def weights_option() -> Any:
    """The setting of all that continues with a run: which of its weights."""
    text = "which weights of the run: best on the val patients, or last (default: %(default)s)"
    return option("best", text, choices=("best", "last"))


def add_settings(parser: argparse.ArgumentParser, kind: type) -> None:
    """Add an option to a command for each field of its settings."""
    groups: dict[str | None, Any] = {None: parser}
    for each, inner, several in _fields(kind):
        told: Option = each.metadata[_METADATA]
        if told.group not in groups:
            groups[told.group] = parser.add_argument_group(told.group)
        given: dict[str, Any] = {"default": each.default, "help": told.help}
        if inner is bool:
            given["action"] = argparse.BooleanOptionalAction if each.default else "store_true"
        else:
            given |= {"type": _parser_of(inner, told), "metavar": told.metavar, "choices": told.choices or None}
        if several:
            given |= (
                {"nargs": "+", "action": "append", "default": list(each.default)} if several == 2 else {"nargs": "+"}
            )
        groups[told.group].add_argument(_flag(each.name), **given)


def settings_from(kind: type[T], arguments: argparse.Namespace) -> T:
    """The settings that a command line has given; raises UsageError where they exclude each other."""
    values = {each.name: _frozen(getattr(arguments, each.name)) for each in dataclasses.fields(kind)}
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def read_settings(path: Path, stage: str, kind: type, values: object) -> dict[str, Any]:
    """What one section of a configuration file gives, by field and as the fields want it; files are found relative to
    its folder.

    Raises:
        UsageError: it is not a section, has an unknown key (the nearest known one is named) or a value that does not
        fit.
    """
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {stage!r} is a section; write [{stage}] and its settings below.")
    known, given = {each.name: (each, inner, several) for each, inner, several in _fields(kind)}, {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{path}: [{stage}] {key!r} is not a setting; {did_you_mean(key, known, 'known are')}")
        each, inner, several = known[key]
        try:
            given[key] = _read(value, inner, several, each.metadata[_METADATA], path.parent)
        except ValueError as error:
            raise UsageError(f"{path}: [{stage}] {key} is {value!r}; it must be {error}.") from None
    try:
        kind(**given)
    except ValueError as error:
        raise UsageError(f"{path}: [{stage}] {error}.") from error
    return given


def as_words(kind: type, given: Mapping[str, Any]) -> list[str]:
    """Settings, and other options beside them, as a command line has them; a switch that is at its default is left
    out."""
    defaults = {each.name: each.default for each in dataclasses.fields(kind)}
    line: list[str] = []
    for name, value in given.items():
        if isinstance(value, bool):
            if value is defaults.get(name):
                continue
            line.append(_flag(name) if value else f"--no-{_flag(name)[2:]}")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
            for group in value:
                line += [_flag(name), *map(str, group)]
        else:
            line += [_flag(name), *map(str, value if isinstance(value, (list, tuple)) else [value])]
    return line


def changed(settings: Any) -> dict[str, Any]:
    """The fields that are not at their default."""
    return {
        each.name: value
        for each in dataclasses.fields(settings)
        if (value := getattr(settings, each.name)) != each.default
    }


def _fields(kind: type) -> list[tuple[dataclasses.Field, type, int]]:
    """The fields, the type of one value of each, and how deep the list is in which they come."""
    hints, found = typing.get_type_hints(kind), []
    for each in dataclasses.fields(kind):
        inner, depth = hints[each.name], 0
        while typing.get_origin(inner) in (types.UnionType, typing.Union, tuple):
            depth += typing.get_origin(inner) is tuple
            inner = next(part for part in typing.get_args(inner) if part is not type(None))
        found.append((each, inner, depth))
    return found


def _read(value: object, inner: type, depth: int, told: Option, folder: Path) -> Any:
    """A value of a configuration file as its field wants it; raises ValueError with what it must be."""
    if depth:
        return tuple(
            _read(each, inner, depth - 1, told, folder) for each in (value if isinstance(value, list) else [value])
        )
    if inner is str and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # ids are often numbers
    wanted = {float: (int, float), Path: str}.get(inner, inner)
    if not isinstance(value, wanted) or (isinstance(value, bool) and inner is not bool):
        raise ValueError(_KIND_NAMES[inner])
    if told.choices and value not in told.choices:
        raise ValueError(f"one of {', '.join(map(str, told.choices))}")
    if told.limit and not told.limit.holds(value):
        raise ValueError(told.limit.words)
    return told.locate(str(value), folder) if inner is Path else value


def _parser_of(inner: type, told: Option) -> Callable[[str], Any]:
    """What argparse makes a value of its text with."""

    def parse(text: str) -> Any:
        value = told.locate(text, Path()) if inner is Path else inner(text)
        if told.limit and not told.limit.holds(value):
            raise argparse.ArgumentTypeError(f"{text} is not {told.limit.words}")
        return value

    parse.__name__ = inner.__name__  # argparse names it where the text is not one
    return parse


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
