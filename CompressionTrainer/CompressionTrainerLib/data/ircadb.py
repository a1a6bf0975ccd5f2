"""Masks as 3D-IRCADb-01 has them: one DICOM series for each structure, in folders named after the structures.

L. Soler et al., "3D image reconstruction for comparison of algorithm database", IRCAD, Strasbourg, 2010.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError, RequirementError
from LiverTumorLib.files.dicom_file import read_dataset
from LiverTumorLib.files.dicom_header import Identity, slice_geometry
from LiverTumorLib.files.dicom_pixels import read_pixels
from LiverTumorLib.files.dicom_series import Series
from LiverTumorLib.files.dicom_stack import make_stack
from LiverTumorLib.records.results import LIVER, TUMOR


def read_structures(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The label volume that the masks `liver` and `livertumor…` of one patient make together.

    Args:
        folder: the patient's MASKS_DICOM, or one around it.

    Returns:
        uint8 labels in (k, j, i) order, tumor over liver, and the 4x4 IJK to RAS matrix.

    Raises:
        InputError: no liver mask, a file that is not a DICOM mask, or masks of different size.
    """
    structures = {Path(place).name.lower(): Path(place) for place, _, files in os.walk(folder) if files}
    if "liver" not in structures:
        raise InputError(f"{folder} holds no folder 'liver' with DICOM masks; unpack the patient's MASKS_DICOM there.")
    inside, matrix = _read_mask(structures["liver"])
    labels = np.where(inside, np.uint8(LIVER), np.uint8(0))
    for name in sorted(name for name in structures if name.startswith("livertumor")):
        inside, own_matrix = _read_mask(structures[name])
        if inside.shape != labels.shape or not np.allclose(own_matrix, matrix, atol=0.01):
            raise InputError(
                f"{structures[name]} lies on another grid than the liver's mask beside it; copy the patient again."
            )
        labels[inside] = TUMOR
    return labels, matrix


def _read_mask(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Where one structure is, bool (k, j, i), and the 4x4 IJK to RAS matrix."""
    series = Series(Identity(), folder)
    for file in sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")):
        try:
            series.slices.append(slice_geometry(read_dataset(file, stop_before_pixels=True), file))
        except RequirementError:
            raise
        except Exception as error:  # pydicom raises errors of every kind on damaged files
            raise InputError(
                f"{file} is not a DICOM mask with a position and a pixel size; copy the patient again."
            ) from error
    stack = make_stack(series)
    if any(len(files) != 1 for files in stack.places):
        raise InputError(f"{folder} lacks a slice or holds one twice; copy the patient again.")
    inside = np.stack([read_pixels(file).stored > 0 for (file,) in stack.places])
    return (inside if stack.where is None else inside[np.rint(stack.where).astype(int)]), stack.ijk_to_ras
