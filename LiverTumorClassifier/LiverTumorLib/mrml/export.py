"""Results in files, from what the scene shows now."""

from __future__ import annotations

from pathlib import Path

from ..atomic import atomic_path
from ..errors import OutputError
from ..files import tables
from ..files.itk import image_from, import_sitk
from ..files.labels import write_segmentation
from ..pipelines.lesions import measure
from ..records.columns import LESION_COLUMNS, headers
from ..records.results import CaseResult
from .segmentations import labels_from_segmentation
from .translation import _
from .volumes import ct_from_node, ijk_to_world

SEGMENTATION_ENDING = ".seg.nrrd"
NIFTI_ENDINGS = (".nii.gz", ".nii")


def export_lesions(segmentation_node, ct_node, path: str | Path) -> None:
    """Write the lesions as CSV, with the columns of the command line's lesions.csv, measured on the segments as they
    are now.

    Raises:
        InputError: see `labels_from_segmentation`. OutputError: the file cannot be written.
    """
    volume = ct_from_node(ct_node)
    lesions, summary = measure(labels_from_segmentation(segmentation_node, ct_node), volume)
    rows = tables.lesion_rows(CaseResult(volume.name, summary, lesions))
    tables.write_table(path, rows, headers(LESION_COLUMNS))


def export_labels(segmentation_node, ct_node, path: str | Path) -> None:
    """Write the segments as a label volume on the CT's grid (1 liver, 2 lesion): NIfTI, or Slicer's .seg.nrrd, by the
    ending.

    Raises:
        OutputError: another ending, a tilted gantry's sheared grid that NIfTI cannot say, or the file cannot be
          written.
        InputError: see `labels_from_segmentation`.
    """
    path = Path(path)
    if not path.name.lower().endswith((SEGMENTATION_ENDING, *NIFTI_ENDINGS)):
        raise OutputError(
            _("{path} has no known ending; let the name end in .nii.gz or {ending}.").format(
                path=path, ending=SEGMENTATION_ENDING
            )
        )
    labels, matrix = labels_from_segmentation(segmentation_node, ct_node), ijk_to_world(ct_node)
    if path.name.lower().endswith(SEGMENTATION_ENDING):
        write_segmentation(path, labels, matrix)
        return
    with atomic_path(path) as temporary:
        try:
            import_sitk().WriteImage(image_from(labels, matrix), str(temporary), useCompression=True)
        except RuntimeError as error:
            raise OutputError(
                _(
                    "{path} cannot be written as NIfTI ({name} may be from a tilted gantry, which NIfTI has "
                    "no room for); choose {ending}."
                ).format(path=path, name=ct_node.GetName(), ending=SEGMENTATION_ENDING)
            ) from error
