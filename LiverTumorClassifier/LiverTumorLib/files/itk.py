"""The small bridge to SimpleITK: reading images, and its LPS geometry to and from IJK to RAS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError, RequirementError
from .atomic import printable
from .intensity import hu_array
from .opening import announce
from .text_header import check_header

if TYPE_CHECKING:
    import SimpleITK as sitk

_LPS_RAS = np.diag([-1.0, -1.0, 1.0])


def import_sitk():
    """SimpleITK, or a RequirementError that says how to get it."""
    try:
        import SimpleITK
    except ModuleNotFoundError:
        raise RequirementError("Reading and writing NRRD, MetaImage and compressed DICOM needs SimpleITK: pip install SimpleITK.") from None
    except ImportError as error:  # its library cannot be mapped: not enough memory allowed, most often
        raise RequirementError(f"SimpleITK is installed, but cannot be loaded ({error}); allow the process more memory.") from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def itk_name(path: Path) -> str:
    """A path for SimpleITK, which ends the whole process where one is no text in UTF-8. Raises InputError there."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{printable(path)} has letters in its name that are no UTF-8 (of an old archive, perhaps); rename it.") from error
    announce(path)
    return os.fspath(path)


def load_image(path: Path) -> sitk.Image:
    """Read a 3-D image of plain numbers; a fourth dimension of one frame is dropped.

    Raises:
        InputError: unreadable, not 3-D, or several values per voxel.
    """
    sitk = import_sitk()
    try:
        image = sitk.ReadImage(itk_name(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: it is damaged, incomplete or no image of its kind; copy or export it again.") from error
    size = image.GetSize()
    if len(size) == 4 and size[3] == 1:
        image = image[:, :, :, 0]
    elif len(size) > 3:
        raise InputError(f"{path} is a series of {size[3]} volumes; export the one to be analysed.")
    elif len(size) < 3:
        raise InputError(f"{path} is a 2-D image; a CT volume is needed.")
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{path} has several values per voxel (colour, vectors or several frames); a CT in Hounsfield units is needed.")
    return image


def read_itk(path: Path, name: str) -> CTVolume:
    """Read NRRD or MetaImage as it is, unchecked.

    Raises:
        InputError: see `load_image` and `check_header`.
    """
    image = load_image(path)
    notes = check_header(path)
    array = hu_array(import_sitk().GetArrayViewFromImage(image))
    return CTVolume(np.array(array, copy=not array.flags.owndata), ijk_to_ras_of(image), name, notes)


def ijk_to_ras_of(image: sitk.Image) -> np.ndarray:
    """The 4x4 IJK to RAS matrix of a SimpleITK image."""
    matrix = np.eye(4)
    matrix[:3, :3] = _LPS_RAS @ np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = _LPS_RAS @ image.GetOrigin()
    return matrix


def image_from(array: np.ndarray, ijk_to_ras: np.ndarray) -> sitk.Image:
    """A SimpleITK image of a (k, j, i) array on its grid; sheared grids are kept."""
    image = import_sitk().GetImageFromArray(array)
    axes = _LPS_RAS @ ijk_to_ras[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin((_LPS_RAS @ ijk_to_ras[:3, 3]).tolist())
    return image
