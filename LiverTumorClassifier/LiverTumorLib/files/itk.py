"""The small bridge to SimpleITK: names that it can open, and images on our grids for it to write."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import printable
from ..ct.volume import LPS_RAS
from ..errors import InputError, RequirementError
from .opening import announce

if TYPE_CHECKING:
    import SimpleITK as sitk


def import_sitk() -> ModuleType:
    """SimpleITK, or a RequirementError that says how to get it."""
    try:
        import SimpleITK
    except ModuleNotFoundError:
        raise RequirementError(
            "Compressed DICOM, follow-up and label maps as NRRD need SimpleITK: pip install SimpleITK."
        ) from None
    except ImportError as error:  # its library cannot be mapped: not enough memory allowed, most often
        raise RequirementError(
            f"SimpleITK is installed, but cannot be loaded ({error}); allow the process more memory."
        ) from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def itk_name(path: Path) -> str:
    """A path for SimpleITK, which ends the whole process where one is not UTF-8 text. Raises InputError there."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{printable(path)} has characters in its name that are not UTF-8 (from an old archive?); rename it."
        ) from error
    announce(path)
    return os.fspath(path)


def image_from(array: np.ndarray, ijk_to_ras: np.ndarray) -> sitk.Image:
    """A SimpleITK image of a (k, j, i) array on its grid; sheared grids are kept."""
    image: sitk.Image = import_sitk().GetImageFromArray(array)
    axes = LPS_RAS @ ijk_to_ras[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin((LPS_RAS @ ijk_to_ras[:3, 3]).tolist())
    return image
