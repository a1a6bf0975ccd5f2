"""One case against its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.metrics import Counts, LesionDetection, SurfaceDistances, detect_lesions, surface_distances
from LiverTumorLib.records.options import CaseOutput
from LiverTumorLib.records.results import TUMOR

from .agreement import Agreement, segmented


@dataclass(frozen=True)
class Structure:
    """A mask against its truth: voxel counts, surface distances, volumes in ml."""

    counts: Counts
    surface: SurfaceDistances
    truth_ml: float
    predicted_ml: float
    false_positive_ml: float


@dataclass(frozen=True)
class Slices:
    """Axial slices of one case in one order: index (n,), probability (n,), whether the truth has tumor and whether it
    has liver there."""

    index: np.ndarray
    probability: np.ndarray
    tumor: np.ndarray
    liver: np.ndarray

    def select(self, mask: np.ndarray) -> Slices:
        """The slices for which `mask` is true."""
        return Slices(self.index[mask], self.probability[mask], self.tumor[mask], self.liver[mask])


@dataclass(frozen=True)
class CaseScores:
    """All figures of one case; None is what was not looked for, or what the truth does not label.

    `notes` tell what was repaired or assumed while the CT was read, and what is doubtful in CT, truth and result.
    """

    name: str
    patient: str
    liver: Structure | None
    tumor: Structure | None
    lesions: LesionDetection | None
    slices: Slices | None
    seconds: float
    models: list[dict]
    agreement: Agreement | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Parts:
    """What of a case is measured.

    Attributes:
        liver: the run has looked for the liver itself.
        tumor, slices: tumor was looked for, and slices were scored, and absence of label 2 means absence of tumor.
    """

    liver: bool = True
    tumor: bool = True
    slices: bool = True


EVERYTHING = Parts()


def score_case(
    output: CaseOutput,
    truth: np.ndarray,
    volume: CTVolume,
    patient: str,
    parts: Parts = EVERYTHING,
    agreement: Agreement | None = None,
) -> CaseScores:
    """Compare what a run found with the truth.

    Args:
        output: of `segment_case` on `volume`.
        truth: labels (k, j, i) on the volume's grid: 1 liver, 2 tumor; the liver of the figures is both together, as in
          LiTS.
        volume: the CT.
        patient: whom the case belongs to; cases of one patient are resampled together.
        parts: what of it is measured.
        agreement: with a float twin, to travel with the case.
    """
    result, labels = output.result, segmented(output)
    predicted_tumor, true_tumor = labels == TUMOR, truth == TUMOR
    return CaseScores(
        name=result.name,
        patient=patient,
        liver=_structure(labels > 0, truth > 0, volume) if parts.liver else None,
        tumor=_structure(predicted_tumor, true_tumor, volume) if parts.tumor else None,
        lesions=detect_lesions(predicted_tumor, true_tumor, volume.voxel_ml) if parts.tumor else None,
        slices=_slices(output, truth, volume) if parts.slices else None,
        seconds=sum(result.seconds.values()),
        models=result.models,
        agreement=agreement,
    )


def _structure(prediction: np.ndarray, truth: np.ndarray, volume: CTVolume) -> Structure:
    counts = Counts.of(prediction, truth)
    ml = volume.voxel_ml
    surface = surface_distances(prediction, truth, volume.spacing[::-1])
    return Structure(counts, surface, (counts.tp + counts.fn) * ml, (counts.tp + counts.fp) * ml, counts.fp * ml)


def _slices(output: CaseOutput, truth: np.ndarray, volume: CTVolume) -> Slices | None:
    scored = [record for record in output.result.slices if record.probability is not None]
    if not scored:
        return None
    index = np.array([record.index for record in scored])
    axial = to_axial(volume).bring(truth)
    liver, tumor = np.any(axial > 0, axis=(1, 2)), np.any(axial == TUMOR, axis=(1, 2))
    return Slices(index, np.array([record.probability for record in scored]), tumor[index], liver[index])
