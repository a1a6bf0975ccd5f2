"""Files in and out: NIfTI, NRRD, MetaImage and DICOM become a CTVolume; results become segmentations, label maps,
tables and JSON."""

import importlib
from typing import TYPE_CHECKING, Any

from .tables import read_json, write_json, write_table

if TYPE_CHECKING:
    from .intensity import check_ct
    from .labels import read_labels, write_label_nifti, write_segmentation
    from .reading import read_ct

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

_PLACES = {
    "check_ct": "intensity",
    "read_ct": "reading",
    "read_labels": "labels",
    "write_label_nifti": "labels",
    "write_segmentation": "labels",
}


def __getattr__(name: str) -> Any:
    """Loaded as it is asked for: whoever starts a child that does the work needs no NumPy itself."""
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
