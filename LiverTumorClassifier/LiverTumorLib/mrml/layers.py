"""Segments of a segmentation node as label values on a CT's grid, and back into one layer that they share.

Slicer keeps segments that do not overlap in one label map. Its own ways to read and to replace single segments go
through all voxels for each, which takes seconds for some dozens of lesions; here all are read and written at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ct.placed_mask import PlacedMask
from ..ct.region import bounding_box, shared_boxes
from ..errors import InputError
from ..records.results import TUMOR
from .checksums import LABELMAP, checksums_of, remember, voxels_of
from .translation import _
from .volumes import local_ijk_to_ras, transform_between

_SAME_PLACE = 1e-3  # voxels, by which two grids may be apart and are one


@dataclass(frozen=True)
class TakenSegments:
    """Segments as they lie in their layers, whose own memory the voxels are.

    Attributes:
        shape: (k, j, i) of the CT's grid.
        layers: label values (k, j, i) of each, where the first of them lies on the grid, and which of them, as what,
            count.
    """

    shape: tuple[int, int, int]
    layers: list[tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]]

    def merged(self) -> np.ndarray:
        """See `merged_labels`. Touches no node."""
        labels = np.zeros(self.shape, np.uint8)
        for voxels, first, values in self.layers:
            _paste(labels, voxels, first, values)
        return labels

    def beneath(self, labels: np.ndarray) -> dict[int, np.ndarray]:
        """For each lesion that has voxels under another one's label their indices into the flattened labels.

        Args:
            labels: as `merged`.
        """
        found: dict[int, list[np.ndarray]] = {}
        for voxels, first, values in self.layers if len(self.layers) > 1 else ():
            box, own = shared_boxes((0, 0, 0), labels.shape, first, voxels.shape)
            mapped = _mapped(voxels[own], [(value, label) for value, label in values if label >= TUMOR])
            covered = np.nonzero((mapped > 0) & (labels[box] != mapped))
            places = np.ravel_multi_index(
                [at + part.start for at, part in zip(covered, box, strict=True)], labels.shape
            )
            lost = mapped[covered]
            for label in np.unique(lost).tolist():
                found.setdefault(label, []).append(places[lost == label])
        return {label: np.concatenate(parts) for label, parts in found.items()}


def merged_labels(segmentation_node, ct_node, values: Sequence[tuple[str, int]]) -> np.ndarray:
    """Segments as label values on the CT's grid; where they overlap, the last one counts.

    Another grid or another linear parent transform is resampled to the nearest voxel.

    Args:
        values: identifiers of segments, and the label from 1 to 255 that each gets.

    Returns:
        uint8 (k, j, i).

    Raises:
        InputError: see `take_segments`.
    """
    return take_segments(segmentation_node, ct_node, values).merged()


def take_segments(segmentation_node, ct_node, values: Sequence[tuple[str, int]]) -> TakenSegments:
    """What `merged_labels` needs of the nodes.

    Raises:
        InputError: segments cannot be turned into voxels, or a nonlinear transform lies between them and the CT.
    """
    segmentation = segmentation_node.GetSegmentation()
    if not segmentation.CreateRepresentation(LABELMAP):
        raise InputError(
            _("The segments of {name} cannot be turned into voxels; draw them again.").format(
                name=segmentation_node.GetName()
            )
        )
    grid = transform_between(ct_node, segmentation_node) @ local_ijk_to_ras(ct_node)
    i, j, k = ct_node.GetImageData().GetDimensions()
    taken = TakenSegments((k, j, i), [])
    for group in _by_layer(segmentation, values):
        image = segmentation.GetSegment(group[0][0]).GetRepresentation(LABELMAP)
        voxels = voxels_of(image)
        assert voxels is not None
        if (first := _first_voxel(image, grid)) is not None:
            own = [(segmentation.GetSegment(each).GetLabelValue(), value) for each, value in group]
        else:
            voxels, first = _resampled(segmentation_node, ct_node, grid, group), np.zeros(3, int)
            own = [(value, value) for _each, value in group]
        taken.layers.append((voxels, first, own))
    return taken


def take_mask(segmentation_node, ct_node, mask: PlacedMask, image) -> TakenSegments:
    """A mask as 1 on the CT's grid, as `take_segments`.

    Args:
        image: the layer on whose grid the mask is.
    """
    grid = transform_between(ct_node, segmentation_node) @ local_ijk_to_ras(ct_node)
    i, j, k = ct_node.GetImageData().GetDimensions()
    voxels = mask.voxels.view(np.uint8)
    if (first := _first_voxel(image, grid)) is not None:
        first = first - image.GetExtent()[4::-2] + mask.first
    else:
        voxels, first = _moved(image, mask, grid, (k, j, i)), np.zeros(3, int)
    return TakenSegments((k, j, i), [(voxels, first, [(1, 1)])])


@dataclass(frozen=True)
class Layer:
    """Label values that are ready to be written. Made of voxels alone, which the background can do.

    Attributes:
        shape: (k, j, i) of the grid.
        image: vtkOrientedImageData of their bounding box, which lies nowhere yet.
        checksums: of each value from 1 to the greatest, see `checksums_of`.
        liver: of the labels of a run, where any value is, as `PlacedMask.text`.
    """

    shape: tuple[int, ...]
    image: Any
    checksums: dict[int, str]
    liver: str = ""

    @classmethod
    def of(cls, labels: np.ndarray) -> Layer:
        """The layer of labels, uint8 (k, j, i)."""
        image = _oriented_image(labels)
        voxels = voxels_of(image)
        assert voxels is not None
        values = range(1, int(voxels.max()) + 1)
        return cls(labels.shape, image, checksums_of(voxels, image.GetExtent()[4::-2], values) if values else {})


def write_layer(segmentation, layer: Layer, ijk_to_ras: np.ndarray, values: Sequence[tuple[str, int]]) -> None:
    """Give segments new voxels in one layer; the layers that they leave keep the others' voxels only.

    Args:
        ijk_to_ras: 4x4, in the segmentation node's own coordinates.
        values: identifiers of segments, which are there, and the label of each.
    """
    _set_geometry(layer.image, ijk_to_ras)
    identifiers = [identifier for identifier, _label in values]
    _leave_layers(segmentation, identifiers)
    for identifier, label in values:
        segment = segmentation.GetSegment(identifier)
        segment.SetLabelValue(label)
        segment.AddRepresentation(LABELMAP, layer.image)
    remember(layer.image, dict(layer.checksums))


def empty_segments(segmentation, identifiers: Sequence[str]) -> None:
    """Take all voxels from segments, at once."""
    _leave_layers(segmentation, identifiers)
    for identifier in identifiers:
        start_empty(segmentation.GetSegment(identifier))


def start_empty(vtk_segment) -> None:
    """Give a segment a layer of its own with no voxel of it; Slicer itself cannot where it has no converters."""
    vtk_segment.SetLabelValue(1)
    vtk_segment.AddRepresentation(LABELMAP, _oriented_image(np.zeros((1, 1, 1), np.uint8)))


def _by_layer(segmentation, values: Sequence[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Neighbors in `values` that share a layer, together; empty segments are left out."""
    groups: list[list[tuple[str, int]]] = []
    last = None
    for identifier, value in values:
        image = segmentation.GetSegment(identifier).GetRepresentation(LABELMAP)
        if voxels_of(image) is None:
            continue
        if image is not last:
            groups.append([])
        groups[-1].append((identifier, value))
        last = image
    return groups


def _leave_layers(segmentation, identifiers: Sequence[str]) -> None:
    """Erase segments from the layers that others stay in: a value that is left there could become another segment's."""
    leaving, staying = set(identifiers), {}
    for identifier in segmentation.GetSegmentIDs():
        if identifier not in leaving:
            image = segmentation.GetSegment(identifier).GetRepresentation(LABELMAP)
            staying[image] = True
    stale: dict = {}
    for identifier in leaving:
        segment = segmentation.GetSegment(identifier)
        image = segment.GetRepresentation(LABELMAP)
        if image in staying:
            stale.setdefault(image, []).append(segment.GetLabelValue())
    for image, values in stale.items():
        if (voxels := voxels_of(image)) is not None:
            voxels[np.isin(voxels, values, kind="table" if voxels.dtype.kind in "iu" else None)] = 0
            image.GetPointData().GetScalars().Modified()
            image.Modified()


def image_to_world(image) -> np.ndarray:
    """4x4 matrix of a layer's grid, from (i, j, k) to RAS."""
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _first_voxel(image, grid: np.ndarray) -> np.ndarray | None:
    """Where the first voxel (k, j, i) of a layer lies on a grid; None where the layer is on another grid."""
    between = np.linalg.solve(grid, image_to_world(image))  # from the layer's voxels to the grid's
    reach = max(map(abs, image.GetExtent())) + 1
    shift = np.rint(between[:3, 3])
    if np.abs(between[:3, :3] - np.eye(3)).max() * reach + np.abs(between[:3, 3] - shift).max() > _SAME_PLACE:
        return None
    return shift[::-1].astype(int) + image.GetExtent()[4::-2]


def _paste(labels: np.ndarray, voxels: np.ndarray, first: np.ndarray, values: list[tuple[int, int]]) -> None:
    """Put those of a layer's values that are named, as other ones, into labels; what lies outside them is cut off."""
    box, own = shared_boxes((0, 0, 0), labels.shape, first, voxels.shape)
    for plane, target in zip(voxels[own], labels[box], strict=True):
        if plane.any():
            mapped = _mapped(plane, values)
            np.copyto(target, mapped, where=mapped > 0)


def _mapped(voxels: np.ndarray, values: list[tuple[int, int]]) -> np.ndarray:
    """Those of a layer's values that are named, as other ones."""
    if voxels.dtype == np.uint8:
        table = np.zeros(256, np.uint8)
        for value, label in values:
            table[value] = label
        return table[voxels]
    mapped = np.zeros(voxels.shape, np.uint8)
    for value, label in values:
        mapped[voxels == value] = label
    return mapped


def _resampled(segmentation_node, ct_node, grid: np.ndarray, values: Sequence[tuple[str, int]]) -> np.ndarray:
    """By Slicer, to the nearest voxel."""
    import slicer
    import vtk

    geometry = slicer.vtkOrientedImageData()
    geometry.SetExtent(*_extent((0, 0, 0), ct_node.GetImageData().GetDimensions()[::-1]))
    _set_geometry(geometry, grid)
    identifiers, labels = vtk.vtkStringArray(), vtk.vtkIntArray()
    for identifier, label in values:
        identifiers.InsertNextValue(identifier)
        labels.InsertNextValue(label)
    merged = slicer.vtkOrientedImageData()
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    voxels = None
    if segmentation_node.GenerateMergedLabelmapForAllSegments(merged, mode, geometry, identifiers, labels):
        voxels = voxels_of(merged)
    if voxels is None:
        raise InputError(
            _("The segments of {name} cannot be brought onto the grid of {other}.").format(
                name=segmentation_node.GetName(), other=ct_node.GetName()
            )
        )
    return voxels.astype(np.uint8)


def _moved(image, mask: PlacedMask, grid: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """A mask on a layer's grid resampled to another one, to the nearest voxel."""
    import slicer

    own, geometry, moved = (slicer.vtkOrientedImageData() for _number in range(3))
    own.CopyDirections(image)
    own.SetSpacing(image.GetSpacing())
    own.SetOrigin(image.GetOrigin())
    own.SetExtent(*_extent(mask.first, mask.voxels.shape))
    own.GetPointData().SetScalars(_scalars(mask.voxels))
    geometry.SetExtent(*_extent((0, 0, 0), shape))
    _set_geometry(geometry, grid)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(own, geometry, moved, False)
    voxels = voxels_of(moved)
    assert voxels is not None
    return voxels


def _oriented_image(labels: np.ndarray):
    """The labels' bounding box as an image, which is smaller to keep and faster to make surfaces of."""
    import slicer

    box = bounding_box(labels) or (slice(0, 1),) * 3  # an image needs a voxel
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*_extent([part.start for part in box], [part.stop - part.start for part in box]))
    image.GetPointData().SetScalars(_scalars(labels[box]))
    return image


def _scalars(voxels: np.ndarray):
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    scalars = numpy_to_vtk(voxels.astype(np.uint8).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    # The name that VTK gives; Slicer's DICOM export takes a segment for empty without it.
    scalars.SetName("ImageScalars")
    return scalars


def _extent(first: Sequence[int], shape: Sequence[int]) -> list[int]:
    """Of a box (k, j, i), as VTK has it."""
    return [bound for a, n in zip(first[::-1], shape[::-1], strict=True) for bound in (int(a), int(a + n - 1))]


def _set_geometry(image, ijk_to_ras: np.ndarray) -> None:
    import slicer

    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
