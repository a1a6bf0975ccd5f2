"""Lesions measured as they are now: taken from the scene, and measured on what was taken, which the background can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ct import to_axial
from ..records.results import CaseResult
from .corrections import Contents, check_contents, contents
from .lesions import LesionLabels, TakenLesions, rejected_numbers, take_lesions
from .probabilities import kept_probability
from .volumes import TakenCT, take_ct


@dataclass(frozen=True)
class Measurable:
    """What it takes to measure a segmentation, as it was when it was taken.

    Attributes:
        segmentation_node: it was taken from.
        ct: on whose grid the lesions are.
        lesions: and the liver.
        probability: in percent, see `kept_probability`.
        contents: of the segmentation, see `contents`.
    """

    segmentation_node: Any
    ct: TakenCT
    lesions: TakenLesions
    probability: np.ndarray | None
    contents: Contents

    @classmethod
    def of(cls, segmentation_node, ct_node) -> Measurable:
        """Raises InputError, see `take_ct` and `take_lesions`."""
        ct = take_ct(ct_node)
        lesions = take_lesions(segmentation_node, ct_node)
        probability = kept_probability(segmentation_node, ct.volume.shape)
        return cls(segmentation_node, ct, lesions, probability, contents(segmentation_node))

    def measured(self, found: LesionLabels) -> CaseResult:
        """The figures of lesions, those that were taken or what was made of them. Touches no node. Raises InputError,
        see `check_ct`."""
        from ..pipelines.doubt import corrected_notes
        from ..pipelines.lesions import measure_numbered

        view = to_axial(self.ct.checked())
        rejected = rejected_numbers(found.lesions)
        liver = view.bring(found.without_rejected().labels if rejected else found.labels)
        axial = None if self.probability is None else view.bring(self.probability)
        lesions, summary = measure_numbered(
            view.bring(found.labels),
            view.volume,
            [lesion.number for lesion in found.lesions],
            rejected,
            None if axial is None else lambda kji: axial[tuple(kji.T)] / 100,
            liver=liver,
            whole={lesion.number: view.bring(found.whole(label)) for label, lesion in found.covered.items()},
        )
        summary.notes = corrected_notes(liver, view.volume, summary)
        return CaseResult(self.ct.volume.name, summary, lesions)

    def check_unchanged(self) -> None:
        """Raises InputError where CT, liver or lesions are not what was taken: they changed while they were worked
        on."""
        self.ct.check_unchanged()
        check_contents(self.segmentation_node, self.contents)


def measured_now(segmentation_node, ct_node) -> tuple[LesionLabels, CaseResult]:
    """The lesions of a segmentation as they are now, and their figures; nothing in the scene is changed.

    Raises:
        InputError: see `Measurable`.
    """
    taken = Measurable.of(segmentation_node, ct_node)
    found = taken.lesions.labels()
    return found, taken.measured(found)
