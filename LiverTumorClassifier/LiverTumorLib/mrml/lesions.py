"""The lesions of a segmentation: their segments with numbers and judgments, and their labels on the CT's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..ct.region import bounding_box, components
from ..errors import InputError
from ..records.judgments import Judgment
from ..records.results import LIVER, TUMOR
from ..records.segments import LESION_SEGMENT, MOST_LESIONS, lesion_segment
from .known_liver import known_liver, still_known
from .layers import Layer, TakenSegments, take_mask, take_segments
from .nodes import one_update
from .rejections import lend_rejected
from .segment_tags import by_hand, judgment_of, number_of, say_algorithm, say_lent, set_judgment, set_number
from .segmentations import add_segment, check_meant, known_segments, surface_follows, write_segments
from .translation import _


@dataclass(frozen=True)
class LesionSegment:
    """A lesion and its segment.

    Attributes:
        identifier: of the segment; "" for a lesion that has none of its own yet.
        number: of the lesion, from 1; 0 where it has never been measured.
        name: of the segment.
        by_hand: whether it was drawn by hand, not by a program.
        judgment: what a reader says of it.
    """

    identifier: str
    number: int
    name: str
    by_hand: bool = False
    judgment: Judgment = Judgment()


@dataclass(frozen=True)
class LesionLabels:
    """Liver and lesions on a CT's grid.

    Attributes:
        labels: uint8 (k, j, i); 1 liver, 2 the first lesion of the list, 3 the next. Where lesions overlap, that of the
            last one that is not rejected.
        lesions: those of the labels, in their order.
        outside: indices into the flattened labels of voxels of lesions that are no liver without them.
        beneath: by the number of a lesion the indices of its voxels that have another one's label.
    """

    labels: np.ndarray
    lesions: list[LesionSegment]
    outside: np.ndarray = field(default_factory=lambda: np.zeros(0, np.intp))
    beneath: dict[int, np.ndarray] = field(default_factory=dict)

    def label_of(self, identifier: str) -> int:
        """The label of a lesion. Raises InputError where it is there no longer."""
        for label, lesion in enumerate(self.lesions, start=TUMOR):
            if lesion.identifier == identifier:
                return label
        raise InputError(_("That lesion is no longer there; choose another one."))

    def whole(self, label: int) -> np.ndarray:
        """All voxels of a lesion, as a bool mask (k, j, i)."""
        mask: np.ndarray = self.labels == label
        mask.reshape(-1)[self.beneath.get(self.lesions[label - TUMOR].number, [])] = True
        return mask

    @property
    def covered(self) -> dict[int, LesionSegment]:
        """By label the lesions that have voxels beneath another one."""
        return {label: each for label, each in enumerate(self.lesions, start=TUMOR) if each.number in self.beneath}

    def without_rejected(self) -> LesionLabels:
        """The labels when the rejected lesions are no more."""
        return self.without([lesion.identifier for lesion in self.lesions if lesion.judgment.is_rejected])

    def without(self, identifiers: Sequence[str], become: int | None = None) -> LesionLabels:
        """The labels when some lesions are no more.

        Args:
            become: the label that their voxels get; without it those become liver that are liver without them, and
                those that lie in another lesion too belong to that one.
        """
        table = np.zeros(256, np.uint8)
        table[LIVER] = LIVER
        kept = [lesion for lesion in self.lesions if lesion.identifier not in identifiers]
        for label, lesion in enumerate(self.lesions, start=TUMOR):
            table[label] = TUMOR + kept.index(lesion) if lesion in kept else LIVER
        gone = [label for label, lesion in enumerate(self.lesions, start=TUMOR) if lesion not in kept]
        beneath = {lesion.number: self.beneath[lesion.number] for lesion in kept if lesion.number in self.beneath}
        if become is not None:
            table[gone] = table[become]
            numbers = [self.lesions[label - TUMOR].number for label in (become, *gone)]
            if parts := [self.beneath[number] for number in numbers if number in self.beneath]:
                beneath[numbers[0]] = np.unique(np.concatenate(parts))
        labels = self.labels.copy()
        if (box := bounding_box(labels)) is not None:
            labels[box] = table[labels[box]]
        flat = labels.reshape(-1)
        if become is None:
            flat[self.outside[flat[self.outside] == LIVER]] = 0
        for label, lesion in enumerate(kept, start=TUMOR):
            if lesion.number in beneath:
                lost = beneath.pop(lesion.number)
                flat[lost[flat[lost] <= LIVER]] = label
                if len(lost := lost[flat[lost] != label]):
                    beneath[lesion.number] = lost
        _let_count(flat, kept, beneath)
        return LesionLabels(labels, kept, self.outside, beneath)

    def layers(self) -> list[tuple[Layer, dict[int, int]]]:
        """The labels as layers that can be written, and for the labels of the liver and the lesions in each their value
        there: one of them all, and one for each lesion that lies beneath another one."""
        covered = list(self.covered)
        labels = np.where(np.isin(self.labels, covered), 0, self.labels) if covered else self.labels
        together = range(LIVER, TUMOR + len(self.lesions))
        found = [(Layer.of(labels), {label: label for label in together if label not in covered})]
        return found + [(Layer.of(self.whole(label).view(np.uint8)), {label: 1}) for label in covered]

    @property
    def free_number(self) -> int:
        """The number of one more lesion. Raises InputError where there is no room for one."""
        check_room(len(self.lesions) + 1)
        return max((lesion.number for lesion in self.lesions), default=0) + 1


def _let_count(flat: np.ndarray, lesions: list[LesionSegment], beneath: dict[int, np.ndarray]) -> None:
    """Lift lesions that count above rejected ones, among which one may have become by a merge.

    Args:
        flat: the labels, flattened; changed as `beneath` is, see `LesionLabels`.
    """
    rejected = {TUMOR + at: lesion.number for at, lesion in enumerate(lesions) if lesion.judgment.is_rejected}
    for label, lesion in enumerate(lesions, start=TUMOR):
        for other, number in rejected.items() if label not in rejected else ():
            own = beneath.get(lesion.number, np.zeros(0, np.intp))
            is_under = flat[own] == other
            if is_under.any():
                beneath[number] = np.concatenate([beneath.get(number, own[:0]), own[is_under]])
                beneath[lesion.number] = own[~is_under]
                flat[own[is_under]] = label
    for number in [number for number, own in beneath.items() if not len(own)]:
        del beneath[number]


def check_room(count: int) -> None:
    """Raises InputError where there are more lesions than a segmentation has room for."""
    if count > MOST_LESIONS:
        raise InputError(
            _("There would be {count} lesions, and there is room for {most}; delete or merge some first.").format(
                count=count, most=MOST_LESIONS
            )
        )


def lesions_of(segmentation_node) -> list[LesionSegment]:
    """The lesions of a segmentation by their numbers, and then those that have none yet."""
    segmentation = segmentation_node.GetSegmentation()
    found = []
    for identifier in known_segments(segmentation_node).get(TUMOR, ()):
        segment = segmentation.GetSegment(identifier)
        found.append(
            LesionSegment(
                identifier,
                number_of(segment) or 0,
                segment.GetName() or "",
                by_hand(segment),
                judgment_of(segment),
            )
        )
    return sorted(found, key=lambda lesion: (not lesion.number, lesion.number))


@dataclass(frozen=True)
class TakenLesions:
    """Liver and lesions as they lie in their segments.

    Attributes:
        segments: the lesions that count last.
        lesions: those without a number behind the others.
        liver: what is liver where no lesion counts; None where there is no liver.
    """

    segments: TakenSegments
    lesions: list[LesionSegment]
    liver: TakenSegments | None = None

    def labels(self) -> LesionLabels:
        """On the CT's grid, each lesion with a number. Touches no node.

        Of a segment without a number, each connected piece is a lesion of its own, the largest first: that of old
        scenes, in which all lesions are one segment, or one that a user has drawn. Without a voxel it is left out.

        Raises:
            InputError: more lesions than there is room for.
        """
        labels = self.segments.merged()
        outside = np.flatnonzero(labels >= TUMOR)
        if self.liver is not None:
            outside = outside[self.liver.merged().reshape(-1)[outside] == 0]
        else:  # what was drawn by hand may be anywhere
            drawn = [TUMOR + at for at, lesion in enumerate(self.lesions) if lesion.by_hand]
            outside = outside[np.isin(labels.reshape(-1)[outside], drawn)]
        beneath = self.segments.beneath(labels)
        return _with_numbers(LesionLabels(labels, self.lesions, outside), beneath)


def take_lesions(segmentation_node, ct_node) -> TakenLesions:
    """Liver and lesions on the CT's grid. Where lesions overlap, the last one that is not rejected counts.

    Raises:
        InputError: see `labels_from_segmentation`; or more lesions than there is room for.
    """
    known = known_segments(segmentation_node)
    check_meant(segmentation_node, known)
    lesions = lesions_of(segmentation_node)
    check_room(len(lesions))
    labeled = sorted(enumerate(lesions, start=TUMOR), key=lambda each: not each[1].judgment.is_rejected)
    values = [(identifier, LIVER) for identifier in known.get(LIVER, ())]
    values += [(lesion.identifier, label) for label, lesion in labeled]
    segments, liver = take_segments(segmentation_node, ct_node, values), known_liver(segmentation_node)
    found = None if liver is None else take_mask(segmentation_node, ct_node, liver.mask, liver.image)
    return TakenLesions(segments, lesions, found)


def _with_numbers(found: LesionLabels, beneath: dict[int, np.ndarray]) -> LesionLabels:
    """The labels may be changed for that.

    Args:
        beneath: as in `LesionLabels`, but by labels.
    """
    numbered = [lesion for lesion in found.lesions if lesion.number]
    new = found.lesions[len(numbered) :]
    lost = {lesion.number: beneath[at] for at, lesion in enumerate(numbered, start=TUMOR) if at in beneath}
    if not new:
        return replace(found, beneath=lost)
    labels, pieces = found.labels, []
    for label, lesion in enumerate(new, start=TUMOR + len(numbered)):
        parts = components(labels == label)
        order = np.argsort(-parts.sizes, kind="stable").tolist()
        pieces += [(int(parts.sizes[part]), lesion, place, parts, part) for place, part in enumerate(order)]
    pieces.sort(key=lambda piece: -piece[0])
    check_room(len(numbered) + len(pieces))
    labels[labels >= TUMOR + len(numbered)] = 0
    number = LesionLabels(labels, numbered).free_number
    lesions = list(numbered)
    for _size, lesion, place, parts, part in pieces:
        labels.reshape(-1)[parts.voxels(np.arange(len(parts.sizes)) == part)] = TUMOR + len(lesions)
        lesions.append(replace(lesion, identifier="" if place else lesion.identifier, number=number))
        if not place and (label := TUMOR + found.lesions.index(lesion)) in beneath:
            lost[number] = beneath[label]
        number += 1
    return replace(found, lesions=lesions, beneath=lost)


def write_lesions(
    segmentation_node, ct_node, lesions: Sequence[LesionSegment], layers: Sequence[tuple[Layer, dict[int, int]]]
) -> None:
    """Give the liver and the lesions the voxels of layers, and those lesions a segment that have none.

    Segments that are there keep their name and color. What is liver is that of the last `see_liver`, to which lesions
    were there that have been taken away since.

    Args:
        lesions: in the order of their labels, from 2 on; 1 is the liver.
        layers: of `LesionLabels.layers`.
    """
    segmentation = segmentation_node.GetSegmentation()
    identifiers = dict(zip([LIVER], known_segments(segmentation_node).get(LIVER, ()), strict=False))
    with one_update(segmentation_node), surface_follows(segmentation_node):
        for label, lesion in enumerate(lesions, start=TUMOR):
            identifier = lesion.identifier
            if not identifier:
                segment = lesion_segment(lesion.number, label)
                identifier = segmentation.GenerateUniqueSegmentID(segment.id)
                add_segment(segmentation_node, replace(segment, id=identifier))
            identifiers[label] = identifier
            vtk_segment = segmentation.GetSegment(identifier)
            take_number(vtk_segment, lesion.number)
            set_judgment(vtk_segment, lesion.judgment)
            if not lesion.by_hand and by_hand(vtk_segment):
                say_algorithm(vtk_segment, "SEMIAUTOMATIC")
            say_lent(vtk_segment, None)
        for layer, values in layers:
            own = [(identifiers[label], value) for label, value in values.items() if label in identifiers]
            write_segments(segmentation_node, ct_node, layer, own)
        still_known(segmentation_node)
        lend_rejected(segmentation_node)


def take_number(vtk_segment, number: int) -> None:
    """Let a segment have the number of its lesion, and the name where it has that of old scenes."""
    if number_of(vtk_segment) != number:
        set_number(vtk_segment, number)
        if vtk_segment.GetName() == LESION_SEGMENT.name:  # of an old scene
            vtk_segment.SetName(lesion_segment(number, 0).name)


def rejected_numbers(lesions: Sequence[LesionSegment]) -> list[int]:
    """The numbers of rejected lesions."""
    return [lesion.number for lesion in lesions if lesion.judgment.is_rejected]
