"""Names of a package that are loaded as they are asked for (PEP 562): a command or a panel starts without the rest."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def lazily(package: str, places: dict[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`.

    Args:
        package: its `__name__`.
        places: for each name that it offers, the module of the package that has it.
    """

    def get(name: str) -> Any:
        if name in places:
            return getattr(importlib.import_module(f".{places[name]}", package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
