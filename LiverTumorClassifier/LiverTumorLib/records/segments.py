"""The segments a result consists of: label value, name, color and SNOMED terminology, shared by the files and the MRML
nodes.

Segments do not overlap: the Liver segment holds label 1 only, the Lesion segment label 2. Reported liver volumes
include the tumor, as radiologists count it, so they are the volume of both segments together. In Slicer every lesion
is a segment of its own, see `lesion_segment`.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
        number: of a lesion, from 1; 0 for other segments.
        tags: names and values of further tags that go along with it.
    """

    label: int
    id: str
    name: str
    rgb: tuple[int, int, int]
    terminology: str
    number: int = 0
    tags: tuple[tuple[str, str], ...] = ()

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
        _terminology("SCT^49755003^Morphologically Altered Structure", "SCT^4147007^Mass", "SCT^10200004^Liver"),
    ),
)

LIVER_SEGMENT, LESION_SEGMENT = SEGMENTS

# Of Slicer's tags: the number of a lesion, and what a reader says of it.
NUMBER_TAG, STATUS_TAG, KIND_TAG, NOTE_TAG = (f"LiverTumor.{name}" for name in ("Number", "Status", "Type", "Note"))
LENT_TAG = "LiverTumor.Lent"  # of a rejected lesion, of which the liver's segment has what is liver
ALGORITHM_TAG = "DICOM.SegmentAlgorithmType"
PROGRAM_ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC")  # what it says of a segment that was not drawn by hand
MOST_LESIONS = 250  # with a segment of their own: label values of one byte, which all segments share a layer by
_GOLDEN_RATIO = 0.618034  # by which steps around a circle never come close to one another soon
_HUES = (-0.04, 0.17)  # of the circle of hues, from the lesions' own to where the liver's and the preview's begin


def lesion_segment(number: int, label: int) -> Segment:
    """The segment of one lesion.

    Args:
        number: of the lesion, from 1.
        label: its value in label volumes.
    """
    name = f"{LESION_SEGMENT.name} {number}"
    return replace(LESION_SEGMENT, label=label, id=name, name=name, rgb=_lesion_rgb(number), number=number)


def lesion_segments(count: int) -> Iterator[Segment]:
    """The segments of lesions 1 to `count`, whose labels follow that of the liver."""
    return (lesion_segment(number, LIVER + number) for number in range(1, count + 1))


def _lesion_rgb(number: int) -> tuple[int, int, int]:
    """The lesions' color for the first; for others a hue near it, so that neighbors are told apart."""
    hue, light, saturation = colorsys.rgb_to_hls(*LESION_SEGMENT.color)
    low, high = _HUES
    step = ((number - 1) * _GOLDEN_RATIO * (high - low) - low) % (high - low) + low
    other = colorsys.hls_to_rgb((hue + step) % 1, light, saturation)
    red, green, blue = (round(255 * channel) for channel in other)
    return red, green, blue


# Type codes of SNOMED CT, and of its older SRT form in DICOM, as scheme and value. Earlier versions wrote 52988006
# (Lesion), which no list of Slicer's has.
_LIVER_CODES = frozenset({"SCT^10200004", "SRT^T-62000"})
_TUMOR_CODES = frozenset(
    {
        *(
            "SCT^4147007",
            "SCT^52988006",
            "SCT^108369006",
            "SCT^86049000",
            "SCT^14799000",
        ),  # mass, lesion, neoplasm: any, primary, secondary
        *("SRT^M-03000", "SRT^M-80003", "SRT^M-80006"),
    }
)
_LIVER_NAME = re.compile(r"(whole )?liver( parenchyma| mask)?")
_TUMOR_NAME = re.compile(
    r"((liver|hepatic) )?"
    r"(lesion|tumou?r|mass|neoplasm|cancer|carcinoma|metastas[ei]s|hcc|hepatocellular carcinoma)(e?s)?"
    r"( mask)?( \d+)?"
)


def meaning_of(name: str, terminology: str = "") -> int | None:
    """What a segment that anybody made is: LIVER, TUMOR, or None for anything else.

    Its name decides where it is a usual English one ("Tumor", "liver_lesions", "Metastasis 3"), else its terminology.

    Args:
        name: what the user reads.
        terminology: Slicer's `TerminologyEntry` tag; "" where there is none.
    """
    plain = re.sub(r"[\W_]+", " ", name).strip().lower()
    if _LIVER_NAME.fullmatch(plain):
        return LIVER
    if _TUMOR_NAME.fullmatch(plain):
        return TUMOR
    fields = terminology.split("~")
    if len(fields) != 7:
        return None
    kind, region = (_code(fields[number]) for number in (2, 5))
    if kind in _LIVER_CODES:
        return LIVER
    return TUMOR if kind in _TUMOR_CODES and (region in _LIVER_CODES or region == "^") else None


def _code(triplet: str) -> str:
    """Scheme and value of a code, without its meaning in words; "^" where there is none."""
    return "^".join(triplet.split("^")[:2]) or "^"
