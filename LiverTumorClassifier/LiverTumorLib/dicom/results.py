"""All DICOM objects of a case, written together or not at all."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import atomic_path
from ..ct.volume import CTVolume
from ..errors import InputError
from ..files.upright import is_sheared
from ..records.options import CaseOutput
from .source import NO_RESULTS, read_source

if TYPE_CHECKING:
    from pydicom import Dataset

TILTED = (
    "The slices of the CT are displaced along their plane (gantry tilt): the DICOM segmentation lies right on each of "
    "its images, but programs that take it for one upright volume (dcmqi, and so Slicer) displace it; open the "
    ".seg.nrrd there."
)


def write_dicom(
    folder: Path, name: str, volume: CTVolume, output: CaseOutput, origin: dict, page: Path | None
) -> list[str]:
    """Write a case as DICOM objects of the study that its CT belongs to, each a series of its own.

    Patient and study are the CT's; the UIDs follow from its images, the models, the options and what was found, so the
    same run makes the same files again.

    Args:
        folder: gets `name`.seg.dcm where a liver was found, `name`.sr.dcm, and where there is a page `name`.pdf.dcm
            or `name`.sc.dcm.
        volume: the CT as it was read, see `CTVolume.images`.
        origin: what the results follow from, see `batch.folder.make_origin`.
        page: the page of the case as a file: a PDF is encapsulated, a picture becomes a Secondary Capture.

    Returns:
        What a user should know of the objects; their report says it too.

    Raises:
        InputError: nothing can refer to the CT's images, or results cannot be expressed on them; nothing was written.
        OutputError: a file cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom and highdicom, on odd values of the CT's headers
        objects, notes = _make(volume, output, origin, page)
    for kind, dataset in objects.items():
        if dataset is not None:
            with atomic_path(folder / f"{name}.{kind}.dcm") as path:
                dataset.save_as(path, enforce_file_format=True)
    return notes


def _make(
    volume: CTVolume, output: CaseOutput, origin: dict, page: Path | None
) -> tuple[dict[str, Dataset | None], list[str]]:
    source = read_source(volume)
    from .objects.capture import make_capture  # highdicom takes a second to import
    from .objects.document import make_document
    from .objects.instance import make_identity
    from .objects.report import make_report
    from .objects.segmentation import make_segmentation

    result, labels = output.result, output.labels
    if labels is None:
        raise ValueError("DICOM results need a segmentation")
    identity = make_identity(source, result, labels, origin)
    own = [TILTED] if is_sheared(volume.ijk_to_ras) else []
    notes = list(dict.fromkeys([*result.summary.notes, *volume.notes, *own]))
    try:
        segmentation = make_segmentation(volume, labels, result.lesions, source, identity)
        objects: dict[str, Dataset | None] = {
            "seg": segmentation,
            "sr": make_report(result, source, identity, segmentation, notes),
        }
        if page is not None and page.suffix == ".pdf":
            objects["pdf"] = make_document(page.read_bytes(), source, identity)
        elif page is not None:
            objects["sc"] = make_capture(page, source, identity)
    except ValueError as error:
        raise InputError(
            f"{NO_RESULTS}: the headers of the images of {volume.name} cannot be used for them ({error}); export the "
            "series again."
        ) from error
    return objects, own
