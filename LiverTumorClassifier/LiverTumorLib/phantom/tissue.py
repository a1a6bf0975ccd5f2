"""What is painted into a slice, from the skin inwards: wall and skeleton, chest, abdominal organs, liver with lesions,
great vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..records.results import LIVER, TUMOR
from . import organs
from .painting import Painting
from .patient import Patient, Tumor
from .shapes import capsule, ellipsoid, join, meet, rounded_oval
from .vessels import GREAT_VESSELS, Network, network

_PARENCHYMA_SD = 4.0


@dataclass(frozen=True)
class Anatomy:
    """A patient with everything that was grown from the seed."""

    patient: Patient
    hepatic: Network
    portal: Network
    lung: Network
    bowel: tuple[Network, list[float]]  # loops, and the share of gas in each
    mesentery: Network
    tumors: list[Tumor]


def paint_body(anatomy: Anatomy, painting: Painting) -> None:
    """Paint everything inside the skin, outer and lower things first."""
    patient = anatomy.patient
    wall = organs.wall(painting.x, painting.y, painting.z)
    cavity = organs.cavity(painting.x, painting.y, painting.z, wall)
    painting.extra |= {"wall": wall, "cavity": cavity, "diaphragm": organs.diaphragm(patient, *painting.xyz)}
    _paint_wall(patient, painting)
    _paint_chest(anatomy, painting)
    _paint_bowel(anatomy, painting)
    _paint_gut_organs(patient, painting)
    _paint_kidneys(patient, painting)
    _paint_liver(anatomy, painting)
    _paint_great_vessels(patient, painting)
    _paint_back_muscles(patient, painting)
    _paint_ribs(painting)
    _paint_spine(patient, painting)


def _paint_wall(patient: Patient, painting: Painting) -> None:
    hu, strands, mottle = patient.hu, painting.extra["strands"], painting.extra["mottle"]
    wall, cavity = painting.extra["wall"], painting.extra["cavity"]
    skin = organs.skin(patient, painting.x, painting.y, painting.z)
    septa = np.clip(np.abs(strands) - 0.06, 0, 0.08)  # thin bright lines where the field crosses zero
    subcutaneous = hu["fat"] + 4 * mottle + (0.08 - septa) * 260 * (mottle > 0)
    painting.paint(skin, 25.0)
    painting.paint(skin + 2.2, subcutaneous)
    painting.paint(wall, hu["muscle"] + 6 * mottle)
    layers = np.where(
        (np.abs(painting.y) < 62) & (np.abs(painting.x) > 70),
        np.clip(np.cos((wall + 1.0) * (2 * np.pi / 5.2)) - 0.55, 0, 1),
        0,
    )
    painting.hu -= np.where((wall < -2) & (cavity > 2) & (painting.z < 96), 230 * layers, 0).astype(np.float32)
    painting.paint(cavity, hu["fat"] + 7 * strands + 4 * mottle)
    muscle = painting.hu  # the diaphragm, a thin sheet under the lungs
    muscle += np.clip(1.2 - np.abs(painting.extra["diaphragm"] + 1.2), 0, 1) * (cavity < 1) * (hu["muscle"] - muscle)


def _paint_back_muscles(patient: Patient, painting: Painting) -> None:
    part = painting.box((-95, 20, -99), (95, 130, 999))
    if part is None:
        return
    lumbar = float(np.clip((118 - painting.height) / 60, 0, 1))
    muscle = patient.hu["muscle"] + 6 * part.extra["mottle"] - 22 * np.clip(part.extra["strands"] - 0.6, 0, 2)
    for sign in (-1, 1):
        erector = rounded_oval(part.x - sign * 33, part.y - 97, 26.0, 14.0, 0.2)
        part.paint(erector, muscle)
        if lumbar > 0.05:
            part.paint(
                rounded_oval(part.x - sign * (28 + 10 * lumbar), part.y - 64, 6 + 12 * lumbar, 6 + 16 * lumbar, 0.0),
                muscle,
            )
            part.paint(rounded_oval(part.x - sign * 66, part.y - 84, 24 * lumbar, 8 * lumbar, 0.0), muscle)
    if 60 < painting.height < 190:  # crura of the diaphragm on both sides of the aorta
        fade = float(np.clip((painting.height - 60) / 20, 0, 1) * np.clip((190 - painting.height) / 20, 0, 1))
        for sign, center in ((-1, -7), (1, 27)):
            part.paint(
                rounded_oval(part.x - center + sign * 0.15 * (part.y - 40), part.y - 40, 3.6 * fade + 0.5, 16.0, 0.0),
                muscle,
            )


def _paint_ribs(painting: Painting) -> None:
    wall = painting.extra["wall"]
    shell = (wall > -20) & (wall < 1)
    x, y, z, depth = (a[shell] for a in (painting.x, painting.y, painting.z, wall))
    angle = np.arctan2(np.abs(x), (y - organs.BODY_Y) * 1.35)  # 0 behind, pi in front
    along = z + 52 * angle - 6 * angle**2 - 96 + np.where(x > 0, 3, 0)  # ribs fall towards the front
    number = np.floor(along / 27)
    across = (along - 27 * number - 13.5) * 0.86
    reach = np.clip(0.75 + 0.42 * number, 0, 2.9)  # the twelfth rib is short, higher ones come round
    distance = (np.sqrt((across / 6.0) ** 2 + ((depth + 9.5) / 4.0) ** 2) - 1) * 4.4
    distance = np.maximum(distance, (angle - reach) * 90)
    distance = np.where((number < 0) | (angle < 0.36), 9.0, distance)
    cartilage = np.clip((angle - 2.0) * 3, 0, 1)
    bone = np.where(distance > -1.9, 620.0, 240.0) * (1 - cartilage) + 105 * cartilage
    share = np.clip(0.5 - distance / painting.edge, 0, 1)
    painting.hu[shell] += share * (bone - painting.hu[shell])


def _paint_spine(patient: Patient, painting: Painting) -> None:
    part = painting.box((-52, 34, -99), (52, 128, 999))
    if part is None:
        return
    x, y, z = part.xyz
    turn = (painting.height + 6) / 33.0
    level = float(turn - np.floor(turn)) * 33.0 - 16.5  # height within a vertebra, 0 in the middle
    disc = abs(level) > 12.7
    waist = 1 - 0.1 * float(np.cos(level / 12.7 * np.pi / 2))
    body = rounded_oval(x, y - 62, 23.0 * waist, 17.5 * waist, 0.2)
    body = meet(body, 9.5 - np.hypot(x, y - 86), 5)
    spongy = 185 + 30 * part.extra["mottle"] + 8 * part.extra["strands"]
    process = np.maximum(rounded_oval(x, y - 104, 3.6, 12.0, 0.5), abs(level + 5) - 9)
    arch = np.maximum(np.abs(np.hypot(x / 1.15, y - 87) - 12.5) - 3.0, 76 - y)
    arch = np.maximum(arch, abs(level) - 12)
    transverse = np.maximum(
        np.maximum(np.hypot((y - 88 - 0.12 * np.abs(x)) * 1.0, level - 2) - 4.8, np.abs(x) - 37), 10 - np.abs(x)
    )
    for bone in (transverse, process, arch):
        part.paint(bone, np.where(bone > -1.6, np.float32(520), np.float32(260)))
    if disc:
        part.paint(body, 88.0)
    else:
        shell = 3.2 if abs(level) > 11 else 1.8
        part.paint(body, np.where(body > -shell, np.float32(400), spongy + 60 * (abs(level) > 10.5)))
    part.paint(rounded_oval(x, y - 87, 10.5, 8.5, 0.1), 12.0)
    part.paint(rounded_oval(x, y - 87, 5.5, 4.5, 0.0), 44.0)


def _paint_chest(anatomy: Anatomy, painting: Painting) -> None:
    if painting.height < 60:
        return
    patient, hu = anatomy.patient, anatomy.patient.hu
    x, y, z = painting.xyz
    above, cavity = -painting.extra["diaphragm"], painting.extra["cavity"]
    spine = rounded_oval(x - 4, y - 66, 30.0, 44.0, 0.0)
    front = rounded_oval(x + 2, y + 84, 26.0, 22.0, 0.0)
    pericardium = organs.heart(patient, x, y, z)
    middle = join(join(spine, front, 20), pericardium - 4, 16)
    lung = meet(meet(cavity + 1.5, above + 1.5, 5), -middle, 6)
    if not (lung < painting.edge).any():
        return
    painting.paint(lung, -868 + 24 * np.clip(y / 60, -1.5, 1.5) + 10 * painting.extra["strands"])
    painting.extra["lung"] = lung
    _paint_vessels(painting, anatomy.lung, 35.0, within="lung")
    if painting.height > 160:
        fat = hu["fat"] + 10 * painting.extra["strands"]
        painting.paint(meet(pericardium, above + 3, 5), fat)
        muscle = meet(pericardium + 6, above + 8, 5)
        painting.paint(muscle, hu["heart"] + 4 * painting.extra["mottle"])
        left = ellipsoid(x, y, z, patient.place("heart", (46, -24, 236)), (27, 22, 46), turn_deg=28)
        right = ellipsoid(x, y, z, patient.place("heart", (0, -50, 236)), (36, 19, 48), turn_deg=-12)
        painting.paint(meet(join(left, right, 2), muscle + 5, 4), hu["blood"] + 3 * painting.extra["mottle"])
    esophagus = rounded_oval(x - 8 - 0.1 * (z - 180), y - 18, 9.0, 7.0, 0.0)
    painting.paint(np.maximum(esophagus, 172 - z), hu["muscle"] - 12)


def _paint_bowel(anatomy: Anatomy, painting: Painting) -> None:
    _paint_vessels(painting, anatomy.mesentery, 0.7 * anatomy.patient.hu["portal"], within="cavity")
    loops, gas_shares = anatomy.bowel
    for number, low, high in loops.near(painting.height, painting.margin + 4):
        part = painting.box(low - 4, high + 4)  # the wall is uneven
        if part is None:
            continue
        tube, gas = loops.tubes[number], gas_shares[number]
        radius = max(tube[6], tube[7])
        loop = capsule(*part.xyz, tube[:3], tube[3:6], tube[6], tube[7]) + 1.6 * part.extra["strands"]
        lumen = loop + 2.6
        part.paint(meet(loop, part.extra["cavity"] + 3, 5), anatomy.patient.hu["gut"])
        content = 28 + 14 * part.extra["mottle"] + 12 * part.extra["strands"]
        part.paint(meet(lumen, part.extra["cavity"] + 6, 5), content)
        level = (tube[1] + tube[4]) / 2 + radius * (2 * gas - 1)
        part.paint(meet(np.maximum(lumen, part.y - level), part.extra["cavity"] + 6, 3), -880.0)


def _paint_gut_organs(patient: Patient, painting: Painting) -> None:
    hu = patient.hu
    part = painting.box((-70, -90, 50), (120, 80, 205))
    if part is not None:
        below = part.extra["diaphragm"] + 4
        outer = meet(meet(organs.stomach(patient, *part.xyz), below, 8), part.extra["cavity"] + 4, 6)
        folds = 1.5 * part.extra["strands"]
        part.paint(outer, hu["gut"] + 5 * part.extra["mottle"])
        part.paint(outer + 4.5 + folds, 26 + 9 * part.extra["strands"] + 6 * part.extra["mottle"])
        level = patient.place("stomach", (0, -38, 0))[1]
        part.paint(np.maximum(outer + 4.5 + folds, part.y - level), -900.0)
    part = painting.box((-60, -40, 50), (100, 50, 140))
    if part is not None:
        stops = [
            patient.place("pancreas", p)
            for p in ((-32, 2, 78), (-26, -2, 96), (2, -16, 106), (34, -2, 114), (74, 26, 126))
        ]
        ends = zip(stops[:-1], stops[1:], (14, 14, 9, 10), (14, 9, 10, 8), strict=True)
        pieces = [capsule(*part.xyz, a, b, r0, r1) for a, b, r0, r1 in ends]
        gland = pieces[0]
        for piece in pieces[1:]:
            gland = join(gland, piece, 6)
        mottle, strands = part.extra["mottle"], part.extra["strands"]
        part.paint(gland + 1.2 * mottle + 1.5 * strands, hu["pancreas"] + 6 * mottle - 20 * np.clip(strands, 0, 2))
    part = painting.box((30, -30, 80), (160, 110, 210))
    if part is not None:
        spleen = organs.spleen(patient, *part.xyz, part.extra["cavity"], part.extra["diaphragm"])
        part.paint(spleen, hu["spleen"] + _PARENCHYMA_SD * part.extra["mottle"])
    for sign in (-1, 1):  # adrenal glands
        top = (sign * 30, 36, 132)
        limbs = ((*top, 3.2), (sign * 36, 50, 114, 2.4)), ((*top, 3.2), (sign * 24, 48, 116, 2.4))
        _paint_vessels(painting, network(*limbs), hu["pancreas"] - 15)


def _paint_kidneys(patient: Patient, painting: Painting) -> None:
    for side, sign in (("right", -1), ("left", 1)):
        low, high = ((-112, 10, -10), (-24, 100, 138)) if sign < 0 else ((24, 10, -10), (112, 100, 148))
        part = painting.box(low, high)
        if part is None:
            continue
        x, y, z = part.xyz
        kidney = organs.kidney(patient, side, x, y, z)
        cx, cy, cz = patient.place(f"{side}_kidney", (sign * 66, 60, 60 if sign < 0 else 76))
        around = np.arctan2(z - cz, (y - cy) + sign * (x - cx))
        columns = 2.2 * np.cos(7 * around)
        medulla = np.maximum(kidney + 8 + columns, 3 - ellipsoid(x, y, z, (cx - sign * 12, cy - 5, cz), (10, 8, 30)))
        part.paint(kidney, patient.hu["cortex"] + 4 * part.extra["mottle"])
        part.paint(medulla, patient.hu["medulla"] + 4 * part.extra["mottle"], edge=3.0)
        sinus = ellipsoid(x, y, z, (cx - sign * 15, cy - 6, cz), (13, 9, 27))
        part.paint(sinus + 2 * part.extra["mottle"], patient.hu["fat"] + 25, edge=3.0)
        pelvis = capsule(x, y, z, (cx - sign * 14, cy - 6, cz), (cx - sign * 30, cy - 12, cz - 10), 5, 4)
        part.paint(pelvis, 18.0)
        vein = capsule(x, y, z, (cx - sign * 10, cy - 8, cz + 4), (-12 if sign < 0 else -6, 22, cz + 14), 4, 5)
        part.paint(vein, patient.hu["vena_cava"])


def _paint_liver(anatomy: Anatomy, painting: Painting) -> None:
    patient, hu = anatomy.patient, anatomy.patient.hu
    part = painting.box((-160, -110, 15), (125, 115, 218))
    if part is None:
        return
    bladder = organs.gallbladder(patient, *part.xyz)
    part.paint(bladder - 1.5, 60.0)
    part.paint(bladder + 0.5, 10.0)
    liver = organs.liver(patient, *part.xyz, part.extra["cavity"], part.extra["diaphragm"])
    if not (liver < part.edge).any():
        return
    part.paint(liver, hu["liver"] + _PARENCHYMA_SD * part.extra["mottle"] + 1.5 * part.extra["strands"], label=LIVER)
    part.extra["liver"] = liver
    for tree, blood in ((anatomy.portal, hu["portal"]), (anatomy.hepatic, hu["hepatic"])):
        _paint_vessels(part, tree, blood, within="liver")
    for tumor in anatomy.tumors:
        _paint_tumor(part, tumor)


def _paint_tumor(painting: Painting, tumor: Tumor) -> None:
    part = painting.around(tumor.center, tumor.radius * 1.3)
    if part is None:
        return
    wobble = 0.05 * tumor.radius * part.extra["strands"]
    distance = ellipsoid(*part.xyz, tumor.center, (tumor.radius,) * 3) + wobble
    inside = np.maximum(distance, part.extra["liver"] + 0.5)
    texture = _PARENCHYMA_SD * part.extra["mottle"]
    edge = min(tumor.edge, tumor.radius)
    part.paint(inside, (tumor.rim if tumor.rim_width else tumor.core) + texture, edge=edge)
    if tumor.rim_width:
        part.paint(inside + tumor.rim_width, tumor.core + texture, edge=edge)
    elif tumor.radius > 12:  # the middle of large ones is darker
        part.paint(inside + 0.5 * tumor.radius, tumor.core - 12 + texture, edge=0.7 * tumor.radius)
    part.labels[(inside < 0) & (part.labels == LIVER)] = TUMOR


def _paint_great_vessels(patient: Patient, painting: Painting) -> None:
    for name, vessels in GREAT_VESSELS.items():
        _paint_vessels(painting, vessels, patient.hu[name], label=0)


def _paint_vessels(
    painting: Painting, vessels: Network, hu: float, within: str | None = None, label: int | None = None
) -> None:
    """Paint vessels; `within` names an organ in `painting.extra` that they stay in."""
    for number, low, high in vessels.near(painting.height, painting.margin):
        part = painting.box(low, high)
        if part is None:
            continue
        tube = vessels.tubes[number]
        distance = capsule(*part.xyz, tube[:3], tube[3:6], tube[6], tube[7])
        if within is not None:
            distance = np.maximum(distance, part.extra[within] + 1.0)
        part.paint(distance, hu, label)
