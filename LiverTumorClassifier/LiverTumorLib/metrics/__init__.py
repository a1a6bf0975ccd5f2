"""How good a result is: overlap, surface distances, lesion detection, slice classification, and intervals by patient.

Everything takes plain arrays. A figure that is not defined (a Dice of two empty masks, an AUC of one class) is NaN,
never 0 or 1.
"""

from .curves import Curve, PatientSlices, Reliability, auc_difference, precision_recall_curve, reliability, roc_curve
from .intervals import Interval, bootstrap, wilson
from .lesions import SIZE_BINS_ML, LesionDetection, TruthLesion, detect_lesions, size_bin
from .overlap import Counts
from .surface import SurfaceDistances, surface_distances

__all__ = [
    "SIZE_BINS_ML",
    "Counts",
    "Curve",
    "Interval",
    "LesionDetection",
    "PatientSlices",
    "Reliability",
    "SurfaceDistances",
    "TruthLesion",
    "auc_difference",
    "bootstrap",
    "detect_lesions",
    "precision_recall_curve",
    "reliability",
    "roc_curve",
    "size_bin",
    "surface_distances",
    "wilson",
]
