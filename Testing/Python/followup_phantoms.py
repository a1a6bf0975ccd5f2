"""A second date for a phantom: everything moved and deformed by a known field, lesions grown, shrunk, split, gone and
new."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.region import bounding_box
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.pipelines.lesions import number_lesions
from scipy.ndimage import map_coordinates

SHAPE = (50, 128, 128)
_BACK = np.array([0.06, -0.05, 0.04])  # how the patient has turned, in radians about R, A and S


@dataclass
class Change:
    """What happens to the lesions, by their numbers at the first date.

    Attributes:
        scale: linear growth; 1 where not named.
        gone: those that vanish.
        split: those that fall in two.
        new: how many appear.
        shift_mm: how far the patient lies elsewhere, RAS.
        bend_mm: amplitude of the deformation.
    """

    scale: dict[int, float] = field(default_factory=dict)
    gone: tuple[int, ...] = ()
    split: tuple[int, ...] = ()
    new: int = 0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bend_mm: float = 0.0


@dataclass
class Dates:
    """Two dates and the truth about them; `pairs` are lesions of the first date with those of the second they are part
    of."""

    first: tuple[CTVolume, np.ndarray]
    second: tuple[CTVolume, np.ndarray]
    pairs: set[tuple[int, int]]


def two_dates(seed: int, change: Change, shape: tuple[int, int, int] = SHAPE) -> Dates:
    """A phantom and what has become of it."""
    volume, labels = make_phantom(seed, shape)
    grid = np.indices(shape).reshape(3, -1)
    ras = volume.ras(grid[::-1].T)
    before = source_places(ras, change, center=ras.mean(axis=0))
    numbered = _full(labels)
    owner, liver, hu = _second_lesions(volume, labels, numbered, before, change)
    second = liver.astype(np.uint8)
    second[owner > 0] = 2
    array = np.where(owner > 0, volume.array[labels == 2].mean(), hu)
    noise = np.random.default_rng(seed).normal(0, 6, array.shape)
    scan = CTVolume(np.rint(array + noise).astype(np.int16).reshape(shape), volume.ijk_to_ras, f"phantom-{seed}-later")
    second, owner = second.reshape(shape), owner.reshape(shape)
    found = _full(second)
    pairs = set()
    for before_number in set(np.unique(owner[(owner > 0) & (owner < 1000)]).tolist()):
        parts = np.bincount(found[owner == before_number])
        pairs |= {(before_number, now) for now in np.flatnonzero(parts > 0.2 * parts.sum()).tolist() if now}
    return Dates((volume, labels), (scan, second), pairs)


def source_places(ras: np.ndarray, change: Change, center: np.ndarray) -> np.ndarray:
    """Where each place (n, 3) of the second date was at the first, RAS mm: the known field."""
    a, b, c = _BACK if change.bend_mm or any(change.shift_mm) else np.zeros(3)
    turn = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
    moved = (ras - center) @ turn.T + center - np.asarray(change.shift_mm)
    waves = [np.sin(moved[:, (axis + 1) % 3] / 45 + axis) * np.cos(moved[:, (axis + 2) % 3] / 60) for axis in range(3)]
    return moved + change.bend_mm * np.stack(waves, axis=1)


def _full(labels: np.ndarray) -> np.ndarray:
    numbered, box = number_lesions(labels)
    full = np.zeros(labels.shape, int)
    full[box] = numbered
    return full


def _second_lesions(volume: CTVolume, labels: np.ndarray, numbered: np.ndarray, before: np.ndarray, change: Change):
    """For each place the lesion it belongs to (0 none, from 1000 on new ones), whether it is liver, and its HU."""
    to_ijk = np.linalg.inv(volume.ijk_to_ras)

    def look(array: np.ndarray, places: np.ndarray, order: int = 1) -> np.ndarray:
        ijk = places @ to_ijk[:3, :3].T + to_ijk[:3, 3]
        return map_coordinates(array.astype(np.float32), ijk.T[::-1], order=order, mode="nearest")

    liver = look(labels > 0, before) > 0.5
    hu = look(volume.array, before)
    # The old lesions are painted over with liver, so that those that have gone are gone.
    hu[look(labels == 2, before) > 0.2] = volume.array[labels == 1].mean()
    owner = np.zeros(len(before), int)
    for number in range(1, numbered.max() + 1):
        if number in change.gone:
            continue
        own = numbered == number
        center = volume.ras(np.argwhere(own)[:, ::-1]).mean(axis=0)
        inside = look(own, center + (before - center) / change.scale.get(number, 1.0)) > 0.5
        if number in change.split:
            inside &= np.abs((before - center)[:, 0]) > 4.0
        owner[inside & liver] = number
    for number, center in enumerate(_free_places(volume, labels, change.new), start=1):
        inside = np.linalg.norm(before - center, axis=1) < 9.0
        owner[inside & liver & (owner == 0)] = 1000 * number
    return owner, liver, hu


def _free_places(volume: CTVolume, labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Places deep in the liver, far from all lesions and from each other."""
    from scipy.ndimage import distance_transform_edt

    box = bounding_box(labels)
    free = distance_transform_edt(labels[box] == 1, sampling=volume.spacing[::-1])
    corner = np.array([part.start for part in box])
    places = []
    for _ in range(count):
        kji = np.array(np.unravel_index(free.argmax(), free.shape))
        places.append(volume.ras((kji + corner)[::-1]))
        far = np.linalg.norm((np.indices(free.shape).reshape(3, -1).T - kji) * volume.spacing[::-1], axis=1)
        free[far.reshape(free.shape) < 30] = 0
    return places


def ball(radius: float, center=(0.0, 0.0, 0.0), shape=(40, 64, 64), lesions=()) -> tuple[CTVolume, np.ndarray]:
    """A round liver, and round lesions (center, radius) in it, in mm."""
    to_ras = np.diag([-4.0, -4.0, 5.0, 1.0])
    to_ras[:3, 3] = 126, 126, -100
    volume = CTVolume(np.full(shape, 60, np.int16), to_ras, f"ball {radius:g} {center}")
    ras = volume.ras(np.indices(shape).reshape(3, -1)[::-1].T)
    labels = (np.linalg.norm(ras - center, axis=1) < radius).astype(np.uint8)
    for place, size in lesions:
        labels[np.linalg.norm(ras - place, axis=1) < size] = 2
    return volume, labels.reshape(shape)


def rods() -> tuple[CTVolume, np.ndarray]:
    """No liver: two thin rods, and a lesion in one of them."""
    volume, _ = ball(1)
    labels = np.zeros(volume.shape, np.uint8)
    labels[5:35, 10:12, 10:12] = labels[5:35, 50:52, 50:52] = 1
    labels[20:23, 10:12, 10:12] = 2
    return replace(volume, name="rods"), labels
