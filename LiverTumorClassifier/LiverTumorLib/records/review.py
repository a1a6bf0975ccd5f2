"""What a reader has added to the result of a run, as reports and DICOM objects say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .judgments import Judgment
from .results import Lesion


@dataclass(frozen=True)
class Review:
    """A reader's part in a result; without arguments that of a run which nobody has looked at.

    Attributes:
        corrected: somebody has changed the segments, so no network alone has drawn them.
        names: of lesions that are called otherwise than "Lesion 1", by number.
        judgments: what is said of lesions, by number.
    """

    corrected: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    judgments: Mapping[int, Judgment] = field(default_factory=dict)

    def name(self, lesion: Lesion) -> str:
        """What a lesion is called."""
        return self.names.get(lesion.id, f"Lesion {lesion.id}")

    def judgment(self, lesion: Lesion) -> Judgment:
        """What is said of a lesion."""
        return self.judgments.get(lesion.id, Judgment())

    def counts(self, lesion: Lesion) -> bool:
        """Whether a lesion is one for the reader."""
        return not self.judgment(lesion).is_rejected


UNREVIEWED = Review()


def hand_notes(lesions: list[Lesion], review: Review = UNREVIEWED) -> list[str]:
    """Sentences on what in a result is a reader's work."""
    notes = ["Liver and lesions were corrected by a reader."] if review.corrected else []
    for lesion in lesions:
        if lesion.axes_by_hand:
            many = "axes were" if " and " in lesion.axes_by_hand else "axis was"
            notes.append(f"{review.name(lesion)}: the {lesion.axes_by_hand} {many} measured by hand.")
    return notes
