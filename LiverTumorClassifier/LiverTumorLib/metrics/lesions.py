"""Lesion by lesion: which true lesions were found, which were missed, and which predictions are extra.

The rule follows the LiTS challenge (Bilic et al. 2023): prediction and truth are split into connected components (26
neighbors); components that overlap, directly or through others, form one group, so that a lesion predicted in two
pieces, or two lesions predicted as one, are compared as a whole; a group counts when its intersection over union is at
least `min_overlap`. Since a large lesion would otherwise lend its overlap to a small neighbor in the same group, a
lesion must itself be covered to that share too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Upper edges in ml. About 5 ml is a sphere of 21 mm.
SIZE_BINS_ML = (1.0, 5.0, 20.0)


@dataclass(frozen=True)
class TruthLesion:
    """One lesion of the truth.

    Attributes:
        volume_ml: its size.
        covered: the share of it that the prediction covers, 0..1.
        group_iou: intersection over union of the group of overlapping components it belongs to; 0 when nothing touches
          it.
        found: group_iou and covered both reach the overlap that was asked for.
    """

    volume_ml: float
    covered: float
    group_iou: float
    found: bool

    @property
    def touched(self) -> bool:
        """Any overlap at all: a reader who looks at the prediction is led to this lesion."""
        return self.covered > 0


@dataclass(frozen=True)
class LesionDetection:
    """Outcome for one case.

    Attributes:
        lesions: the true lesions, largest first.
        extra_ml: sizes of the predicted components that touch no true lesion, largest first.
        min_overlap: the overlap the lesions had to reach to count as found.
    """

    lesions: list[TruthLesion] = field(default_factory=list)
    extra_ml: list[float] = field(default_factory=list)
    min_overlap: float = 0.5

    @property
    def found(self) -> int:
        return sum(lesion.found for lesion in self.lesions)

    @property
    def touched(self) -> int:
        return sum(lesion.touched for lesion in self.lesions)

    @property
    def missed(self) -> int:
        """True lesions that were not found (some of them may still be touched)."""
        return len(self.lesions) - self.found

    @property
    def extra(self) -> int:
        return len(self.extra_ml)


def detect_lesions(
    prediction: np.ndarray, truth: np.ndarray, voxel_ml: float, min_overlap: float = 0.5
) -> LesionDetection:
    """Match the tumor components of two masks of one shape (k, j, i); `voxel_ml` is the volume of a voxel in ml."""
    from scipy.ndimage import label
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if np.shape(prediction) != np.shape(truth):
        raise ValueError(
            f"a prediction of shape {np.shape(prediction)} cannot be compared with a truth of shape {np.shape(truth)}"
        )
    around = np.ones((3, 3, 3), dtype=bool)
    predicted, predicted_count = label(np.asarray(prediction, dtype=bool), around)
    true, true_count = label(np.asarray(truth, dtype=bool), around)
    predicted_size = np.bincount(predicted.ravel(), minlength=predicted_count + 1)[1:]
    true_size = np.bincount(true.ravel(), minlength=true_count + 1)[1:]

    both = (predicted > 0) & (true > 0)
    # Nodes of the graph: the true components, then the predicted ones; an edge weighs the voxels that two share.
    edges = (np.ones(np.count_nonzero(both), dtype=np.int64), (true[both] - 1, predicted[both] - 1 + true_count))
    nodes = true_count + predicted_count
    shared = csr_array(edges, shape=(nodes, nodes))
    groups, group_of = connected_components(shared, directed=False)
    overlap: NDArray[np.int64] = np.asarray(shared.sum(axis=1)).ravel()[:true_count]
    group_overlap = np.bincount(group_of[:true_count], weights=overlap, minlength=groups)
    group_size = np.bincount(group_of, weights=np.concatenate([true_size, predicted_size]), minlength=groups)

    lesions = []
    for index in np.argsort(-true_size, kind="stable"):
        inside, size = group_overlap[group_of[index]], group_size[group_of[index]]
        iou, covered = float(inside / (size - inside)), float(overlap[index] / true_size[index])
        lesions.append(TruthLesion(float(true_size[index] * voxel_ml), covered, iou, min(iou, covered) >= min_overlap))
    alone = np.asarray(shared.sum(axis=0)).ravel()[true_count:] == 0
    extra_ml = sorted((float(size * voxel_ml) for size in predicted_size[alone]), reverse=True)
    return LesionDetection(lesions, extra_ml, min_overlap)


def size_bin(volume_ml: float) -> str:
    """The name of the size bin a lesion falls into, such as "1-5 ml"."""
    names = [f"< {SIZE_BINS_ML[0]:g} ml"]
    names += [f"{low:g}-{high:g} ml" for low, high in pairwise(SIZE_BINS_ML)]
    names += [f">= {SIZE_BINS_ML[-1]:g} ml"]
    return names[int(np.searchsorted(SIZE_BINS_ML, volume_ml, side="right"))]
