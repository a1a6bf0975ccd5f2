"""CT geometry and intensity: the volume type, orientation, what a network is shown of it, filters."""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .orientation import AxialView, to_axial
    from .volume import CTVolume

__all__ = ["AxialView", "CTVolume", "to_axial"]

__getattr__ = lazily(__name__, {"AxialView": "orientation", "CTVolume": "volume", "to_axial": "orientation"})
