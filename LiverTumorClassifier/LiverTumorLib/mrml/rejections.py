"""Rejected lesions are liver, in its segment too, as long as they are rejected: what of them is liver without them."""

from __future__ import annotations

from ..records.results import LIVER, TUMOR
from .checksums import LABELMAP
from .corrections import still_as_written
from .known_liver import known_liver, see_liver, still_known
from .lending import lend, places_of, take_back
from .nodes import one_update
from .segment_tags import is_lent, judgment_of, lent_voxels, say_lent
from .segmentations import known_segments, surface_follows


def lend_rejected(segmentation_node) -> None:
    """Give the liver's segment what is liver of lesions that have been rejected since it was last looked, which keep
    their voxels in a layer of their own, and take it back for those that no longer are. See `known_liver`."""
    segmentation, known = segmentation_node.GetSegmentation(), known_segments(segmentation_node)
    if LIVER not in known or segmentation.GetSourceRepresentationName() != LABELMAP:
        return
    see_liver(segmentation_node)
    lesions = {each: segmentation.GetSegment(each) for each in known.get(TUMOR, ())}
    is_rejected = {each: judgment_of(segment).is_rejected for each, segment in lesions.items()}
    due = [each for each, segment in lesions.items() if is_lent(segment) != is_rejected[each]]
    found = known_liver(segmentation_node) if due else None
    if found is None:
        return
    liver = known[LIVER][0]
    with (
        one_update(segmentation_node),
        surface_follows(segmentation_node),
        still_as_written(segmentation_node, liver),
    ):
        for identifier in due:
            if not is_rejected[identifier]:
                take_back(segmentation, identifier, liver, lent_voxels(lesions[identifier]))
                say_lent(lesions[identifier], None)
        counted = [each for each in lesions if not is_rejected[each]]
        elsewhere = [each for each in counted if lesions[each].GetRepresentation(LABELMAP) is not found.image]
        free = found.mask.without(places_of(segmentation, elsewhere, found.image)) if elsewhere else found.mask
        for identifier in due:
            if is_rejected[identifier]:
                say_lent(lesions[identifier], lend(segmentation, identifier, liver, free))
    still_known(segmentation_node)
