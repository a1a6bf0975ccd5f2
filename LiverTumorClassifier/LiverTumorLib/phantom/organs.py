"""Signed distances of the large organs in reference mm, negative inside; shared by painting and by the placing of
lesions and vessels."""

from __future__ import annotations

import numpy as np

from .patient import Patient
from .shapes import Array, capsule, ellipsoid, join, meet, rounded_oval

HALF_WIDTH, HALF_DEPTH, BODY_Y = 150.0, 104.0, 8.0  # outer surface of the muscle wall
_DOMES = {"right": (-66, -2, 206, 86, 92, 84), "left": (64, 4, 193, 78, 90, 80), "middle": (2, -30, 184, 80, 75, 50)}


def wall(x: Array, y: Array, z: Array) -> Array:
    """Outer surface of the muscle wall."""
    narrowing = 1 - 0.05 * ((z - 115) / 130) ** 2
    groove = 7 * np.exp(-(((y - 118) / 18) ** 2) - (x / 16) ** 2)  # furrow over the spine
    return rounded_oval(x, y - BODY_Y, HALF_WIDTH * narrowing, HALF_DEPTH * narrowing, 0.35) + groove


def skin(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """Surface of the body."""
    side, front, back = (
        f / s for f, s in zip(patient.fat, (patient.scale[0], patient.scale[1], patient.scale[1]), strict=True)
    )
    narrowing = 1 - 0.03 * ((z - 90) / 130) ** 2
    middle = BODY_Y + (back - front) / 2
    return rounded_oval(
        x, y - middle, (HALF_WIDTH + side) * narrowing, (HALF_DEPTH + (front + back) / 2) * narrowing, 0.3
    )


def cavity(x: Array, y: Array, z: Array, wall_distance: Array) -> Array:
    """Inner surface of the muscle wall: chest and abdominal cavity together. The wall is thinner in front and low at
    the sides."""
    thickness = 14.0 + 3.5 * np.clip(y / 100, -1, 1)
    return wall_distance + thickness


def diaphragm(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """Negative below the diaphragm: three rounded domes."""
    domes = []
    for name, (cx, cy, height, rx, ry, drop) in _DOMES.items():
        top = height + (patient.liver["dome"] if name == "right" else 0)
        rho2 = np.minimum(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2, 2.2)
        slope2 = (drop / 88.0) ** 2 * rho2 * (1.2 + 1.6 * rho2) ** 2
        domes.append((z - top + drop * rho2 * (0.6 + 0.4 * rho2)) / np.sqrt(1 + slope2))
    right, left, middle = domes
    return join(join(right, left, 14), middle, 14)


def heart(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """The heart with its pericardial fat; the caller cuts it off at the diaphragm."""
    return ellipsoid(x, y, z, patient.place("heart", (26, -34, 236)), (66, 50, 60), turn_deg=28)


def kidney(patient: Patient, side: str, x: Array, y: Array, z: Array) -> Array:
    """A bean: an ellipsoid with its upper pole towards the spine and a hollow hilum."""
    sign = -1 if side == "right" else 1
    cx, cy, cz = patient.place(f"{side}_kidney", (sign * 66, 60, 60 if side == "right" else 76))
    bean = ellipsoid(x, y, z, (cx, cy, cz), (28, 27, 54), turn_deg=sign * -25, tilt_deg=sign * 8)
    hilum = ellipsoid(x, y, z, (cx - sign * 27, cy - 12, cz), (17, 12, 17))
    return meet(bean, -hilum, 8)


def stomach(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """Fundus under the left dome, body, and antrum reaching over the midline."""
    fundus, body, angle, antrum, pylorus = (
        patient.place("stomach", p)
        for p in ((60, 20, 158), (60, -22, 130), (46, -50, 100), (4, -58, 88), (-30, -42, 92))
    )
    whole = join(ellipsoid(x, y, z, fundus, (32, 30, 30)), capsule(x, y, z, fundus, body, 25, 23), 12)
    whole = join(whole, capsule(x, y, z, body, angle, 23, 21), 12)
    return join(whole, join(capsule(x, y, z, angle, antrum, 20, 17), capsule(x, y, z, antrum, pylorus, 16, 10), 6), 10)


def spleen(patient: Patient, x: Array, y: Array, z: Array, cavity_distance: Array, diaphragm_distance: Array) -> Array:
    """A crescent between the left wall, the stomach and the left kidney."""
    cx, cy, cz = patient.place("spleen", (98, 48, 142))
    outer = meet(ellipsoid(x, y, z, (cx, cy, cz), (50, 58, 56), turn_deg=-25, tilt_deg=12), cavity_distance + 2.5, 8)
    hollow = ellipsoid(x, y, z, (cx - 46, cy - 36, cz - 8), (56, 46, 80), turn_deg=-25)
    shape = meet(meet(outer, -hollow, 10), diaphragm_distance + 2.2, 8)
    return meet(shape, 4 - kidney(patient, "left", x, y, z), 6)


def gallbladder(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """A pear below the liver."""
    fundus, neck = patient.place("gallbladder", (-62, -62, 76)), patient.place("gallbladder", (-46, -26, 100))
    return capsule(x, y, z, fundus, neck, 15, 6)


def liver(patient: Patient, x: Array, y: Array, z: Array, cavity_distance: Array, diaphragm_distance: Array) -> Array:
    """The liver: what lies under the right dome and above the visceral surface, less its neighbors and fissures."""
    form = patient.liver
    slope = 0.5 + form["slope"]
    floor = (
        110
        + form["height"]
        + slope * x
        + 0.12 * np.clip(x, 0, None)
        + 0.13 * (y + 20)
        + 0.0022 * np.clip(x + 60, 0, 120) ** 2
    )
    under = (floor - z) / 1.2
    left_lobe = meet((y - 12 + 0.42 * x) / 1.08, x - 88 - form["reach"], 20)  # its back, and its tip
    # The right lobe may reach the back wall, left of it the spine and vessels do.
    behind = join(left_lobe, x + 44 + 0.12 * y, 24)
    shape = meet(meet(meet(cavity_distance + 1, diaphragm_distance + 2.2, 10), under, 22), behind, 14)
    bottom, top = float(np.min(z)), float(np.max(z))

    def near(low: float, high: float) -> bool:  # most slices are spared most of the work
        return bottom < high + 10 and top > low - 10

    if near(116, 184):
        caudate = ellipsoid(x, y, z, (-12, 10, 150), (24, 16, 34))
        shape = join(shape, meet(caudate, diaphragm_distance + 2.2, 8), 10)
    if near(2, 134):
        kx, ky, kz = patient.place("right_kidney", (-62, 78, 72))
        bed = join(kidney(patient, "right", x, y, z), ellipsoid(x, y, z, (kx, ky, kz), (28, 30, 52), tilt_deg=-10), 10)
        shape = meet(shape, 5 - bed, 10)
    if near(60, 110):
        shape = meet(shape, 2 - gallbladder(patient, x, y, z), 10)
    if near(66, 196):
        shape = meet(shape, 4 - stomach(patient, x, y, z), 10)
    for center, radii, turn in (
        ((6, -58, 112), (3.5, 34, 42), -8),  # falciform ligament
        ((8, -8, 148), (24, 3, 30), -20),  # ligamentum venosum
        ((-34, -8, 124), (24, 10, 9), 12),  # porta hepatis
    ):
        if near(center[2] - radii[2], center[2] + radii[2]):
            shape = meet(shape, -ellipsoid(x, y, z, center, radii, turn), 4)
    return shape


def liver_at(patient: Patient, points: Array) -> Array:
    """Signed distance to the liver at (n, 3) points."""
    x, y, z = points.T
    return liver(patient, x, y, z, cavity(x, y, z, wall(x, y, z)), diaphragm(patient, x, y, z))
