"""What a run has found, as nodes: the segmentation with its tables, or the slice table with its plot."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from functools import partial

import numpy as np

from ..ct import CTVolume
from ..ct.orientation import is_resampled
from ..errors import WorkerError
from ..records.options import CaseOutput
from ..records.results import CaseResult, Lesion
from ..records.segments import MOST_LESIONS
from .case_nodes import CT_ROLE, LESIONS_ROLE, MODELS, SLICES_ROLE, SUMMARY_ROLE, TABLES, CaseNodes, check_present
from .checksums import checksums
from .corrections import check_contents, contents, is_corrected, mark_as_written
from .history import keeping, undoable, undoable_to
from .kept_axes import keep_axes
from .known_liver import liver_found, see_liver
from .layers import Layer
from .lesions import LesionLabels, lesions_of, rejected_numbers, take_number, write_lesions
from .liver_extent import liver_extent
from .measuring import Measurable, measured_now
from .nodes import companion_node, no_leftovers, output_node, place_beside
from .plots import plot_probability
from .prepared import PreparedCase, prepared
from .probabilities import MAPS, TakenMaps, keep_threshold, show_probabilities
from .segment_tags import judgment_of, number_of
from .segmentations import layer_to_segmentation, own_lesions
from .serving import Computation, at_once
from .tables import fill_lesion_table, fill_slice_table, fill_summary_table, records_of
from .translation import _
from .views import remove_marker
from .volumes import ijk_to_world


def show_segmentation(
    output: CaseOutput | PreparedCase, ct_node, segmentation_node=None, keep_corrections: bool = False
) -> CaseNodes:
    """Nodes of a "segment" run.

    The tables belong to the segmentation node: with a given one, those of its last run are filled again, and `undo`
    takes that back. When something goes wrong, no new node stays in the scene.

    Args:
        keep_corrections: leave a given segmentation alone, and make a new one, where its liver or lesions are not what
        a run has written, or something has been said of them.

    Raises:
        InputError: the CT has left the scene or changed its size since the run began.
    """
    check_present(ct_node)
    case = prepared(output, ct_node)
    if case.layer is None:
        raise WorkerError(_("The run on {name} gave no labels back; run it again.").format(name=ct_node.GetName()))
    given = segmentation_node if segmentation_node is not None and segmentation_node.GetScene() is not None else None
    if keep_corrections and given is not None and is_corrected(given):
        given = None
    with no_leftovers(ct_node.GetScene()), undoable(given, TABLES, MAPS):
        segmentation = layer_to_segmentation(case.layer, ct_node, given)
        mark_as_written(segmentation)
        liver_found(segmentation, case.layer)
        segmentation.SetAttribute(MODELS, json.dumps(case.result.models))
        lesions, summary = _show_figures(segmentation, ct_node, case.result)
        slices = chart = None
        if case.result.slices:
            slices, chart = _show_slices(case, ct_node, _table(segmentation, SLICES_ROLE, ct_node, "slices"))
        show_probabilities(case, ct_node, segmentation)
        return CaseNodes(case.result, segmentation, lesions, summary, slices, chart)


def show_slices(output: CaseOutput | PreparedCase, ct_node, table_node=None) -> CaseNodes:
    """Nodes of a "classify" run: the slice table, and the plot that belongs to it.

    Raises:
        InputError: the CT has left the scene since the run began.
    """
    check_present(ct_node)
    with no_leftovers(ct_node.GetScene()):
        table = output_node(ct_node.GetScene(), "vtkMRMLTableNode", f"{ct_node.GetName()} slices", table_node)
        slices, chart = _show_slices(output, ct_node, table)
        return CaseNodes(output.result, sliceTable=slices, plotChart=chart)


def measure_again(segmentation_node, ct_node) -> CaseNodes:
    """Fill the lesion and summary tables of a segmentation again from what its segments hold now, after a user's
    corrections.

    A lesion keeps its number; a segment that never had one gets one, and each of its connected pieces a segment of its
    own. Notes are those on the corrected segments; suspicious slices of the run are not part of it. Lesions have a mean
    probability where the run has kept its map, or they are as they were.

    Raises:
        InputError: see `Measurable`.
    """
    return at_once(measuring_again(segmentation_node, ct_node))


def measuring_again(segmentation_node, ct_node) -> Computation:
    """`measure_again` as the steps of a run. Raises InputError too where something has changed meanwhile."""
    taken = Measurable.of(segmentation_node, ct_node)

    def measure() -> tuple[LesionLabels, CaseResult, list[tuple[Layer, dict[int, int]]]]:
        found = taken.lesions.labels()
        is_split = any(not lesion.identifier for lesion in found.lesions)
        return found, taken.measured(found), found.layers() if is_split else []

    found, result, layers = yield measure
    taken.check_unchanged()
    kept = undoable(segmentation_node, TABLES, MAPS) if layers else nullcontext()
    with no_leftovers(ct_node.GetScene()), kept:
        was_corrected = is_corrected(segmentation_node)
        see_liver(segmentation_node)
        if layers:
            write_lesions(segmentation_node, ct_node, found.lesions, layers)
        for lesion in found.lesions:
            if lesion.identifier:
                take_number(segmentation_node.GetSegmentation().GetSegment(lesion.identifier), lesion.number)
        if not was_corrected:  # the lesions of an old scene have got segments of their own
            mark_as_written(segmentation_node)
        return show_measured(segmentation_node, ct_node, result)


def show_measured(segmentation_node, ct_node, result: CaseResult) -> CaseNodes:
    """Fill the lesion and summary tables with what was measured on the segments as they are."""
    tables = _show_measurements(segmentation_node, ct_node, result)
    return CaseNodes(result, segmentation_node, *tables)


def threshold_again(segmentation_node, ct_node, tumor_threshold: float, min_lesion_ml: float) -> CaseNodes:
    """Another tumor threshold (0 to 1) on the kept probability maps, without a network; segments and tables are filled
    again.

    The user's corrections of the liver and the lesions, and all that was said of them, are lost, as by a new run;
    `undo` brings them back.

    Raises:
        InputError: see `TakenMaps`.
    """
    return at_once(trying_threshold(segmentation_node, ct_node, tumor_threshold, min_lesion_ml))


def trying_threshold(segmentation_node, ct_node, tumor_threshold: float, min_lesion_ml: float) -> Computation:
    """`threshold_again` as the steps of a run. Raises InputError too where something has changed meanwhile."""
    taken = TakenMaps.of(segmentation_node, ct_node)
    before = contents(segmentation_node)
    layer, result = yield partial(taken.segmented, tumor_threshold, min_lesion_ml)
    state = yield from keeping(segmentation_node, TABLES, MAPS)
    taken.check_unchanged()
    check_contents(segmentation_node, before)
    with undoable_to(state):
        layer_to_segmentation(layer, ct_node, segmentation_node)
        keep_threshold(segmentation_node, tumor_threshold)
        mark_as_written(segmentation_node)
        liver_found(segmentation_node, layer)
        tables = _show_figures(segmentation_node, ct_node, result)
    return CaseNodes(result, segmentation_node, *tables)


def _show_figures(segmentation_node, ct_node, result: CaseResult) -> tuple:
    """Show the figures of a run whose labels have just been written."""
    geometry = CTVolume(np.broadcast_to(np.int16(0), _size(ct_node)), ijk_to_world(ct_node))
    if is_resampled(geometry) and result.lesions:  # they were found and numbered on another grid than the segments
        _found, again = measured_now(segmentation_node, ct_node)
        result.lesions = again.lesions
    return _show_measurements(segmentation_node, ct_node, result)


def _show_measurements(segmentation_node, ct_node, result: CaseResult) -> tuple:
    remove_marker(segmentation_node)  # the lesion it points at may have another number now, or be gone
    words = _words(segmentation_node, result.lesions)
    _keep_probability(segmentation_node, result.lesions, words)
    keep_axes(segmentation_node, result, rejected_numbers(lesions_of(segmentation_node)))
    lesion_table = _table(segmentation_node, LESIONS_ROLE, ct_node, "lesions")
    fill_lesion_table(lesion_table, result.lesions, words)
    summary_table = _table(segmentation_node, SUMMARY_ROLE, ct_node, "summary")
    fill_summary_table(summary_table, result.name, result.summary, liver_extent(segmentation_node).checksum)
    return lesion_table, summary_table


def _words(segmentation_node, lesions: list[Lesion]) -> list[dict[str, str]]:
    """What the lesion table says of each lesion beside its figures."""
    segmentation = segmentation_node.GetSegmentation()
    own = own_lesions(segmentation_node)
    segments = {number_of(segmentation.GetSegment(identifier)): identifier for identifier in own}
    voxels = checksums(segmentation, own)
    words = []
    for lesion in lesions:
        identifier = segments.get(lesion.id) or segments[MOST_LESIONS]  # which the last of very many share
        segment = segmentation.GetSegment(identifier)
        words.append(
            {
                "name": segment.GetName(),
                **vars(judgment_of(segment)),
                "segment": identifier,
                "voxels": voxels.get(identifier, ""),
            }
        )
    return words


def _keep_probability(segmentation_node, lesions: list[Lesion], words: list[dict[str, str]]) -> None:
    """A lesion whose voxels have not changed has the mean probability that it had."""
    before = {
        row["voxels"]: row["mean_probability"]
        for row in records_of(segmentation_node.GetNodeReference(LESIONS_ROLE))
        if row.get("voxels") and not math.isnan(row.get("mean_probability", math.nan))
    }
    for lesion, own in zip(lesions, words, strict=True):
        if lesion.mean_probability is None:
            lesion.mean_probability = before.get(own["voxels"])


def ct_of_table(table_node):
    """The volume node that a slice table speaks of; None where it is gone, or the table is another."""
    return table_node.GetNodeReference(CT_ROLE)


def _show_slices(output: CaseOutput | PreparedCase, ct_node, table) -> tuple:
    fill_slice_table(table, output.result.slices)
    table.SetNodeReferenceID(CT_ROLE, ct_node.GetID())
    place_beside(table, ct_node)
    return table, plot_probability(table, ct_node)


def _size(ct_node) -> tuple[int, int, int]:
    i, j, k = ct_node.GetImageData().GetDimensions()
    return k, j, i


def _table(owner, role: str, ct_node, what: str):
    table = companion_node(owner, role, "vtkMRMLTableNode", f"{ct_node.GetName()} {what}")
    place_beside(table, ct_node)
    return table
