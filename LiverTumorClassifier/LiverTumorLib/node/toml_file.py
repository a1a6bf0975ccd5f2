"""A TOML file becomes dataclasses: known names, right types, values in range, or one sentence that says what is wrong
and where."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from ..errors import UsageError
from ..suggestion import did_you_mean

T = TypeVar("T")
_LIMIT = "limit"
_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "the name of a file",
    dict: "a table",
}


@dataclass(frozen=True)
class Limit:
    """What a value must keep to, in words that follow "it must be", and whether one does."""

    words: str
    holds: Callable[[Any], bool]


def limited(limit: Limit, default: Any = dataclasses.MISSING) -> Any:
    """A field whose values (each, of a list) keep to a limit."""
    return dataclasses.field(default=default, metadata={_LIMIT: limit})


def read_toml(path: Path) -> dict:
    """The content of a file. Raises UsageError."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(
            f"The configuration {path} cannot be read: {error.strerror or error}; check its name."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {path} is not TOML: {error}; correct that line.") from error


class Section:
    """Makes dataclasses of the tables of one file, whose name every complaint begins with."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self, kind: type[T], values: object, place: str = "") -> T:
        """A dataclass from a table; fields that are dataclasses, or tuples of them, are tables of their own.

        Raises UsageError: a name is unknown (the nearest known one is told) or missing, or a value does not fit.
        """
        if not isinstance(values, Mapping):
            raise self.wrong(f"{place} is {values!r}; it is a table, so write [{place}] and its settings below.")
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(cast(Any, kind))}
        for name in values:
            if name not in fields:
                raise self.wrong(f"{_at(place, name)} is not a setting; {did_you_mean(name, fields, 'known are')}")
        given = {
            name: self._value(hints[name], fields[name], value, _at(place, name)) for name, value in values.items()
        }
        for name, field in fields.items():
            if (
                name not in given
                and field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            ):
                raise self.wrong(f"{_at(place, name)} is missing.")
        try:
            return kind(**given)
        except ValueError as error:
            raise self.wrong(f"{place or 'it'}: {error}.") from error

    def wrong(self, what: str) -> UsageError:
        """The error that says what is wrong with this file."""
        return UsageError(f"{self._path}: {what}")

    def _value(self, hint: Any, field: dataclasses.Field, value: Any, place: str) -> Any:
        if isinstance(hint, types.UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        if dataclasses.is_dataclass(hint):
            return self.fill(cast(type, hint), value, place)
        if typing.get_origin(hint) is not tuple:
            return self._single(hint, field, value, place)
        parts = typing.get_args(hint)
        if not isinstance(value, list):
            raise self.wrong(f"{place} is {value!r}; it must be a list, in square brackets.")
        if parts[-1] is not Ellipsis and len(parts) != len(value):
            raise self.wrong(f"{place} is {value!r}; it must be a list of {len(parts)}.")
        if dataclasses.is_dataclass(parts[0]):
            return tuple(
                self.fill(cast(type, parts[0]), each, f"{place} {number}") for number, each in enumerate(value, 1)
            )
        return tuple(self._single(parts[0], field, each, place) for each in value)

    def _single(self, kind: type, field: dataclasses.Field, value: Any, place: str) -> Any:
        wanted = (int, float) if kind is float else str if kind is Path else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(f"{place} is {value!r}; it must be {_KINDS[kind]}.")
        limit: Limit | None = field.metadata.get(_LIMIT)
        if limit is not None and not limit.holds(value):
            raise self.wrong(f"{place} is {value!r}; it must be {limit.words}.")
        if kind is Path:
            return (self._path.parent / Path(str(value)).expanduser()).absolute()
        return value


def _at(place: str, name: str) -> str:
    return f"[{place}] {name}" if place else name
