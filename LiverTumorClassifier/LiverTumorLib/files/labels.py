"""Label volumes in and out: Slicer's .seg.nrrd with names, colors and terminology, and NIfTI label maps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import atomic_path
from ..ct.volume import LPS_RAS
from ..errors import InputError
from ..records.judgments import REJECTED
from ..records.results import LIVER, TUMOR
from ..records.segments import (
    ALGORITHM_TAG,
    LENT_TAG,
    NUMBER_TAG,
    PROGRAM_ALGORITHMS,
    SEGMENTS,
    STATUS_TAG,
    Segment,
    meaning_of,
)
from .inflate import gzipped_labels
from .kinds import NRRD, kind_of
from .nifti import import_nibabel
from .nrrd import layer_count, read_layers
from .opening import announce
from .reading import check_path, read_stored
from .stored import MOST_PACKED
from .text_header import TextHeader, parse
from .upright import upright

if TYPE_CHECKING:
    import nibabel

_SEGMENT_NAME = re.compile(r"Segment\d+_Name")


def read_labels(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a label volume from NIfTI, NRRD (also Slicer's .seg.nrrd) or MetaImage.

    Returns:
        uint8 labels in (k, j, i) order and the 4x4 IJK to RAS matrix. Where a .seg.nrrd has segments that are all known
        to be the liver or lesions, these are 1 and 2; else values are as they are in the file. Of a rejected lesion is
        liver what the liver's segment has got of it. Where segments of several layers overlap, the lesion counts.

    Raises:
        InputError: unreadable, not 3-D, values that are not whole numbers from 0 to 255, or several layers of segments
            that are not all known.
    """
    path = check_path(path)
    announce(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; choose a file of labels (NIfTI, NRRD or MetaImage).")
    header = parse(path) if kind_of(path) == NRRD else None
    if header is not None and layer_count(header) > 1:
        array, matrix = read_layers(header, MOST_PACKED)
    else:
        volume = read_stored(path, path.name, MOST_PACKED)
        array, matrix = volume.array, volume.ijk_to_ras
    if not (array.min() >= 0 and array.max() <= 255):
        raise InputError(
            f"{path} is not a label volume: its values run from {array.min():g} to {array.max():g}, not from 0 to 255."
        )
    labels = array.astype(np.uint8)
    if array.dtype.kind == "f" and not (labels == array).all():
        raise InputError(f"{path} is not a label volume: its values are not whole numbers.")
    meant = None if header is None else _meanings(header)
    if labels.ndim == 3 and meant is None:
        return labels, matrix
    if meant is None:
        raise InputError(
            f"{path} has several layers of segments, and not all are known to be the liver or a lesion; name them "
            "Liver and Lesion, or export them as one label map."
        )
    layers = labels if labels.ndim == 4 else labels[..., np.newaxis]
    return _merged(layers, meant), matrix


def _merged(layers: np.ndarray, meant: list[tuple[int, int, int]]) -> np.ndarray:
    """Layers (k, j, i, layer) as one volume of 1 and 2."""
    labels = np.zeros(layers.shape[:3], np.uint8)
    for layer in range(layers.shape[3]):
        table = np.zeros(256, np.uint8)
        for place, value, meaning in meant:
            if place == layer:
                table[value] = meaning
        np.maximum(labels, table[layers[..., layer]], out=labels)
    return labels


def _meanings(header: TextHeader) -> list[tuple[int, int, int]] | None:
    """For each segment of a .seg.nrrd its layer, its value there and what it is: 1 liver, 2 lesion; None where there
    are no segments, or not all are known."""
    pairs = header.pairs
    names = {key.removesuffix("_Name"): name for key, name in pairs.items() if _SEGMENT_NAME.fullmatch(key)}
    found = []
    for segment, name in names.items():
        tags = dict(part.partition(":")[::2] for part in pairs.get(f"{segment}_Tags", "").split("|"))
        value, layer = pairs.get(f"{segment}_LabelValue", ""), pairs.get(f"{segment}_Layer", "0")
        meaning = TUMOR if tags.get(NUMBER_TAG) else meaning_of(name, tags.get("TerminologyEntry", ""))
        if meaning is None or not value.isdecimal() or not 0 < int(value) < 256 or not layer.isdecimal():
            return None
        found.append((int(layer), int(value), _rejected_meaning(tags) if tags.get(STATUS_TAG) == REJECTED else meaning))
    return found or None


def _rejected_meaning(tags: dict[str, str]) -> int:
    """What the voxels of a rejected lesion are by themselves: liver only where a program had found them and the liver's
    segment, as in files of earlier versions, has not got what is liver of them."""
    return 0 if tags.get(LENT_TAG) or tags.get(ALGORITHM_TAG) not in PROGRAM_ALGORITHMS else LIVER


def write_segmentation(
    path: str | Path, labels: np.ndarray, ijk_to_ras: np.ndarray, segments: Iterable[Segment] = SEGMENTS
) -> None:
    """Write labels as a segmentation that Slicer opens with names, colors and terminology; the path ends in .seg.nrrd.

    The CT's grid goes along as Slicer's reference geometry. All segments share one layer, and each is listed even where
    it has no voxel, so that all results of a batch have the same segments.

    Args:
        path: file to write; replaced as a whole.
        labels: uint8 (k, j, i).
        ijk_to_ras: 4x4 matrix of the grid; sheared grids (gantry tilt) are kept.
        segments: what the label values mean.

    Raises:
        OutputError: the file cannot be written.
    """
    axes = LPS_RAS @ np.asarray(ijk_to_ras, np.float64)[:3] + 0.0  # no -0.0
    extent = " ".join(f"0 {n - 1}" for n in labels.shape[::-1])
    geometry = ";".join((*map(repr, np.asarray(ijk_to_ras, float).ravel().tolist()), *extent.split()))
    keys: dict[str, str] = {}
    for number, segment in enumerate(segments):
        fields = {
            "ID": segment.id,
            "Name": segment.name,
            "NameAutoGenerated": "0",
            "Color": " ".join(f"{channel:.6g}" for channel in segment.color),
            "ColorAutoGenerated": "0",
            "LabelValue": str(segment.label),
            "Layer": "0",
            "Extent": extent,
            "Tags": "".join(f"{name}:{value}|" for name, value in _tags(segment)),
        }
        keys |= {f"Segment{number}_{key}": value for key, value in fields.items()}
    keys |= {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_ConversionParameters": f"Reference image geometry|{geometry};|Grid of the CT.&",
    }
    lines = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, labels.shape[::-1]))}",
        f"space directions: {' '.join(map(_vector, axes[:, :3].T))}",
        "kinds: domain domain domain",
        "encoding: gzip",
        f"space origin: {_vector(axes[:, 3])}",
        *(f"{key}:={value}" for key, value in keys.items()),
    ]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write("\n".join([*lines, "", ""]).encode("utf-8"))
        file.write(gzipped_labels(np.ascontiguousarray(labels, np.uint8).data))


def _vector(values: np.ndarray) -> str:
    return f"({','.join(map(repr, values.tolist()))})"


def _tags(segment: Segment) -> Iterator[tuple[str, str]]:
    yield "TerminologyEntry", segment.terminology
    if segment.number:
        yield NUMBER_TAG, str(segment.number)
    yield from segment.tags


def write_label_nifti(path: str | Path, labels: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    """Write labels as a uint8 NIfTI label map; the path ends in .nii or .nii.gz.

    A grid without right angles (gantry tilt) is made `upright`, since ITK and Slicer open no other NIfTI.

    Raises:
        OutputError: the file cannot be written.
    """
    image = nifti_image(np.asarray(labels, np.uint8), ijk_to_ras)
    image.header["intent_code"] = 1002  # label map
    with atomic_path(path) as temporary:
        import_nibabel().save(image, temporary)


def nifti_image(array: np.ndarray, ijk_to_ras: np.ndarray) -> nibabel.Nifti1Image:
    """A nibabel image of a (k, j, i) array that ITK and Slicer open: sform and qform alike, on an `upright` grid."""
    array, matrix = upright(array, ijk_to_ras)
    image: nibabel.Nifti1Image = import_nibabel().Nifti1Image(array.T, matrix)
    image.set_sform(matrix, code="scanner")
    image.set_qform(matrix, code="scanner")
    image.header.set_xyzt_units("mm")
    return image
