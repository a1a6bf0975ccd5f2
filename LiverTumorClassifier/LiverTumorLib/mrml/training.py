"""A corrected case for the trainer: the CT and its labels as a pair of NIfTI files, images/NAME with masks/NAME."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from ..atomic import atomic_path
from ..ct.volume import AIR_HU, CTVolume
from ..errors import InputError, OutputError
from ..files.itk import image_from, import_sitk
from ..files.upright import upright
from ..records.results import LIVER
from .case_nodes import check_present
from .segmentations import labels_from_segmentation
from .serving import Computation
from .translation import _
from .volumes import take_ct

IMAGES, MASKS = "images", "masks"
_ENDING = ".nii.gz"
# Names that the trainer would take for those of LiTS, or for a mask beside its CT.
_LITS = re.compile(r"(volume|segmentation)-\d+.*", re.IGNORECASE)
_MASK = re.compile(r".+[-_. ](seg|segmentation|labels?|labelmap|masks?|truth)", re.IGNORECASE)


def adding_training_case(segmentation_node, ct_node, folder: str | Path) -> Computation:
    """Add a CT with the labels of its segmentation as they are now (1 liver, 2 lesion; rejected lesions are liver) to a
    folder that `livertumor prepare` reads. Both files are written, or none; where a gantry was tilted, on an `upright`
    grid.

    Args:
        folder: made where it is missing.

    Returns:
        the steps of a run, whose result is the name of the case: that of the volume without what file names cannot
        have.

    Raises:
        InputError: no liver in the segmentation, or the CT was changed meanwhile; see `take_ct`, `check_ct` and
        `labels_from_segmentation` too.
        OutputError: there is a case of that name, the folder holds cases in another layout, or it cannot be written.
    """
    check_present(ct_node)
    ct = take_ct(ct_node)
    labels = labels_from_segmentation(segmentation_node, ct_node)
    volume = yield ct.copied
    ct.check_unchanged()
    name = yield partial(_write_case, volume, labels, Path(folder), segmentation_node.GetName())
    return name


def _write_case(volume: CTVolume, labels: np.ndarray, folder: Path, segmentation: str) -> str:
    """Touches no node; `segmentation` is what the user calls the labels. For the rest see `adding_training_case`."""
    if not (labels == LIVER).any():
        raise InputError(
            _("{name} has no liver, from which nothing can be learned; draw it first.").format(name=segmentation)
        )
    name = _case_name(volume.name)
    image, mask = (folder / part / f"{name}{_ENDING}" for part in (IMAGES, MASKS))
    for found in _of_that_name(folder, name):
        raise OutputError(
            _("{path} is there already, and stays as it is; rename the volume, or remove that case.").format(path=found)
        )
    if layout := _other_layout(folder):
        raise OutputError(
            _(
                "{folder} holds cases in the layout of {layout}, beside which the trainer looks for no others; choose "
                "another folder."
            ).format(folder=folder, layout=layout)
        )
    voxels = volume.array if (volume.array != np.rint(volume.array)).any() else volume.array.astype(np.int16)
    try:
        _write(mask, *upright(labels, volume.ijk_to_ras))
        above_air, matrix = upright(voxels - int(AIR_HU), volume.ijk_to_ras)  # which puts 0 around it
        _write(image, above_air + int(AIR_HU), matrix)
    except BaseException:
        for path in (mask, image):
            with suppress(OSError):
                path.unlink()
        raise
    return name


def _case_name(name: str) -> str:
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-._") or "case"
    plain = f"case-{plain}" if _LITS.fullmatch(plain) else plain
    return f"{plain}-ct" if _MASK.fullmatch(plain) else plain


def _of_that_name(folder: Path, name: str) -> Iterator[Path]:
    for part in (IMAGES, MASKS):
        if (folder / part).is_dir():
            for path in sorted((folder / part).iterdir()):
                if path.name.lower().split(".nii")[0].split(".nrrd")[0] == name.lower():
                    yield path


def _other_layout(folder: Path) -> str:
    """The layout of what is in a folder, where the trainer would look for nothing else; "" where it is this one."""
    if (folder / "dataset.json").exists():
        return "MSD"
    for path in folder.rglob("*") if folder.is_dir() else ():
        if path.name == "PATIENT_DICOM":
            return "3D-IRCADb"
        if _LITS.fullmatch(path.name):
            return "LiTS"
    return ""


def _write(path: Path, array: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        try:
            import_sitk().WriteImage(image_from(array, ijk_to_ras), str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(_("{path} cannot be written; choose another folder.").format(path=path)) from error
