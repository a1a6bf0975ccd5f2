"""Label volumes into segmentation nodes and back, on exactly the CT's grid: the liver, and a segment a lesion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..ct import CTVolume, to_axial
from ..ct.orientation import is_resampled
from ..ct.placed_mask import PlacedMask
from ..errors import InputError
from ..pipelines.lesions import number_lesions
from ..records.results import LIVER, TUMOR
from ..records.segments import LESION_SEGMENT, LIVER_SEGMENT, MOST_LESIONS, Segment, lesion_segments, meaning_of
from .checksums import LABELMAP, voxels_of
from .layers import Layer, TakenSegments, empty_segments, start_empty, take_segments, write_layer
from .nodes import one_update, output_node, place_beside
from .segment_tags import by_hand, is_lent, judgment_of, number_of, say_algorithm, set_number, tag
from .translation import _
from .volumes import ijk_to_world, local_ijk_to_ras

_SURFACE = "Closed surface"
_LIVER_OPACITY = 0.4  # of its surface


def labels_to_segmentation(labels: np.ndarray, ct_node, segmentation_node=None):
    """Show labels as a segmentation: the liver, and each connected lesion as a segment, "Lesion 1" the largest.

    All have the names, colors and terminology of `LiverTumorLib.records.segments`. A given segmentation keeps its other
    segments, its display and its name; its liver and its lesions of earlier runs are replaced. They share one layer
    (they do not overlap) and lie under the CT's parent transform. The last of very many lesions share a segment.

    Args:
        labels: uint8 (k, j, i) on the CT node's grid; 1 liver, 2 lesion.
        ct_node: the volume node the labels belong to.
        segmentation_node: vtkMRMLSegmentationNode to write to; a new one is made without it.

    Returns:
        The segmentation node.

    Raises:
        InputError: the labels do not fit the CT node, or the given segmentation cannot hold label maps.
    """
    return layer_to_segmentation(numbered_layer(labels, ijk_to_world(ct_node)), ct_node, segmentation_node)


def numbered_layer(labels: np.ndarray, ijk_to_ras: np.ndarray) -> Layer:
    """The layer that `labels_to_segmentation` writes: 1 liver, 2 the largest lesion, 3 the next. Touches no node.

    Args:
        ijk_to_ras: 4x4 of the labels, in the world.
    """
    layer = Layer.of(_numbered(labels, ijk_to_ras))
    voxels = voxels_of(layer.image)
    assert voxels is not None
    return replace(layer, liver=PlacedMask.of(voxels, layer.image.GetExtent()[4::-2]).text())


def layer_to_segmentation(layer: Layer, ct_node, segmentation_node=None):
    """As `labels_to_segmentation`, of a `numbered_layer`."""
    check_size(layer.shape, ct_node)
    node = output_node(
        ct_node.GetScene(), "vtkMRMLSegmentationNode", f"{ct_node.GetName()} segmentation", segmentation_node
    )
    with one_update(node), surface_follows(node):
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        _make_labelmap_source(node)
        is_new = not node.GetSegmentation().GetNumberOfSegments()
        remove_segments(node, own_lesions(node))
        count = max(layer.checksums, default=LIVER) - LIVER
        segments = [LIVER_SEGMENT, *lesion_segments(count)]
        for segment in segments:
            add_segment(node, segment)
            say_algorithm(node.GetSegmentation().GetSegment(segment.id), "AUTOMATIC")
        write_segments(node, ct_node, layer, [(segment.id, segment.label) for segment in segments])
        if is_new:
            node.GetDisplayNode().SetVisibility2DFill(False)  # which hides what is to be judged
            node.GetDisplayNode().SetSegmentOpacity3D(LIVER_SEGMENT.id, _LIVER_OPACITY)  # lesions lie inside
    place_beside(node, ct_node)
    return node


@contextmanager
def surface_follows(segmentation_node) -> Iterator[None]:
    """Make the surfaces that are shown in 3D again after the block, which changes voxels."""
    segmentation = segmentation_node.GetSegmentation()
    had_surface = segmentation.ContainsRepresentation(_SURFACE)
    yield
    if had_surface:
        segmentation.RemoveRepresentation(_SURFACE)
        segmentation_node.CreateClosedSurfaceRepresentation()


def write_segments(segmentation_node, ct_node, layer: Layer, values: Sequence[tuple[str, int]]) -> None:
    """Give segments new voxels in one layer; the others stay as they are.

    Args:
        layer: on the CT's grid.
        values: identifiers of segments, which are there, and the label of each.
    """
    segmentation_node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    write_layer(segmentation_node.GetSegmentation(), layer, local_ijk_to_ras(ct_node), values)


def add_segment(segmentation_node, segment: Segment) -> None:
    """Add a segment without voxels, and show it; one that is there keeps its name, its color and what is said of it."""
    import slicer

    segmentation = segmentation_node.GetSegmentation()
    if segmentation.GetSegment(segment.id) is None:
        vtk_segment = slicer.vtkSegment()
        _describe(vtk_segment, segment)
        start_empty(vtk_segment)
        segmentation.AddSegment(vtk_segment, segment.id)
        segmentation_node.GetDisplayNode().SetSegmentVisibility(segment.id, True)  # also where one was hidden


def remove_segments(segmentation_node, identifiers: Iterable[str]) -> None:
    """Take segments away; those that are there no longer are passed over."""
    segmentation = segmentation_node.GetSegmentation()
    found = [identifier for identifier in identifiers if segmentation.GetSegment(identifier) is not None]
    empty_segments(segmentation, found)  # or Slicer would take each out of the layer by itself
    for identifier in found:
        segmentation.RemoveSegment(identifier)


def check_size(shape: tuple[int, ...], ct_node) -> None:
    """Raises InputError where a shape (k, j, i) of labels is not that of the CT."""
    if shape != ct_node.GetImageData().GetDimensions()[::-1]:
        raise InputError(
            _("{name} has changed its size since it was analyzed; run the analysis again.").format(
                name=ct_node.GetName()
            )
        )


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
        key=lambda each: each != LIVER_SEGMENT.id,
    )
    lesions = [identifier for identifier, label in meanings.items() if label == TUMOR]
    return {label: found for label, found in ((LIVER, livers[:1]), (TUMOR, lesions)) if found}


def own_lesions(segmentation_node) -> list[str]:
    """The lesions that a run has made, or that have been measured since: those with a number, and that of old
    scenes, in which all lesions are one segment."""
    segmentation = segmentation_node.GetSegmentation()
    return [
        identifier
        for identifier in segmentation.GetSegmentIDs()
        if identifier == LESION_SEGMENT.id or number_of(segmentation.GetSegment(identifier)) is not None
    ]


def labels_from_segmentation(segmentation_node, ct_node, meant: Meant | None = None) -> np.ndarray:
    """Labels of a segmentation on the CT's grid, for example after a user's corrections.

    Of a rejected lesion that is liver what the liver's segment has got of it, see `rejections`. Where segments overlap,
    the lesion that counts does. Another grid or another linear parent transform is resampled to the nearest voxel;
    segments that are missing are empty.

    Args:
        meant: which segments count, and as what; without it `known_segments`.

    Returns:
        uint8 (k, j, i); 1 liver, 2 lesion.

    Raises:
        InputError: see `take_labels`.
    """
    return take_labels(segmentation_node, ct_node, meant).merged()


def take_labels(segmentation_node, ct_node, meant: Meant | None = None) -> TakenSegments:
    """What `labels_from_segmentation` needs of the nodes; its `merged` gives the labels.

    Raises:
        InputError: the segmentation has none of the segments, or a nonlinear transform lies between it and the CT.
    """
    segmentation = segmentation_node.GetSegmentation()
    meant = known_segments(segmentation_node) if meant is None else meant
    check_meant(segmentation_node, meant)
    lesions = meant.get(TUMOR, [])
    rejected = [each for each in lesions if judgment_of(segmentation.GetSegment(each)).is_rejected]
    segments = {each: segmentation.GetSegment(each) for each in rejected}
    as_liver = [each for each, segment in segments.items() if not by_hand(segment) and not is_lent(segment)]
    values = [(each, LIVER) for each in (*meant.get(LIVER, ()), *as_liver)]
    values += [(each, TUMOR) for each in lesions if each not in rejected]
    return take_segments(segmentation_node, ct_node, values)


def check_meant(segmentation_node, meant: Meant) -> None:
    """Raises InputError where no segment is the liver or a lesion."""
    if not any(meant.values()):
        raise InputError(
            _(
                "{name} has no segment that is known to be the liver or a lesion; name the one you mean "
                "Liver or Lesion."
            ).format(name=segmentation_node.GetName())
        )


def _numbered(labels: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
    """Labels with a value for each lesion: 2 for the largest, 3 for the next; as `measure_axial` numbers them, unless
    it measures a resampled volume."""
    result = (labels > 0).astype(np.uint8)
    if not (labels == TUMOR).any():
        return result
    volume = CTVolume(labels, ijk_to_ras)
    # A view in axial order is the same memory.
    axial = result if is_resampled(volume) else to_axial(volume).bring(result)
    if (found := number_lesions(labels if axial is result else to_axial(volume).volume.array)) is not None:
        numbers, box = found
        np.copyto(axial[box], LIVER + np.minimum(numbers, MOST_LESIONS), where=numbers > 0, casting="unsafe")
    return result


def _describe(vtk_segment, segment: Segment) -> None:
    import slicer

    vtk_segment.SetName(segment.name)
    vtk_segment.SetNameAutoGenerated(False)
    vtk_segment.SetColor(*segment.color)
    vtk_segment.SetColorAutoGenerated(False)
    vtk_segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), segment.terminology)
    if segment.number:
        set_number(vtk_segment, segment.number)


def _meaning(segmentation, identifier: str) -> int | None:
    vtk_segment = segmentation.GetSegment(identifier)
    if identifier == LIVER_SEGMENT.id:
        return LIVER
    if identifier == LESION_SEGMENT.id or number_of(vtk_segment) is not None:
        return TUMOR
    return meaning_of(vtk_segment.GetName() or "", _terminology(vtk_segment))


def _terminology(vtk_segment) -> str:
    import slicer

    return tag(vtk_segment, slicer.vtkSegment.GetTerminologyEntryTagName())


def _make_labelmap_source(node) -> None:
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.CreateRepresentation(LABELMAP):
        raise InputError(
            _("{name} holds segments that cannot be turned into label maps; choose another output.").format(
                name=node.GetName()
            )
        )
    if segmentation.GetSourceRepresentationName() != LABELMAP:
        segmentation.SetSourceRepresentationName(LABELMAP)
