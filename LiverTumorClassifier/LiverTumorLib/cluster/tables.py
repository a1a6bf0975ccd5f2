"""All cases and all lesions of a batch as Parquet, which holds millions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import atomic_path
from ..batch.table import TABLE_COLUMNS
from ..records.columns import LESION_COLUMNS, SUMMARY_COLUMNS

if TYPE_CHECKING:
    import pyarrow

CASES, LESIONS = "cases.parquet", "lesions.parquet"
_CASE = SUMMARY_COLUMNS[0].header
_LISTS = {"suspicious_slices": int, "notes": str}  # these are texts in CSV


def write_parquet(folder: Path, rows: Sequence[dict], lesions: Mapping[str, Iterable[dict]]) -> None:
    """Write `cases.parquet`, one row a case, and `lesions.parquet`, one row a lesion with its case.

    Args:
        folder: where to.
        rows: of the table of cases.
        lesions: rows of each case's lesions, by its name.

    Raises:
        OutputError: a file cannot be written.
    """
    import pyarrow as pa

    kinds = {column.header: _type(column.kind) for column in SUMMARY_COLUMNS} | {"seconds": pa.float64()}
    kinds |= {
        column.header: pa.list_(_type(_LISTS[column.name])) for column in SUMMARY_COLUMNS if column.name in _LISTS
    }
    _write(folder / CASES, rows, {name: kinds.get(name, pa.string()) for name in TABLE_COLUMNS})
    named = [{_CASE: name} | row for name, own in lesions.items() for row in own]
    of_lesions = {column.header: _type(column.kind) for column in LESION_COLUMNS}
    _write(folder / LESIONS, named, {_CASE: pa.string()} | of_lesions)


def _type(kind: type) -> pyarrow.DataType:
    import pyarrow as pa

    return {float: pa.float64(), int: pa.int64(), str: pa.string()}[kind]


def _write(path: Path, rows: Sequence[dict], kinds: Mapping[str, pyarrow.DataType]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()})
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)
