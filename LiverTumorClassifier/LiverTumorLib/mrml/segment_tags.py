"""What is kept with a segment: who drew it, the number of a lesion and a reader's judgment of it.

Segment tags go with the segment wherever it goes: into a saved scene, a .seg.nrrd file, Slicer's undo, a copy.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from ..ct.placed_mask import PlacedMask
from ..records.judgments import KINDS, STATUSES, Judgment
from ..records.segments import (
    ALGORITHM_TAG,
    KIND_TAG,
    LENT_TAG,
    NOTE_TAG,
    NUMBER_TAG,
    PROGRAM_ALGORITHMS,
    STATUS_TAG,
)

_ALGORITHM_NAME = "DICOM.SegmentAlgorithmName"
_LONGEST_NOTE = 500


def tag(vtk_segment, name: str) -> str:
    """A tag of a vtkSegment; "" where it has none."""
    import vtk

    value = vtk.reference("")
    return str(value) if vtk_segment.GetTag(name, value) else ""


def number_of(vtk_segment) -> int | None:
    """The number of a lesion; None for a segment that has never been measured as one."""
    text = tag(vtk_segment, NUMBER_TAG)
    return int(text) if text.isdecimal() and int(text) > 0 else None


def set_number(vtk_segment, number: int) -> None:
    """Make a segment the lesion of that number."""
    vtk_segment.SetTag(NUMBER_TAG, str(number))


def judgment_of(vtk_segment) -> Judgment:
    """What a reader has said; words of other versions, or of others' hands, are not understood and left out."""
    status, kind = tag(vtk_segment, STATUS_TAG), tag(vtk_segment, KIND_TAG)
    return Judgment(
        status if status in STATUSES else "", kind if kind in KINDS else "", unquote(tag(vtk_segment, NOTE_TAG))
    )


def set_judgment(vtk_segment, judgment: Judgment) -> None:
    """Keep a judgment with its segment; a note is cut to one line of 500 characters."""
    note = " ".join(judgment.note.split())[:_LONGEST_NOTE]
    # Slicer writes tags as "name:value|name:value|" into a header of ASCII, from which a bar would not come back.
    for name, text in (
        (STATUS_TAG, judgment.status),
        (KIND_TAG, judgment.kind),
        (NOTE_TAG, quote(note, safe=" ,.;:()+-/?")),
    ):
        if text:
            vtk_segment.SetTag(name, text)
        else:
            vtk_segment.RemoveTag(name)


def is_lent(vtk_segment) -> bool:
    """Whether the liver's segment has got the voxels of a lesion too, those of them that are liver."""
    return bool(tag(vtk_segment, LENT_TAG))


def lent_voxels(vtk_segment) -> PlacedMask | None:
    """Which voxels the liver's segment has got, on its grid; None, as earlier versions wrote it, where it has all."""
    try:
        return PlacedMask.from_text(tag(vtk_segment, LENT_TAG))
    except ValueError:
        return None


def say_lent(vtk_segment, lent: PlacedMask | None) -> None:
    """Keep which voxels the liver's segment has got; None where it has got nothing."""
    if lent is not None:
        vtk_segment.SetTag(LENT_TAG, lent.text())
    else:
        vtk_segment.RemoveTag(LENT_TAG)


def own_tags(vtk_segment) -> tuple[tuple[str, str], ...]:
    """The tags that are kept here, but for the number, with their values."""
    names = (STATUS_TAG, KIND_TAG, NOTE_TAG, ALGORITHM_TAG, _ALGORITHM_NAME)
    return tuple((name, value) for name in names if (value := tag(vtk_segment, name)))


def by_hand(vtk_segment) -> bool:
    """Whether a segment was drawn by hand, as far as its tags say."""
    return tag(vtk_segment, ALGORITHM_TAG) not in PROGRAM_ALGORITHMS


def say_algorithm(vtk_segment, kind: str) -> None:
    """Say in the tags that DICOM export reads that a program drew a segment; without them it is called drawn by hand.

    Args:
        kind: AUTOMATIC, or SEMIAUTOMATIC where a user has had a part in it.
    """
    vtk_segment.SetTag(ALGORITHM_TAG, kind)
    vtk_segment.SetTag(_ALGORITHM_NAME, "LiverTumor")
