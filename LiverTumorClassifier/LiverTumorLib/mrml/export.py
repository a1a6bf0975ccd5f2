"""Results in files, from what the scene shows now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..atomic import atomic_path
from ..errors import InputError, OutputError
from ..files import tables
from ..files.itk import image_from, import_sitk
from ..files.labels import write_segmentation
from ..records.columns import BY_HAND_COLUMN, LESION_COLUMNS, headers, lesion_values, with_headers
from ..records.judgments import JUDGMENT_COLUMNS
from ..records.results import TUMOR
from ..records.segments import LIVER_SEGMENT, Segment, lesion_segment
from .kept_axes import count_drawn
from .lesions import LesionLabels, lesion_labels
from .nodes import subject_hierarchy
from .results import measured_now
from .segment_tags import own_tags
from .segmentations import labels_from_segmentation
from .translation import _
from .volumes import ijk_to_world

SEGMENTATION_ENDING = ".seg.nrrd"
NIFTI_ENDINGS = (".nii.gz", ".nii")


def export_lesions(segmentation_node, ct_node, path: str | Path) -> None:
    """Write the lesions as CSV, measured on the segments as they are now: the columns of the command line's
    lesions.csv, and what a reader says of each. Rejected ones are among them, and said to be.

    Raises:
        InputError: see `lesion_labels`. OutputError: the file cannot be written.
    """
    found, result = measured_now(segmentation_node, ct_node)
    count_drawn(segmentation_node, result.lesions)
    segments = {lesion.number: lesion for lesion in found.lesions}
    columns = (*LESION_COLUMNS, BY_HAND_COLUMN, *JUDGMENT_COLUMNS)
    rows = []
    for lesion in result.lesions:
        own = segments[lesion.id]
        values = {**lesion_values(lesion), "name": own.name, **vars(own.judgment)}
        rows.append(with_headers(values, columns))
    tables.write_table(path, rows, headers(columns))


def export_labels(segmentation_node, ct_node, path: str | Path) -> None:
    """Write the segments on the CT's grid, by the ending: as NIfTI labels (1 liver, 2 lesion), or as Slicer's .seg.nrrd
    with a segment for each lesion and what a reader says of it. Rejected lesions are liver in both.

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
    matrix = ijk_to_world(ct_node)
    if path.name.lower().endswith(SEGMENTATION_ENDING):
        found = lesion_labels(segmentation_node, ct_node)
        found = found.without([each.identifier for each in found.lesions if each.judgment.is_rejected])
        write_segmentation(path, found.labels, matrix, [LIVER_SEGMENT, *_segments(segmentation_node, found)])
        return
    labels = labels_from_segmentation(segmentation_node, ct_node)
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


def dicom_problem(ct_node) -> str:
    """Why a segmentation of this CT cannot become a DICOM SEG; "" where it can."""
    if ct_node is None or not ct_node.GetAttribute("DICOM.instanceUIDs"):
        return _("The CT was not loaded from DICOM, so there is no study that a DICOM SEG could belong to.")
    return ""


def export_dicom(segmentation_node, ct_node, folder: str | Path) -> None:
    """Write a DICOM SEG into an existing folder by Slicer's own plugin, which also adds it to Slicer's DICOM database.

    Raises:
        InputError: the CT is not from DICOM, or its files are not in the DICOM database anymore.
        OutputError: the plugin says that it failed.
    """
    if problem := dicom_problem(ct_node):
        raise InputError(problem)
    from DICOMSegmentationPlugin import DICOMSegmentationPluginClass

    hierarchy = subject_hierarchy(ct_node.GetScene())
    item = hierarchy.GetItemByDataNode(segmentation_node)
    hierarchy.SetItemAttribute(item, "DICOM.ReferencedInstanceUIDs", ct_node.GetAttribute("DICOM.instanceUIDs"))
    plugin = DICOMSegmentationPluginClass()
    exportables = plugin.examineForExport(item)
    if not exportables:
        raise InputError(
            _("The DICOM files of {name} are not in Slicer's DICOM database; import them again.").format(
                name=ct_node.GetName()
            )
        )
    for exportable in exportables:
        exportable.directory = str(folder)
    if failure := plugin.export(exportables):
        raise OutputError(_("Slicer could not write the DICOM SEG: {failure}").format(failure=failure))
