"""What tells a lesion from all others, in every object and at every date that shows it."""

from __future__ import annotations

import uuid

from .results import Lesion

_NAMESPACE = uuid.UUID("6f0b2c52-3f0e-5c0e-9b5f-6a3f6c0d7a18")  # of tracking identifiers; never to be changed


def tracking_uid(series: str, lesion: Lesion) -> str:
    """The DICOM tracking unique identifier of a lesion: the same CT and place give the same, whoever asks.

    A follow-up keeps that of the first date that shows the lesion. A UUID as a UID (PS3.5, B.2).

    Args:
        series: the CT's SeriesInstanceUID, or what else stands for it, see `StudyRecord.key`.
        lesion: as measured on that CT; its centroid counts, to 0.1 mm.
    """
    place = " ".join(f"{value:.1f}" for value in lesion.centroid_ras)
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{series} {place}').int}"
