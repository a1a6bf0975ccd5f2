"""NIfTI in: orientation from sform or qform, stored values scaled slice by slice."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError, RequirementError
from .intensity import HUBuffer


def import_nibabel():
    """nibabel, or a RequirementError that says how to get it."""
    try:
        import nibabel
    except ImportError:
        raise RequirementError("Reading and writing NIfTI needs nibabel: pip install nibabel.") from None
    return nibabel


def read_nifti(path: Path, name: str) -> CTVolume:
    """Read a NIfTI volume as it is, unchecked.

    A fourth dimension of one frame is dropped, with a note. Without sform and qform the axes are taken as Slicer and ITK take them.

    Raises:
        InputError: damaged, not 3-D, colour or complex values, or no usable geometry.
    """
    nibabel = import_nibabel()
    try:
        with _silent():
            image = nibabel.load(path, keep_file_open=True)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, *_DAMAGE) as error:
        raise _damaged(path) from error
    if not isinstance(image, nibabel.Nifti1Pair):  # Nifti2 is a kind of it, Analyze is not
        raise InputError(f"{path} is no NIfTI file; use .nii, .nii.gz, .nrrd, .mha or a DICOM folder.")
    shape, notes = _three(image.shape, path)
    if image.get_data_dtype().kind not in "buif":
        raise InputError(f"{path} holds colour or complex values; a CT in Hounsfield units is needed.")
    affine, orientation_note = _affine(image, path)
    rest = (0,) * (len(image.shape) - 3)
    buffer = HUBuffer(shape[::-1])
    try:
        with _stored(image, path) as stored:
            for k in range(shape[2]):
                buffer.put(k, np.asarray(stored[(slice(None), slice(None), k, *rest)]).T)
    except _DAMAGE as error:
        raise _damaged(path) from error
    return CTVolume(buffer.array, affine, name, notes + orientation_note)


@contextmanager
def _silent() -> Iterator[None]:
    """What nibabel mends in a header it would say on stderr."""
    logger = import_nibabel().imageglobals.logger
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _stored(image, path: Path) -> Iterator:
    """The stored values of an image; a compressed file is then read to its end, behind which lies the checksum that tells damage."""
    if not path.name.lower().endswith(".gz"):
        yield image.dataobj
        return
    with gzip.open(path) as file:
        with _silent():
            unpacked = type(image).from_file_map({"image": import_nibabel().FileHolder(fileobj=file)})
        yield unpacked.dataobj
        while file.read(1 << 20):
            pass


# What gzip, zlib, mmap and nibabel raise on incomplete or damaged files.
_DAMAGE = (OSError, EOFError, ValueError, zlib.error, OverflowError)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged, incomplete or no NIfTI file; copy or export it again.")


def _three(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """The first three dimensions, and a note where single further ones were dropped."""
    if len(shape) < 3:
        raise InputError(f"{path} is a 2-D image; a CT volume is needed.")
    if any(n != 1 for n in shape[3:]):
        raise InputError(f"{path} is a series of {int(np.prod(shape[3:]))} volumes; export the one to be analysed.")
    if min(shape) < 1:
        raise InputError(f"{path} holds no voxels; export it again.")
    return shape[:3], ("The file is a 4-D series of one frame, which was taken.",) if len(shape) > 3 else ()


def _affine(image, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS of a NIfTI image; refused when it is not invertible, or would rest on a voxel size that the file does not give."""
    with import_nibabel().openers.ImageOpener(path) as file:
        sizes = type(image.header).from_fileobj(file, check=False)["pixdim"][1:4]  # as they are in the file; nibabel makes 0 to 1
    if image.header["sform_code"] == 0 and not (np.isfinite(sizes) & (sizes != 0)).all():
        raise InputError(f"{path} does not say how large its voxels are; export it again.")
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        spacing = np.asarray(image.header.get_zooms()[:3], np.float64)
        affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
        notes = ("The file does not say how the patient lies in it; left-posterior-superior order was assumed, as Slicer does.",)
    else:
        affine, notes = np.asarray(image.affine, np.float64), ()
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(f"{path} has no usable orientation (its affine matrix is singular); export it again.")
    return affine, notes
