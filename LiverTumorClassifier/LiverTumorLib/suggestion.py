"""What is said of a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MANY = 20


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a sentence about an unknown name: the nearest known one or, where none is near, all of them after
    `otherwise`."""
    names = [each for each in known if each]
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{otherwise} {', '.join(names[:_MANY])}{', …' if len(names) > _MANY else ''}."
