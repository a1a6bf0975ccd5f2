"""Rejected lesions are liver: in its segment too, as long as they are rejected."""

from __future__ import annotations

from ..records.results import LIVER, TUMOR
from .checksums import LABELMAP
from .corrections import still_as_written
from .lending import lend, take_back
from .nodes import one_update
from .segment_tags import by_hand, is_lent, judgment_of, say_lent
from .segmentations import known_segments, surface_follows


def lend_rejected(segmentation_node) -> None:
    """Give the liver's segment the voxels of lesions that have been rejected since it was last looked, which keep them
    in a layer of their own, and take back those of lesions that no longer are.

    Lesions that were drawn by hand may be anywhere, and are left alone.
    """
    segmentation, known = segmentation_node.GetSegmentation(), known_segments(segmentation_node)
    lesions = {each: segmentation.GetSegment(each) for each in known.get(TUMOR, ())}
    due = [
        identifier
        for identifier, segment in lesions.items()
        if not by_hand(segment) and is_lent(segment) != judgment_of(segment).is_rejected
    ]
    if not due or LIVER not in known or segmentation.GetSourceRepresentationName() != LABELMAP:
        return
    liver = known[LIVER][0]
    with (
        one_update(segmentation_node),
        surface_follows(segmentation_node),
        still_as_written(segmentation_node, liver),
    ):
        for identifier in due:
            if is_lent(lesions[identifier]):
                take_back(segmentation, identifier, liver)
                say_lent(lesions[identifier], False)
            else:
                say_lent(lesions[identifier], lend(segmentation, identifier, liver))
