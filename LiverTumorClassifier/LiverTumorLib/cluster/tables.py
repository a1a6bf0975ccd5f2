"""All cases and all lesions of a batch as Parquet, which holds millions of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..atomic import atomic_path
from ..batch.runner import TABLE_COLUMNS
from ..files.tables import LESION_COLUMNS, SUMMARY_COLUMNS, lesion_rows
from ..records.results import CaseResult

CASES, LESIONS = "cases.parquet", "lesions.parquet"
_WHOLE = {"lesion_count", "id", "diameter_slice", "first_slice", "last_slice"}  # numbers without a fraction
_TEXTS = {"name", "notes"}


def write_parquet(folder: Path, rows: Sequence[dict], summaries: Mapping[str, dict]) -> None:
    """Write `cases.parquet`, one row a case, and `lesions.parquet`, one row a lesion with its case.

    Args:
        folder: where to.
        rows: of the table of cases.
        summaries: of the cases with results, by their names.

    Raises:
        OutputError: a file cannot be written.
    """
    import pyarrow as pa

    kinds = {header: _kind(name) for name, header in SUMMARY_COLUMNS.items()} | {"seconds": pa.float64()}
    _write(
        folder / CASES, [_plain(row) for row in rows], {name: kinds.get(name, pa.string()) for name in TABLE_COLUMNS}
    )
    case = SUMMARY_COLUMNS["name"]
    lesions = [
        {case: name} | row
        for name, summary in summaries.items()
        for row in lesion_rows(CaseResult.from_dict(summary["case"]))
    ]
    _write(
        folder / LESIONS,
        lesions,
        {case: pa.string()} | {header: _kind(name) for name, header in LESION_COLUMNS.items()},
    )


def _kind(name: str):
    import pyarrow as pa

    if name == "suspicious_slices":
        return pa.list_(pa.int64())
    return pa.string() if name in _TEXTS else pa.int64() if name in _WHOLE else pa.float64()


def _plain(row: dict) -> dict:
    """Notes as one text, as the CSV has them."""
    notes = SUMMARY_COLUMNS["notes"]
    return row | ({notes: "; ".join(row[notes])} if row.get(notes) is not None else {})


def _write(path: Path, rows: list[dict], kinds: dict) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()})
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)
