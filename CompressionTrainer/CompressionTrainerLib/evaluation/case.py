"""One case against its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.errors import InputError
from LiverTumorLib.metrics import Counts, LesionDetection, SurfaceDistances, detect_lesions, surface_distances
from LiverTumorLib.pipelines.options import CaseOutput
from LiverTumorLib.pipelines.results import TUMOR

from .agreement import Agreement


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
    """The axial slices of one case, in one order: probability (n,), whether the truth has tumor and whether it has liver in the slice."""

    probability: np.ndarray
    tumor: np.ndarray
    liver: np.ndarray

    def select(self, mask: np.ndarray) -> Slices:
        """The slices for which `mask` is true."""
        return Slices(self.probability[mask], self.tumor[mask], self.liver[mask])


@dataclass(frozen=True)
class CaseScores:
    """All figures of one case; `tumor`, `lesions` and `slices` are None where the truth does not label tumor."""

    name: str
    patient: str
    liver: Structure
    tumor: Structure | None
    lesions: LesionDetection | None
    slices: Slices | None
    seconds: float
    models: list[dict]
    agreement: Agreement | None = None


def place_truth(labels: np.ndarray, ijk_to_ras: np.ndarray, volume: CTVolume) -> np.ndarray:
    """The truth on the CT's grid, nearest neighbour; unchanged where it lies on that grid already.

    DICOM readers and NIfTI writers order the same voxels differently, so a mask may come in another order than its CT.

    Raises:
        InputError: part of the mask lies outside the CT, so the two do not belong together.
    """
    if labels.shape == volume.shape and np.allclose(ijk_to_ras, volume.ijk_to_ras, atol=1e-2):
        return labels
    from scipy.ndimage import affine_transform

    matrix = np.linalg.inv(ijk_to_ras) @ volume.ijk_to_ras
    placed = affine_transform(labels, matrix[:3, :3][::-1, ::-1], matrix[2::-1, 3], output_shape=volume.shape, order=0)
    before = np.count_nonzero(labels) * abs(np.linalg.det(ijk_to_ras[:3, :3])) / 1000
    after = np.count_nonzero(placed) * volume.voxel_ml
    if abs(after - before) > 0.02 * before:
        raise InputError(f"The mask of {volume.name} does not lie on its CT ({before:.1f} ml, {after:.1f} ml of it there); check the pair.")
    return placed


def score_case(
    output: CaseOutput,
    truth: np.ndarray,
    volume: CTVolume,
    patient: str,
    *,
    tumor_labelled: bool = True,
    agreement: Agreement | None = None,
) -> CaseScores:
    """Compare what a run found with the truth.

    Args:
        output: of `segment_case` on `volume`.
        truth: labels (k, j, i) on the volume's grid: 1 liver, 2 tumor; the liver of the figures is both together, as in LiTS.
        volume: the CT.
        patient: whom the case belongs to; cases of one patient are resampled together.
        tumor_labelled: whether absence of label 2 means absence of tumor.
        agreement: with a float twin, to travel with the case.
    """
    result = output.result
    predicted_tumor, true_tumor = output.labels == TUMOR, truth == TUMOR
    return CaseScores(
        name=result.name,
        patient=patient,
        liver=_structure(output.labels > 0, truth > 0, volume),
        tumor=_structure(predicted_tumor, true_tumor, volume) if tumor_labelled else None,
        lesions=detect_lesions(predicted_tumor, true_tumor, volume.voxel_ml) if tumor_labelled else None,
        slices=_slices(output, truth, volume) if tumor_labelled else None,
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
    index = [record.index for record in scored]
    axial = to_axial(volume).bring(truth)
    liver, tumor = (axial > 0).any(axis=(1, 2)), (axial == TUMOR).any(axis=(1, 2))
    return Slices(np.array([record.probability for record in scored]), tumor[index], liver[index])
