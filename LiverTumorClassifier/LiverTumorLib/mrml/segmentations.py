"""Label volumes into segmentation nodes and back, on exactly the CT's grid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..ct.region import bounding_box
from ..errors import InputError
from ..records.results import LIVER, TUMOR
from ..records.segments import SEGMENTS, Segment, meaning_of
from .nodes import one_update, output_node, place_beside
from .translation import _
from .volumes import local_ijk_to_ras, transform_between

_LABELMAP = "Binary labelmap"
_SURFACE = "Closed surface"
_LIVER_OPACITY = 0.4  # of its surface


def labels_to_segmentation(labels: np.ndarray, ct_node, segmentation_node=None, segments: Iterable[Segment] = SEGMENTS):
    """Show labels as a segmentation with the names, colors and terminology of `segments`.

    A given segmentation keeps its other segments, its display and its name; of ours, what was in it is replaced. All
    segments are there even where they are empty, share one layer (they do not overlap) and lie under the CT's parent
    transform.

    Args:
        labels: uint8 (k, j, i) on the CT node's grid.
        ct_node: the volume node the labels belong to.
        segmentation_node: vtkMRMLSegmentationNode to write to; a new one is made without it.

    Returns:
        The segmentation node.

    Raises:
        InputError: the labels do not fit the CT node, or the given segmentation cannot hold label maps.
    """
    if labels.shape != ct_node.GetImageData().GetDimensions()[::-1]:
        raise InputError(
            _("{name} has changed its size since it was analyzed; run the analysis again.").format(
                name=ct_node.GetName()
            )
        )
    node = output_node(
        ct_node.GetScene(), "vtkMRMLSegmentationNode", f"{ct_node.GetName()} segmentation", segmentation_node
    )
    with one_update(node):
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        segmentation = node.GetSegmentation()
        had_surface = segmentation.ContainsRepresentation(_SURFACE)
        _make_labelmap_source(node)
        node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
        image = _oriented_image(labels, local_ijk_to_ras(ct_node))
        is_new = not segmentation.GetNumberOfSegments()
        for segment in segments:
            _set_segment(segmentation, segment, image)
        if is_new:
            node.GetDisplayNode().SetVisibility2DFill(False)  # which hides what is to be judged
            node.GetDisplayNode().SetSegmentOpacity3D(SEGMENTS[0].id, _LIVER_OPACITY)  # lesions lie inside
        if had_surface:  # what is shown in 3D was dropped with the old labels
            node.CreateClosedSurfaceRepresentation()
    place_beside(node, ct_node)
    return node


# Which segments are the liver (LIVER) and which are lesions (TUMOR), by their identifiers.
Meant = dict[int, list[str]]


def known_segments(segmentation_node) -> Meant:
    """The segments that are known to be the liver or lesions in it, by their identifier, name or terminology.

    One segment at most is the liver, ours or else the first that says so; any number are lesions. A meaning without
    segments is left out.
    """
    segmentation = segmentation_node.GetSegmentation()
    meanings = {identifier: _meaning(segmentation, identifier) for identifier in segmentation.GetSegmentIDs()}
    livers = sorted(
        (identifier for identifier, label in meanings.items() if label == LIVER),
        key=lambda each: each != SEGMENTS[0].id,
    )
    lesions = [identifier for identifier, label in meanings.items() if label == TUMOR]
    return {label: found for label, found in ((LIVER, livers[:1]), (TUMOR, lesions)) if found}


def labels_from_segmentation(segmentation_node, ct_node, meant: Meant | None = None) -> np.ndarray:
    """Labels of a segmentation on the CT's grid, for example after a user's corrections.

    Where segments overlap, the lesion counts. Another grid or another linear parent transform is resampled to the
    nearest voxel; segments that are missing are empty.

    Args:
        meant: which segments count, and as what; without it `known_segments`.

    Returns:
        uint8 (k, j, i); 1 liver, 2 lesion.

    Raises:
        InputError: the segmentation has none of the segments, or a nonlinear transform lies between it and the CT.
    """
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    segmentation = segmentation_node.GetSegmentation()
    meant = known_segments(segmentation_node) if meant is None else meant
    found = [(label, identifier) for label in (LIVER, TUMOR) for identifier in meant.get(label, ())]
    if not found:
        raise InputError(
            _(
                "{name} has no segment that is known to be the liver or a lesion; name the one you mean "
                "Liver or Lesion."
            ).format(name=segmentation_node.GetName())
        )
    if not segmentation.CreateRepresentation(_LABELMAP):
        raise InputError(
            _("The segments of {name} cannot be turned into voxels; draw them again.").format(
                name=segmentation_node.GetName()
            )
        )
    geometry = slicer.vtkOrientedImageData()
    geometry.SetExtent(*(bound for size in ct_node.GetImageData().GetDimensions() for bound in (0, size - 1)))
    _set_geometry(geometry, transform_between(ct_node, segmentation_node) @ local_ijk_to_ras(ct_node))
    identifiers, values = vtk.vtkStringArray(), vtk.vtkIntArray()
    for label, identifier in found:
        identifiers.InsertNextValue(identifier)
        values.InsertNextValue(label)
    merged = slicer.vtkOrientedImageData()
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not segmentation_node.GenerateMergedLabelmapForAllSegments(merged, mode, geometry, identifiers, values):
        raise InputError(
            _("The segments of {name} cannot be brought onto the grid of {other}.").format(
                name=segmentation_node.GetName(), other=ct_node.GetName()
            )
        )
    return vtk_to_numpy(merged.GetPointData().GetScalars()).reshape(merged.GetDimensions()[::-1]).astype(np.uint8)


def ct_of(segmentation_node):
    """The volume node that gave a segmentation its grid; None where there is none anymore."""
    return segmentation_node.GetNodeReference(segmentation_node.GetReferenceImageGeometryReferenceRole())


def _set_segment(segmentation, segment: Segment, image) -> None:
    """Replace one segment's voxels, or add the segment; a name or color that the user has given it stays."""
    import slicer

    existing = segmentation.GetSegment(segment.id)
    if existing is not None:
        segmentation.ClearSegment(segment.id)  # it may share its label map with segments that must stay as they are
        existing.SetLabelValue(segment.label)
        existing.AddRepresentation(_LABELMAP, image)
        _mark_automatic(existing)
        return
    new = slicer.vtkSegment()
    new.SetName(segment.name)
    new.SetNameAutoGenerated(False)
    new.SetColor(*segment.color)
    new.SetColorAutoGenerated(False)
    new.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), segment.terminology)
    new.SetLabelValue(segment.label)
    new.AddRepresentation(_LABELMAP, image)
    _mark_automatic(new)
    segmentation.AddSegment(new, segment.id)


def _mark_automatic(vtk_segment) -> None:
    """Say in the tags that DICOM export reads that a program drew the segment; without them it would be called drawn by
    hand."""
    vtk_segment.SetTag("DICOM.SegmentAlgorithmType", "AUTOMATIC")
    vtk_segment.SetTag("DICOM.SegmentAlgorithmName", "LiverTumor")


def _meaning(segmentation, identifier: str) -> int | None:
    own = next((segment.label for segment in SEGMENTS if segment.id == identifier), None)
    vtk_segment = segmentation.GetSegment(identifier)
    return own or meaning_of(vtk_segment.GetName() or "", _terminology(vtk_segment))


def _terminology(vtk_segment) -> str:
    import slicer
    import vtk

    value = vtk.reference("")
    return str(value) if vtk_segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), value) else ""


def _make_labelmap_source(node) -> None:
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.CreateRepresentation(_LABELMAP):
        raise InputError(
            _("{name} holds segments that cannot be turned into label maps; choose another output.").format(
                name=node.GetName()
            )
        )
    if segmentation.GetSourceRepresentationName() != _LABELMAP:
        segmentation.SetSourceRepresentationName(_LABELMAP)


def _oriented_image(labels: np.ndarray, ijk_to_ras: np.ndarray):
    """The labels' bounding box as an image in place, which is smaller to keep and faster to make surfaces of."""
    import slicer
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    box = bounding_box(labels) or (slice(0, 1),) * 3  # an image needs a voxel
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(bound for part in box[::-1] for bound in (part.start, part.stop - 1)))
    scalars = numpy_to_vtk(labels[box].astype(np.uint8).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    # The name that VTK gives; Slicer's DICOM export takes a segment for empty without it.
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    _set_geometry(image, ijk_to_ras)
    return image


def _set_geometry(image, ijk_to_ras: np.ndarray) -> None:
    import slicer

    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
