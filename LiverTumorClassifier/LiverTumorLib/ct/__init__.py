"""CT geometry and intensity: the volume type, orientation, what a network is shown of it, filters."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .orientation import AxialView, to_axial
    from .volume import CTVolume

__all__ = ["AxialView", "CTVolume", "to_axial"]

_PLACES = {"AxialView": "orientation", "CTVolume": "volume", "to_axial": "orientation"}


def __getattr__(name: str) -> Any:
    """Loaded as it is asked for: whoever starts a child that does the work needs no NumPy itself."""
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
