"""One axial slice being painted: warped reference coordinates, HU, labels, and soft-edged painting inside boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .patient import Patient
from .shapes import Array

Corner = Sequence[float] | Array  # x, y, z in reference mm


@dataclass
class Painting:
    """The body's part of a slice, or a box of it (then its arrays are views into the slice's).

    Attributes:
        xs, ys: unwarped reference mm of the columns and rows, for finding boxes.
        x, y, z: reference mm of every pixel, bent by the patient's warp.
        hu: float32 image being painted.
        labels: uint8 truth being painted.
        extra: named images of the slice (cached distances, textures), cut along with it.
        edge: width of a painted edge in mm, the partial volume of the pixel and of the detector.
        height: unwarped reference mm of the slice.
        margin: how far in mm the warp and the soft edge can carry a pixel of an object out of its box.
    """

    xs: Array
    ys: Array
    x: Array
    y: Array
    z: Array
    hu: Array
    labels: Array
    extra: dict[str, Array]
    edge: float
    height: float
    margin: float

    @classmethod
    def over(
        cls, patient: Patient, hu: Array, labels: Array, xs: Array, ys: Array, height: float, edge: float
    ) -> Painting:
        """A painting into `hu` (float32) and `labels` (uint8), both (len(ys), len(xs)), at reference height
        `height`."""
        bend = [2.0 * field.on_slice(xs, ys, height) for field in patient.warp]
        x, y = xs.astype(np.float32)[None] + bend[0], ys.astype(np.float32)[:, None] + bend[1]
        margin = float(max(np.abs(b).max() for b in bend)) + edge
        textures = {name: getattr(patient, name).on_slice(xs, ys, height) for name in ("mottle", "strands")}
        return cls(xs, ys, x, y, np.float32(height) + bend[2], hu, labels, textures, edge, height, margin)

    def box(self, low: Corner, high: Corner) -> Painting | None:
        """The part of the slice that can see an object between two corners (x, y, z); None when the slice misses it."""
        margin = self.margin
        if not low[2] - margin <= self.height <= high[2] + margin:
            return None
        i0, i1 = np.searchsorted(self.xs, (low[0] - margin, high[0] + margin))
        j0, j1 = np.searchsorted(self.ys, (low[1] - margin, high[1] + margin))
        if i0 == i1 or j0 == j1:
            return None
        rows, columns = slice(j0, j1), slice(i0, i1)
        x, y, z, hu, labels = (image[rows, columns] for image in (self.x, self.y, self.z, self.hu, self.labels))
        extra = {name: image[rows, columns] for name, image in self.extra.items()}
        xs, ys = self.xs[columns], self.ys[rows]
        return Painting(xs, ys, x, y, z, hu, labels, extra, self.edge, self.height, margin)

    def around(self, center: Corner, radius: float) -> Painting | None:
        """The box around a ball."""
        middle = np.asarray(center)
        return self.box(middle - radius, middle + radius)

    def paint(self, distance: Array, hu: Array | float, label: int | None = None, edge: float | None = None) -> None:
        """Blend `hu` over everything at negative `distance` (mm), with a soft edge; set the label there where one is
        given."""
        share = np.clip(0.5 - distance / (edge or self.edge), 0, 1)
        self.hu += share * (hu - self.hu)
        if label is not None:
            self.labels[share > 0.5] = label

    @property
    def xyz(self) -> tuple[Array, Array, Array]:
        return self.x, self.y, self.z
