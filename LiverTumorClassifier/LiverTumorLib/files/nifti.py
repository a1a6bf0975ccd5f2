"""NIfTI in: a header that nobody vouches for, its place in the patient as ITK and Slicer take it, stored values scaled
slice by slice."""

from __future__ import annotations

import io
import math
from pathlib import Path
from types import ModuleType

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError, RequirementError
from .kinds import is_gzip
from .nifti_header import NIFTI_1, NIFTI_2, number_type
from .stored import DAMAGE, MOST_BEHIND, MOST_PACKED_CT, check_grid, check_size, read_behind, read_hu, unpacked

_SIZES = {348: 352, 540: 544}  # bytes of the header -> where the voxels of a single file begin at the earliest
_MM = {1: (1000.0, "meters"), 3: (0.001, "micrometers")}  # xyzt_units
_SAME_SIZE = 0.01  # relative; headers are rounded
_APART_MM = 0.1


def import_nibabel() -> ModuleType:
    """nibabel, or a RequirementError that says how to get it."""
    try:
        import nibabel
    except ImportError:
        raise RequirementError("Writing NIfTI needs nibabel: pip install nibabel.") from None
    return nibabel


def read_nifti(path: Path, name: str, most_packed: float = MOST_PACKED_CT) -> CTVolume:
    """Read a NIfTI volume as it is, unchecked; compressed or not, whatever its name says.

    A fourth dimension of one frame is dropped, with a note. Where the header contradicts itself, the place is the one
    that ITK, and so Slicer, takes, with a note; where they would guess at the voxel size, it is refused.

    Args:
        path: the file.
        name: what to call the volume.
        most_packed: how many times larger a compressed file may become.

    Raises:
        InputError: damaged, not 3-D, color or complex values, no usable geometry, or another size than the header says.
    """
    packed = path.stat().st_size if is_gzip(path) else None
    try:
        with unpacked(path, None if packed is None else "deflate") as file:
            header, start = _header(file, path)
            shape, notes = _three(tuple(header["dim"][1 : header["dim"][0] + 1].tolist()), path)
            dtype, (slope, intercept) = _values(header, path)
            affine, place_notes = affine_of(header, path)
            planes = (shape[2], shape[1], shape[0])
            start, start_notes = _start(header, start, path, packed, math.prod(planes) * dtype.itemsize)
            check_size(path, planes, dtype, packed, path.stat().st_size - start, most_packed)
            file.read(start - int(header["sizeof_hdr"]))
            array = read_hu(file, planes, dtype, slope, intercept)
            behind = read_behind(file)
    except DAMAGE as error:
        raise InputError(f"{path} is damaged, incomplete or no NIfTI file; copy or export it again.") from error
    if behind > MOST_BEHIND:
        raise InputError(
            f"{path} holds far more than the voxels its header describes; the header is damaged, export it again."
        )
    if behind >= array[0].size * dtype.itemsize:
        notes += (f"The file holds {behind} bytes more than the {shape[2]} slices of its header; they were left out.",)
    return CTVolume(array, affine, name, notes + place_notes + start_notes)


def _header(file: io.BufferedIOBase, path: Path) -> tuple[np.void, int]:
    """The header of a single-file NIfTI-1 or NIfTI-2, unchecked, and where its voxels begin at the earliest."""
    head = file.read(348)
    size = (
        int.from_bytes(head[:4], "little")
        if head[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0")
        else int.from_bytes(head[:4], "big")
    )
    if size not in _SIZES:
        raise InputError(f"{path} is damaged, incomplete or no NIfTI file; copy or export it again.")
    head += file.read(size - 348)
    kind = (NIFTI_1 if size == 348 else NIFTI_2).newbyteorder("<" if head[:2] != b"\0\0" else ">")
    if len(head) < size:
        raise InputError(f"{path} is damaged, incomplete or no NIfTI file; copy or export it again.")
    header = np.frombuffer(head, kind)[0]
    magic = bytes(header["magic"])[:3]
    if magic in (b"ni1", b"ni2"):
        raise InputError(
            f"{path} is the header of a pair of files (.hdr and .img); convert the pair to one .nii file, in Slicer "
            "for example."
        )
    if magic not in (b"n+1", b"n+2"):
        raise InputError(
            f"{path} is not a NIfTI file but an Analyze one, which does not say where the patient's right is; export "
            "it as NIfTI."
        )
    return header, _SIZES[size]


def _three(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """The first three dimensions, and a note where single further ones were dropped."""
    if len(shape) < 3:
        raise InputError(f"{path} is a 2-D image; a CT volume is needed.")
    if any(n != 1 for n in shape[3:]):
        raise InputError(
            f"{path} is a series of {math.prod(map(int, shape[3:]))} volumes; export the one to be analyzed."
        )
    if min(shape) < 1:
        raise InputError(f"{path} holds no voxels; export it again.")
    three = int(shape[0]), int(shape[1]), int(shape[2])
    return three, ("The file is a 4-D series of one frame, which was taken.",) if len(shape) > 3 else ()


def _values(header: np.void, path: Path) -> tuple[np.dtype, tuple[float, float]]:
    """Number type, and slope and intercept of the stored values; 0 and NaN as slope mean that there are none."""
    try:
        dtype = number_type(header)
    except KeyError as error:
        raise InputError(
            f"{path} has values of a type that NIfTI does not know; its header is damaged, export it again."
        ) from error
    if dtype is None:
        raise InputError(f"{path} holds color or complex values; a CT in Hounsfield units is needed.")
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return dtype, (1.0, 0.0)
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise InputError(
            f"{path} has an impossible scaling of its values (slope {slope:g}, intercept {intercept:g}); export it "
            "again."
        )
    return dtype, (slope, intercept)


def _start(
    header: np.void, earliest: int, path: Path, packed: int | None, promised: int
) -> tuple[int, tuple[str, ...]]:
    """Where the voxels begin. A single file cannot hold them before its header ends, whatever offset that gives."""
    offset = float(header["vox_offset"])
    if offset >= earliest:
        if offset > MOST_BEHIND:
            raise InputError(
                f"{path} says that its voxels begin at byte {offset:.0f}; its header is damaged, export it again."
            )
        return int(offset), ()
    size = path.stat().st_size if packed is None else _size_in_trailer(path)
    # Some writers leave out the four bytes behind the header.
    start = earliest - 4 if size == earliest - 4 + promised else earliest
    return start, (
        (
            f"The header gives an impossible data offset ({offset:g}); the voxels were read from byte {start} on, "
            "behind it."
        ),
    )


def _size_in_trailer(path: Path) -> int:
    """What a gzip file says of its unpacked size (modulo 2**32), for choosing between two places only."""
    with open(path, "rb") as file:
        file.seek(-4, 2)
        return int.from_bytes(file.read(4), "little")


@np.errstate(invalid="ignore", over="ignore")  # of signaling NaN; what is not finite is looked for
def affine_of(header: np.void, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """IJK to RAS, in mm, of a NIfTI header, and notes where the header contradicts itself.

    The choice between sform and qform is that of ITK 5.4 (`NiftiImageIO::SetImageIOOrientationFromNIfTI`): the sform
    where it has right angles and is either alone, or of the scanner (code 1), or agrees with the qform; else the qform.
    A lone sheared sform (gantry tilt), which ITK cannot read, is taken as it is. Voxels have the size that `pixdim`
    gives, as in ITK.

    Raises:
        InputError: no voxel size, two that contradict each other, or no usable orientation.
    """
    sizes = np.abs(np.asarray(header["pixdim"][1:4], np.float64))
    has_sizes = bool((np.isfinite(sizes) & (sizes > 0)).all())
    sform, qform = _sform(header), _qform(header, sizes) if has_sizes else None
    scale, unit = _MM.get(int(header["xyzt_units"]) & 7, (1.0, ""))
    notes: tuple[str, ...] = ()
    if unit:
        notes += (f"The file gives lengths in {unit}; they were converted to millimeters.",)
    given = bool(header["sform_code"]) or bool(header["qform_code"])
    if sform is None and not has_sizes:
        raise InputError(f"{path} does not say how large its voxels are; export it again.")
    if given and (np.asarray(header["pixdim"][1:4], np.float64) < 0).any():
        raise InputError(
            f"{path} gives a negative voxel size (pixdim), by which some programs turn the image around, "
            "and others do not; correct its header, or export it again."
        )
    if not given:
        # Signs as they are, as in ITK.
        matrix = np.diag([*(np.asarray(header["pixdim"][1:4], np.float64) * (-1, -1, 1)), 1.0])
        notes += (
            (
                "The file does not say how the patient lies in it; left-posterior-superior order was assumed, as "
                "Slicer does."
            ),
        )
    elif sform is None:
        if qform is None:
            raise InputError(f"{path} has no usable orientation (its affine matrix is singular); export it again.")
        matrix = qform
        if header["sform_code"]:
            notes += ("The sform of the file is unusable; its qform gave the orientation, as in ITK and Slicer.",)
    else:
        matrix = sform
        if qform is not None:
            matrix, choice = _choose(header, sform, qform, scale)
            notes += choice
        if matrix is sform and has_sizes:
            matrix, sized = _sized(sform, sizes, path)
            notes += sized
    matrix = np.diag([scale, scale, scale, 1.0]) @ matrix
    check_grid(path, matrix)
    return matrix, notes


def _choose(header: np.void, sform: np.ndarray, qform: np.ndarray, mm: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Sform or qform, as ITK chooses, and a note where that matters; `mm` is how many mm the unit of the header has."""
    shape = [max(int(n), 1) for n in header["dim"][1:4]]
    corners = np.array(
        [[i, j, k, 1.0] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)]
    )
    unscaled = _rescaled(sform, np.linalg.norm(qform[:3, :3], axis=0))
    apart = mm * float(np.linalg.norm((corners @ (unscaled - qform).T)[:, :3], axis=1).max())
    axes = sform[:3, :3] / np.linalg.norm(sform[:3, :3], axis=0)
    upright = np.allclose(axes @ axes.T, np.eye(3), atol=1e-4)
    takes_sform = upright and (header["sform_code"] == 1 or apart < _APART_MM)
    if apart < _APART_MM:
        return (sform if takes_sform else qform), ()
    taken = "sform" if takes_sform else "qform"
    note = (
        f"The sform and the qform of the file lie up to {apart:.3g} mm apart; its {taken} was taken, as ITK and Slicer "
        "do."
    )
    return (sform if takes_sform else qform), (note,)


def _sized(sform: np.ndarray, sizes: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The sform with voxels as large as `pixdim` says, where the sform has plain directions; refused where both give a
    size."""
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    if np.allclose(lengths, sizes, rtol=_SAME_SIZE):
        return sform, ()
    if not np.allclose(lengths, 1, rtol=1e-3):
        of_sform, of_pixdim = (" x ".join(f"{value:.4g}" for value in values) for values in (lengths, sizes))
        raise InputError(
            f"{path} gives two voxel sizes, {of_sform} mm by its affine matrix (sform) and {of_pixdim} mm by pixdim; "
            "correct its header, or export it again."
        )
    return _rescaled(sform, sizes), (
        "The affine matrix of the file has no voxel size; that of pixdim was taken, as ITK and Slicer do.",
    )


def _rescaled(matrix: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    other = matrix.copy()
    other[:3, :3] *= sizes / np.linalg.norm(matrix[:3, :3], axis=0)
    return other


def _sform(header: np.void) -> np.ndarray | None:
    """The sform where the header has one that can be inverted."""
    matrix = np.array([*(np.asarray(header[f"srow_{axis}"], np.float64) for axis in "xyz"), (0, 0, 0, 1)])
    return matrix if header["sform_code"] > 0 and _usable(matrix) else None


def _qform(header: np.void, sizes: np.ndarray) -> np.ndarray | None:
    """The qform where the header has one, after `nifti_quatern_to_mat44` of the NIfTI library: a quaternion too long is
    shortened to 1."""
    b, c, d = (float(header[f"quatern_{axis}"]) for axis in "bcd")
    square = b * b + c * c + d * d
    a = math.sqrt(1 - square) if 1 - square >= 1e-7 else 0.0
    if a == 0 and math.isfinite(square) and square > 0:
        b, c, d = (value / math.sqrt(square) for value in (b, c, d))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * sizes * (1, 1, -1 if header["pixdim"][0] < 0 else 1)
    matrix[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return matrix if header["qform_code"] > 0 and _usable(matrix) else None


def _usable(matrix: np.ndarray) -> bool:
    """Whether a matrix is finite and can be inverted."""
    if not np.isfinite(matrix).all():
        return False
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    return bool((lengths > 0).all() and abs(np.linalg.det(matrix[:3, :3] / lengths)) > 1e-6)
