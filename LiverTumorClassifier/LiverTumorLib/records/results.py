"""What a run finds, as plain records that travel through JSON unchanged and that tables, reports and panels read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

LIVER = 1
TUMOR = 2

Point = tuple[float, float, float]
Line = tuple[Point, Point]
BY_HAND = ("long", "short", "long and short")  # which of a lesion's two axes somebody has drawn


@dataclass
class Lesion:
    """One connected tumor region. Diameters are axial, RECIST style; slices are axial indices (0 = most inferior).

    `distance_to_surface_mm` is 0 for a lesion at the liver's surface; None when the scan shows no surface at all. The
    ends of both diameters are RAS mm; None in results of versions that did not note them. `axes_by_hand` says which of
    the diameters a user has drawn, see `BY_HAND`; None where none.
    """

    id: int
    volume_ml: float
    longest_diameter_mm: float
    perpendicular_diameter_mm: float
    diameter_slice: int
    mean_hu: float
    sd_hu: float
    centroid_ras: tuple[float, float, float]
    first_slice: int
    last_slice: int
    distance_to_surface_mm: float | None
    mean_probability: float | None = None
    longest_ends_ras: Line | None = None
    perpendicular_ends_ras: Line | None = None
    axes_by_hand: str | None = None

    def __post_init__(self) -> None:
        for name in ("longest_ends_ras", "perpendicular_ends_ras"):
            if (line := getattr(self, name)) is not None:  # lists, after a trip through JSON
                setattr(self, name, tuple(tuple(point) for point in line))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Lesion:
        """The inverse of `asdict`, also after a trip through JSON."""
        return cls(**{**data, "centroid_ras": tuple(data["centroid_ras"])})


@dataclass
class SliceRecord:
    """One axial slice: `index` counts from the most inferior slice, `ras_s` is its S coordinate in mm.

    `probability` is the calibrated probability that the slice holds tumor; None where the classifier did not run.
    `field` says whether the slice is one the classifier was trained for: "liver", "no liver" (gated by the
    segmentation: probability 0 by rule) or "unknown" (the segmentation did not run).
    """

    index: int
    ras_s: float
    field: str
    probability: float | None = None
    liver_mm2: float | None = None
    tumor_mm2: float | None = None


@dataclass
class CaseSummary:
    """Volumes in ml, burden in percent of the liver (tumor included); None where the segmentation did not run."""

    liver_ml: float | None = None
    tumor_ml: float | None = None
    tumor_burden_percent: float | None = None
    lesion_count: int | None = None
    largest_diameter_mm: float | None = None
    suspicious_slices: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class CaseResult:
    """All figures of one case. The label volume and the probability maps travel beside it as arrays."""

    name: str
    summary: CaseSummary
    lesions: list[Lesion] = field(default_factory=list)
    slices: list[SliceRecord] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CaseResult:
        """The inverse of `to_dict`, also after a trip through JSON."""
        lesions = [Lesion.from_dict(lesion) for lesion in data["lesions"]]
        slices = [SliceRecord(**record) for record in data["slices"]]
        return cls(data["name"], CaseSummary(**data["summary"]), lesions, slices, data["models"], data["seconds"])
