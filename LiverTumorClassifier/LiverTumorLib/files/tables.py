"""CSV tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_path
from ..records.columns import (
    LESION_COLUMNS,
    SLICE_COLUMNS,
    SUMMARY_COLUMNS,
    lesion_values,
    summary_values,
    with_headers,
)
from .json_files import plain

if TYPE_CHECKING:
    from ..records.results import CaseResult

Row = dict[str, Any]  # from column header to value

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def lesion_rows(result: CaseResult) -> list[Row]:
    """One row per lesion, keyed by the column headers."""
    return [with_headers(lesion_values(lesion), LESION_COLUMNS) for lesion in result.lesions]


def slice_rows(result: CaseResult) -> list[Row]:
    """One row per axial slice, keyed by the column headers."""
    return [with_headers(vars(record), SLICE_COLUMNS) for record in result.slices]


def summary_row(result: CaseResult) -> Row:
    """The case in one row, keyed by the column headers."""
    return with_headers(summary_values(result.name, result.summary), SUMMARY_COLUMNS)


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: list[str] | None = None) -> None:
    """Write rows as CSV (UTF-8, comma, decimal point); None and NaN become empty cells, lists are joined by semicolons.

    A text that a spreadsheet would run as a formula, which a file's name may be, gets an apostrophe before it (OWASP,
    "CSV Injection").

    Args:
        path: the file to write; replaced as a whole.
        rows: dictionaries from column header (with its unit) to value.
        columns: headers in order; needed where `rows` may be empty. By default all keys in the order met.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, list):
        value = "; ".join(str(item) for item in value)
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return f"{value:.6g}" if isinstance(value, float) else value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
