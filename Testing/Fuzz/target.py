"""One kind of input, and what is wrong where it is read without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from mutate import mutate_bytes


class Changed(Exception):
    """A file was read without a word, and what it gave is not what was written into it."""


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        name: on the command line.
        make: writes a valid input into a folder and returns the file that is changed.
        take: given the changed file.
        mutate: changes its bytes.
    """

    name: str
    make: Callable[[Path], Path]
    take: Callable[[Path], object]
    mutate: Callable[[bytes, Random], bytes] = mutate_bytes
