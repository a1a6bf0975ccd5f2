"""Results in files, from what the scene shows now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..atomic import atomic_path
from ..errors import OutputError
from ..files import tables
from ..files.itk import image_from, import_sitk
from ..files.labels import write_segmentation
from ..files.upright import is_sheared
from ..records.columns import BY_HAND_COLUMN, LESION_COLUMNS, headers, lesion_values, with_headers
from ..records.judgments import JUDGMENT_COLUMNS
from ..records.results import TUMOR, CaseResult
from ..records.segments import LIVER_SEGMENT, Segment, lesion_segment
from .corrections import check_contents, contents
from .kept_axes import count_drawn
from .lesions import LesionLabels, take_lesions
from .measuring import Measurable
from .segment_tags import own_tags
from .segmentations import take_labels
from .serving import Computation
from .translation import _
from .volumes import ijk_to_world

SEGMENTATION_ENDING = ".seg.nrrd"
NIFTI_ENDINGS = (".nii.gz", ".nii")


def exporting_lesions(segmentation_node, ct_node, path: str | Path) -> Computation:
    """Write the lesions as CSV, measured on the segments as they are now: the columns of the command line's
    lesions.csv, and what a reader says of each. Rejected ones are among them, and said to be.

    Returns:
        the steps of a run.

    Raises:
        InputError: see `Measurable`. OutputError: the file cannot be written.
    """
    taken = Measurable.of(segmentation_node, ct_node)

    def measure() -> tuple[LesionLabels, CaseResult]:
        found = taken.lesions.labels()
        return found, taken.measured(found)

    found, result = yield measure
    taken.check_unchanged()
    count_drawn(segmentation_node, result.lesions)
    segments = {lesion.number: lesion for lesion in found.lesions}
    columns = (*LESION_COLUMNS, BY_HAND_COLUMN, *JUDGMENT_COLUMNS)
    rows = []
    for lesion in result.lesions:
        own = segments[lesion.id]
        values = {**lesion_values(lesion), "name": own.name, **vars(own.judgment)}
        rows.append(with_headers(values, columns))
    tables.write_table(path, rows, headers(columns))


def exporting_labels(segmentation_node, ct_node, path: str | Path) -> Computation:
    """Write the segments on the CT's grid, by the ending: as NIfTI labels (1 liver, 2 lesion), or as Slicer's .seg.nrrd
    with a segment for each lesion and what a reader says of it. Rejected lesions are liver in both.

    Returns:
        the steps of a run.

    Raises:
        OutputError: another ending, a tilted gantry's sheared grid that NIfTI cannot say, or the file cannot be
          written.
        InputError: see `labels_from_segmentation`; or something was changed meanwhile.
    """
    path = Path(path)
    if not path.name.lower().endswith((SEGMENTATION_ENDING, *NIFTI_ENDINGS)):
        raise OutputError(
            _("{path} has no known ending; let the name end in .nii.gz or {ending}.").format(
                path=path, ending=SEGMENTATION_ENDING
            )
        )
    matrix, before = ijk_to_world(ct_node), contents(segmentation_node)
    if path.name.lower().endswith(SEGMENTATION_ENDING):
        lesions = take_lesions(segmentation_node, ct_node)
        kept = yield lambda: lesions.labels().without_rejected()
        check_contents(segmentation_node, before)
        segments = [LIVER_SEGMENT, *_segments(segmentation_node, kept)]
        yield lambda: write_segmentation(path, kept.labels, matrix, segments)
        return
    taken = take_labels(segmentation_node, ct_node)
    if is_sheared(matrix):  # ITK would write another grid without a word
        raise OutputError(
            _(
                "{path} cannot be written as NIfTI, which has no room for the tilted gantry of {name}; choose {ending}."
            ).format(path=path, name=ct_node.GetName(), ending=SEGMENTATION_ENDING)
        )
    labels = yield taken.merged
    check_contents(segmentation_node, before)
    yield partial(_write_nifti, path, labels, matrix)


def _write_nifti(path: Path, labels: np.ndarray, ijk_to_ras: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        try:
            import_sitk().WriteImage(image_from(labels, ijk_to_ras), str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(
                _("{path} cannot be written; choose another name or {ending}.").format(
                    path=path, ending=SEGMENTATION_ENDING
                )
            ) from error


def _segments(segmentation_node, found: LesionLabels) -> Iterator[Segment]:
    """The lesions with the names, colors and tags that they have."""
    segmentation = segmentation_node.GetSegmentation()
    for label, lesion in enumerate(found.lesions, start=TUMOR):
        segment = lesion_segment(lesion.number, label)
        if lesion.identifier:
            own = segmentation.GetSegment(lesion.identifier)
            red, green, blue = (round(255 * channel) for channel in own.GetColor())
            segment = replace(
                segment, id=lesion.identifier, name=lesion.name, rgb=(red, green, blue), tags=own_tags(own)
            )
        yield segment
