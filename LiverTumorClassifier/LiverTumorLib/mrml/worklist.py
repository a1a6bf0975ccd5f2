"""The lesions of a segmentation with what was measured of them, what a reader says, and whether both still fit.

The segments say which lesions there are, and what a reader says of them is kept with them; the lesion table has what
was measured, and a copy of the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import InputError
from ..pipelines.doubt import burden_doubts
from ..pipelines.lesions import summarize
from ..records.judgments import Judgment
from ..records.results import CaseSummary, Lesion
from ..records.segments import MOST_LESIONS
from .corrections import checksums
from .lesions import LesionSegment, lesions_of
from .nodes import one_update
from .segment_tags import set_judgment
from .tables import fill_lesion_table, fill_summary_table
from .translation import _

LESIONS_ROLE = "LiverTumor.lesions"
SUMMARY_ROLE = "LiverTumor.summary"


@dataclass(frozen=True)
class Row:
    """A row of the worklist.

    Attributes:
        lesion: and its segment; None where it was deleted since it was measured, or in a scene of an earlier version.
        figures: what was measured, by the names of `LESION_COLUMNS`; empty for what never was.
        is_changed: whether the figures are not those of the voxels there are now.
    """

    lesion: LesionSegment | None
    figures: dict[str, Any]
    is_changed: bool

    @property
    def name(self) -> str:
        """What the reader calls the lesion."""
        return self.lesion.name if self.lesion is not None else self.figures.get("name") or str(self.figures["id"])
