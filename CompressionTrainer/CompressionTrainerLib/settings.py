"""A stage's settings are the fields of a dataclass: its command line, its section in a configuration and its record are
read off them."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from LiverTumorLib.errors import UsageError
from LiverTumorLib.suggestion import did_you_mean


class Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=Dataclass)
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


def add_settings(parser: argparse.ArgumentParser, kind: type[Dataclass]) -> None:
    """Add an option to a command for each field of its settings."""
    groups: dict[str | None, Any] = {None: parser}
    for each, inner, several in _fields(kind):
        told: Option = each.metadata[_METADATA]
        if told.group not in groups:
            groups[told.group] = parser.add_argument_group(told.group)
        default: Any = each.default
        given: dict[str, Any] = {"default": default, "help": told.help}
        if inner is bool:
            given["action"] = argparse.BooleanOptionalAction if each.default else "store_true"
        else:
            given |= {"type": _parser_of(inner, told), "metavar": told.metavar, "choices": told.choices or None}
        if several:
            given |= {"nargs": "+", "action": "append", "default": list(default)} if several == 2 else {"nargs": "+"}
        groups[told.group].add_argument(_flag(each.name), **given)


def settings_from(kind: type[T], arguments: argparse.Namespace) -> T:
    """The settings that a command line has given; raises UsageError where they exclude each other."""
    values = {each.name: _frozen(getattr(arguments, each.name)) for each in dataclasses.fields(kind)}
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def read_settings(path: Path, stage: str, kind: type[Dataclass], values: object) -> dict[str, Any]:
    """What one section of a configuration file gives, by field and as the fields want it; files are found relative to
    its folder. Raises UsageError as `read_section`, and where settings exclude each other."""
    given = _values(path, stage, kind, values)
    _made(path, stage, kind, given)
    return given


def read_section(path: str | Path, section: str | None, kind: type[T], values: object) -> T:
    """A dataclass from what a configuration file says in one section.

    Args:
        path: of the file, for what is said of a wrong one; files in it are found relative to its folder.
        section: its name; None is what stands before all sections.
        kind: the dataclass. Lists are taken as tuples, whose content is for the class to check.
        values: the section's content.

    Raises:
        UsageError: it is not a section, has an unknown key (the nearest known one is named), lacks one, or has a value
            that does not fit.
    """
    return _made(path, section, kind, _values(path, section, kind, values))


def as_words(kind: type[Dataclass], given: Mapping[str, Any]) -> list[str]:
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


def _values(path: str | Path, section: str | None, kind: type[Dataclass], values: object) -> dict[str, Any]:
    """The content of a section by field, as the fields want it."""
    where = _where(path, section)
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {section!r} is a section; write [{section}] and its settings below.")
    known = {each.name: (each, inner, several) for each, inner, several in _fields(kind)}
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{where}{key!r} is not a setting; {did_you_mean(key, known, 'known are')}")
        each, inner, several = known[key]
        try:
            told = each.metadata.get(_METADATA)
            if told:
                given[key] = _read(value, inner, several, told, Path(path).parent)
            else:
                given[key] = None if value is each.default is None else _plain(value, inner, several)
        except ValueError as error:
            raise UsageError(f"{where}{key} is {value!r}; it must be {error}.") from None
    return given


def _made(path: str | Path, section: str | None, kind: type[T], given: dict[str, Any]) -> T:
    """The dataclass with these values; what it lacks, or refuses, is told with the file."""
    where = _where(path, section)
    needed = [
        each.name for each in dataclasses.fields(kind) if each.default is each.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if name not in given]:
        raise UsageError(f"{where}{missing[0]!r} is missing; add it.")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}{error}.") from error


def _where(path: str | Path, section: str | None) -> str:
    return f"{path}: [{section}] " if section else f"{path}: "


def _fields(kind: type[Dataclass]) -> list[tuple[Field[Any], Any, int]]:
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
        several = value if isinstance(value, list) else [value]
        # Ids are often numbers.
        texts = [str(each) if inner is str and type(each) is int else each for each in several]
        return tuple(_read(each, inner, depth - 1, told, folder) for each in texts)
    _require_kind(value, inner)
    if told.choices and value not in told.choices:
        raise ValueError(f"one of {', '.join(map(str, told.choices))}")
    if told.limit and not told.limit.holds(value):
        raise ValueError(told.limit.words)
    return told.locate(str(value), folder) if inner is Path else value


def _plain(value: object, inner: Any, depth: int) -> Any:
    """A value of a field of which only its type says something; raises ValueError with what it must be."""
    if depth or inner not in _KIND_NAMES:
        return tuple(value) if isinstance(value, list) else value
    _require_kind(value, inner)
    return value


def _require_kind(value: object, inner: type) -> None:
    wanted: dict[type, tuple[type, ...]] = {float: (int, float), Path: (str,)}
    if not isinstance(value, wanted.get(inner, (inner,))) or (isinstance(value, bool) and inner is not bool):
        raise ValueError(_KIND_NAMES[inner])


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
