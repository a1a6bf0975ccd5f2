"""The columns of the tables of lesions, slices and cases, in CSV files and in table nodes alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .results import CaseSummary, Lesion


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name in the records, in JSON files and in table nodes.
        header: what stands above it, with its unit.
        kind: float, int or str.
        unit: "" for plain numbers and text.
        description: one sentence that explains it, where the header does not.
    """

    name: str
    header: str
    kind: type
    unit: str = ""
    description: str = ""


LESION_COLUMNS = (
    Column("id", "lesion", int, description="1 is the largest."),
    Column("volume_ml", "volume (ml)", float, "ml"),
    Column(
        "longest_diameter_mm",
        "longest axial diameter (mm)",
        float,
        "mm",
        "Longest diameter in any axial slice, as in RECIST.",
    ),
    Column(
        "perpendicular_diameter_mm",
        "perpendicular diameter (mm)",
        float,
        "mm",
        "Longest diameter perpendicular to it in the same slice.",
    ),
    Column(
        "diameter_slice",
        "diameter slice (axial index)",
        int,
        description="Axial slice of the longest diameter; 0 is the most inferior one.",
    ),
    Column("mean_hu", "mean (HU)", float, "HU"),
    Column("sd_hu", "SD (HU)", float, "HU"),
    Column("centroid_r", "centroid R (mm)", float, "mm"),
    Column("centroid_a", "centroid A (mm)", float, "mm"),
    Column("centroid_s", "centroid S (mm)", float, "mm"),
    Column("first_slice", "first slice (axial index)", int, description="Most inferior axial slice of the lesion."),
    Column("last_slice", "last slice (axial index)", int, description="Most superior axial slice of the lesion."),
    Column(
        "distance_to_surface_mm",
        "distance to liver surface (mm)",
        float,
        "mm",
        "Shortest distance from the lesion to the surface of the liver.",
    ),
    Column(
        "mean_probability",
        "mean probability (0-1)",
        float,
        description="Mean of the network's tumor probability in the lesion.",
    ),
)
# Beside those of the lesions, where any axis is.
BY_HAND_COLUMN = Column(
    "axes_by_hand", "axes measured by hand", str, description="Which of the axes a user has drawn; empty where none."
)
SLICE_COLUMNS = (
    Column("index", "slice (axial index)", int, description="0 is the most inferior slice."),
    Column("ras_s", "S (mm)", float, "mm", "RAS S coordinate of the slice."),
    Column(
        "field",
        "field",
        str,
        description="Whether the slice is one the classifier was trained for, one that shows liver.",
    ),
    Column(
        "probability",
        "tumor probability (0-1)",
        float,
        description="Calibrated probability that the slice shows tumor.",
    ),
    Column("liver_mm2", "liver area (mm2)", float, "mm2"),
    Column("tumor_mm2", "tumor area (mm2)", float, "mm2"),
)
SUMMARY_COLUMNS = (
    Column("name", "case", str),
    Column("liver_ml", "liver volume incl. tumor (ml)", float, "ml"),
    Column("tumor_ml", "tumor volume (ml)", float, "ml"),
    Column("tumor_burden_percent", "tumor burden (%)", float, "%", "Tumor volume as a part of the liver volume."),
    Column("lesion_count", "lesions", int),
    Column("largest_diameter_mm", "largest diameter (mm)", float, "mm", "Longest axial diameter of all lesions."),
    Column(
        "suspicious_slices",
        "most suspicious slices (axial index)",
        str,
        description="Axial slices most likely to show tumor, likeliest first; 0 is the most inferior slice.",
    ),
    Column("notes", "notes", str),
)


def headers(columns: Sequence[Column]) -> list[str]:
    """What stands above the columns, in order."""
    return [column.header for column in columns]


def with_headers(values: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """The values of a record that the columns show, by their headers."""
    return {column.header: values[column.name] for column in columns}


def lesion_values(lesion: Lesion) -> dict[str, Any]:
    """A lesion by the names of `LESION_COLUMNS`."""
    r, a, s = lesion.centroid_ras
    return {**vars(lesion), "centroid_r": r, "centroid_a": a, "centroid_s": s}


def summary_values(name: str, summary: CaseSummary) -> dict[str, Any]:
    """A case by the names of `SUMMARY_COLUMNS`."""
    return {"name": name, **vars(summary)}
