"""Files in and out: NIfTI, NRRD, MetaImage and DICOM become a CTVolume; results become segmentations, label maps,
tables and JSON."""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .intensity import check_ct
    from .json_files import read_json, write_json
    from .labels import read_labels, write_label_nifti, write_segmentation
    from .reading import read_ct
    from .tables import write_table

__all__ = [
    "check_ct",
    "read_ct",
    "read_json",
    "read_labels",
    "write_json",
    "write_label_nifti",
    "write_segmentation",
    "write_table",
]

__getattr__ = lazily(
    __name__,
    {
        "check_ct": "intensity",
        "read_ct": "reading",
        "read_json": "json_files",
        "read_labels": "labels",
        "write_json": "json_files",
        "write_label_nifti": "labels",
        "write_segmentation": "labels",
        "write_table": "tables",
    },
)
