"""The scanner: turns a patient into a CT volume with its truth, slice by slice, with correlated noise and a table."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..ct import CTVolume
from ..ct.volume import AIR_HU
from .bowel import bowel_loops, mesentery
from .organs import BODY_Y, HALF_DEPTH, HALF_WIDTH
from .painting import Painting
from .patient import MAX_WARP_MM, Patient
from .shapes import Array
from .tissue import Anatomy, paint_body
from .vessels import liver_tree, lung_vessels, place_tumors

FIELD_OF_VIEW_MM = (384.0, 384.0, 250.0)  # x, y, z
_CENTER_MM = (0.0, 18.0, 125.0)  # of the scanned box, in patient mm
_TABLE_TOP_MM = 22.0  # table below the back


def make_phantom(
    seed: int = 1,
    shape: tuple[int, int, int] = (100, 512, 512),
    spacing_mm: tuple[float, float, float] | None = None,
) -> tuple[CTVolume, np.ndarray]:
    """Make a digital abdomen with its truth.

    The same seed is the same patient on every grid; the noise belongs to the grid. Seeds 1 to 99 are kept for
    demonstration, installation checks and tests: see `training_seeds`.

    Args:
        seed: which patient.
        shape: voxels along (k, j, i).
        spacing_mm: voxel size along (i, j, k); without it the grid covers the usual 384 x 384 x 250 mm (0.75 x 0.75 x
            2.5 mm at the default shape).

    Returns:
        The CT (int16 HU, axial: k to superior, j to posterior, i to left) and uint8 labels on its grid (1 liver, 2
        tumor).
    """
    if spacing_mm is None:
        width, depth, height = FIELD_OF_VIEW_MM
        spacing_mm = width / shape[2], depth / shape[1], height / shape[0]
    spacing = spacing_mm
    anatomy = grow(seed)
    xs, ys, zs = (
        _CENTER_MM[axis] + (np.arange(n) - (n - 1) / 2) * step
        for axis, (n, step) in enumerate(zip(shape[::-1], spacing, strict=True))
    )
    background = _table(anatomy.patient, xs, ys, _edge(spacing))
    array, labels = np.empty(shape, np.int16), np.empty(shape, np.uint8)

    def scan_slice(k: int) -> None:
        array[k], labels[k] = _scan_slice(anatomy, background, xs, ys, float(zs[k]), k, spacing)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(scan_slice, range(shape[0])))
    to_ras = np.diag(np.array([-spacing[0], -spacing[1], spacing[2], 1.0]))
    to_ras[:3, 3] = -xs[0], -ys[0], zs[0]
    return CTVolume(array, to_ras, f"phantom-{seed}"), labels


def grow(seed: int) -> Anatomy:
    """Everything about the patient that does not depend on the grid."""
    rng = np.random.default_rng(seed)
    patient = Patient.draw(seed, rng)
    hepatic, portal = liver_tree(patient, "hepatic", rng), liver_tree(patient, "portal", rng)
    lung, bowel, mesenteric = lung_vessels(rng), bowel_loops(rng), mesentery(rng)
    return Anatomy(patient, hepatic, portal, lung, bowel, mesenteric, place_tumors(patient, [hepatic, portal], rng))


def _scan_slice(
    anatomy: Anatomy, background: Array, xs: Array, ys: Array, z: float, k: int, spacing: tuple
) -> tuple[Array, Array]:
    patient = anatomy.patient
    scale = patient.scale
    height = (z - _CENTER_MM[2]) / scale[2] + _CENTER_MM[2]
    hu, labels = background.copy(), np.zeros((ys.size, xs.size), np.uint8)
    (left, right), (front, back) = outline(patient)
    rows, columns = (slice(*np.searchsorted(grid, span)) for grid, span in ((ys, (front, back)), (xs, (left, right))))
    body_hu, body_labels = hu[rows, columns], labels[rows, columns]
    if body_hu.size:
        reference = xs[columns] / scale[0], ys[rows] / scale[1], height
        paint_body(anatomy, Painting.over(patient, body_hu, body_labels, *reference, _edge(spacing)))
    rng = np.random.default_rng((patient.seed, k))
    # less signal gets through the middle of the body
    depth = np.exp(-((xs[None] / 150) ** 2) - ((ys[:, None] - 8) / 110) ** 2).astype(np.float32)
    hu += patient.noise_sd * (0.55 + 0.6 * depth) * _grain(rng, xs.size, ys.size, spacing)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16), labels


def _edge(spacing: tuple) -> float:
    """Width in mm over which a sharp edge spreads: the detector's blur and the pixel together."""
    return float(np.hypot(1.3, max(spacing[0], spacing[1])))


def outline(patient: Patient) -> tuple[tuple[float, float], tuple[float, float]]:
    """The box in mm that holds the whole body: (right, left), (front, back)."""
    side, front, back = patient.fat
    half, depth, middle = HALF_WIDTH * patient.scale[0], HALF_DEPTH * patient.scale[1], BODY_Y * patient.scale[1]
    room = MAX_WARP_MM + 3
    return (-half - side - room, half + side + room), (middle - depth - front - room, middle + depth + back + room)


def _grain(rng: np.random.Generator, columns: int, rows: int, spacing: tuple) -> Array:
    """Noise of sd 1 with the texture of filtered back-projection: power rises with frequency, then the soft kernel cuts
    it off."""
    from scipy import fft

    fx = fft.rfftfreq(columns, spacing[0])[None]
    fy = fft.fftfreq(rows, spacing[1])[:, None]
    frequency = np.hypot(fx, fy)  # cycles per mm
    gain = (np.sqrt(frequency + 0.02) * np.exp(-((frequency / 0.38) ** 2))).astype(np.float32)
    white = rng.standard_normal((rows, columns), dtype=np.float32)
    noise = fft.irfft2(fft.rfft2(white) * gain, s=(rows, columns))
    return noise / noise.std()


def _table(patient: Patient, xs: Array, ys: Array, edge: float) -> Array:
    """A slice with nothing but air, mattress and table."""
    hu = np.full((ys.size, xs.size), AIR_HU, np.float32)
    back = (BODY_Y + HALF_DEPTH) * patient.scale[1] + patient.fat[2]
    top = back + _TABLE_TOP_MM - 0.0011 * xs[None] ** 2
    inside = np.abs(xs[None]) - 205
    for offset, thickness, density in ((-14, 10, -890.0), (0, 2.0, -40.0), (18, 2.0, -40.0)):
        sheet = np.maximum(np.abs(ys[:, None] - top - offset) - thickness / 2, inside)
        hu += (np.clip(0.5 - sheet / edge, 0, 1) * (density - hu)).astype(np.float32)
    return hu
