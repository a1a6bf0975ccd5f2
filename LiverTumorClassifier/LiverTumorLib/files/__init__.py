"""Files in and out: NIfTI, NRRD, MetaImage and DICOM become a CTVolume; results become segmentations, label maps,
tables and JSON."""

from .intensity import check_ct
from .labels import read_labels, write_label_nifti, write_segmentation
from .reading import read_ct
from .tables import read_json, write_json, write_table

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
