"""The segments a result consists of: label value, name, color and SNOMED terminology, shared by the files and the MRML
nodes.

Segments do not overlap: the Liver segment holds label 1 only, the Lesion segment label 2. Reported liver volumes
include the tumor, as radiologists count it, so they are the volume of both segments together.
"""

from __future__ import annotations

from dataclasses import dataclass

from .results import LIVER, TUMOR

_NO_CODE = "^^"
_TERMINOLOGY = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGIONS = "Anatomic codes - DICOM master list"


@dataclass(frozen=True)
class Segment:
    """One segment of the result.

    Attributes:
        label: its value in label volumes.
        id: stable identifier in Slicer's segmentation.
        name: what the user reads.
        rgb: color, 0 to 255 per channel.
        terminology: Slicer's `TerminologyEntry` tag, category~type~modifier~region~region modifier with their contexts.
    """

    label: int
    id: str
    name: str
    rgb: tuple[int, int, int]
    terminology: str

    @property
    def color(self) -> tuple[float, float, float]:
        """Color as fractions of one, as Slicer wants it."""
        red, green, blue = self.rgb
        return red / 255, green / 255, blue / 255


def _terminology(category: str, kind: str, region: str = _NO_CODE) -> str:
    return "~".join((_TERMINOLOGY, category, kind, _NO_CODE, _REGIONS, region, _NO_CODE))


SEGMENTS: tuple[Segment, ...] = (
    Segment(
        LIVER,
        "Liver",
        "Liver",
        (221, 130, 101),
        _terminology("SCT^123037004^Anatomical Structure", "SCT^10200004^Liver"),
    ),
    Segment(
        TUMOR,
        "Lesion",
        "Lesion",
        (255, 200, 50),
        _terminology("SCT^49755003^Morphologically Altered Structure", "SCT^52988006^Lesion", "SCT^10200004^Liver"),
    ),
)
