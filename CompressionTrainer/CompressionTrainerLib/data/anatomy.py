"""What only anatomy shows of a labeled case: a header that cannot be right, a mask that lies on no liver."""

from __future__ import annotations

import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.pipelines.doubt import ORDINARY_ML, density_doubts, place_doubts, size_doubts
from LiverTumorLib.pipelines.survey import survey

from .labeled import Labeled
from .problems import Problem
from .splits import LabeledCase


def anatomy_notes(case: LabeledCase, labeled: Labeled) -> list[Problem]:
    """Notes on a case; none of them keeps it from being used."""
    volume, found = labeled.volume, survey(labeled.labels, labeled.volume)
    sentences = [(case.ct, sentence) for sentence in _header_doubts(volume)]
    if found is not None and case.mask is not None:
        sentences += [(case.ct, sentence) for sentence in place_doubts(found)]
        # Labeled scans are often cropped to a part of the liver, so a small one says nothing.
        sizes = size_doubts(found) if found.ml > ORDINARY_ML[1] else []
        sentences += [(case.mask, sentence) for sentence in [*sizes, *density_doubts(found)]]
    return [Problem.from_sentence(case.id, file, sentence, blocking=False) for file, sentence in sentences]


def _header_doubts(volume: CTVolume) -> list[str]:
    """Sentences on an identity matrix, which is what software writes that knows nothing of voxel size and place."""
    if not (volume.spacing == 1).all():
        return []
    corners = volume.ras(np.array([(0, 0, 0), np.array(volume.shape[::-1]) - 1]))
    if np.abs(corners).min(axis=0).max() > 1e-3:  # no corner lies at the origin
        return []
    return [
        "the header gives voxels of exactly 1 mm and no place in the patient, as software does that has lost both; "
        "put the true voxel size and orientation into the headers of CT and mask, unless these are true"
    ]
