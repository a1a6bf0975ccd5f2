"""CT geometry and intensity: the volume type, orientation, what a network is shown of it, filters."""

from .orientation import AxialView, to_axial
from .volume import CTVolume

__all__ = ["AxialView", "CTVolume", "to_axial"]
