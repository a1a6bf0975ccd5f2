"""CT geometry and intensity: the volume type, orientation, resampling frames and windows."""

from .orientation import AxialView, to_axial
from .volume import CTVolume

__all__ = ["AxialView", "CTVolume", "to_axial"]
