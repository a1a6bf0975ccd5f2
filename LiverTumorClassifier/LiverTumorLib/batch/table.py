"""The table of a batch, `cases.csv`: a row for each case, with its figures or with why it has none."""

from __future__ import annotations

import csv
from pathlib import Path

from ..atomic import printable
from ..errors import LiverTumorError, OutputError
from ..files.tables import summary_row
from ..records.columns import SUMMARY_COLUMNS, headers
from ..records.results import CaseResult
from .folder import changed_files, read_summary

TABLE = "cases.csv"
TABLE_COLUMNS = [*headers(SUMMARY_COLUMNS), "seconds", "status", "reason", "input"]


def check_table(out: Path, overwrite: bool) -> None:
    """Raises OutputError where the folder has a table that is not ours."""
    path = out / TABLE
    if path.exists() and not overwrite:
        try:
            with open(path, newline="", encoding="utf-8") as file:
                ours = next(csv.reader(file), None) == TABLE_COLUMNS
        except (OSError, ValueError):
            ours = False
        if not ours:
            raise OutputError(
                f"{path} is not a table of this version; use --overwrite to replace it, or another --out."
            )


def done_rows(out: Path) -> dict[str, dict]:
    """Rows of the cases that have results in this folder."""
    found = {folder: read_summary(folder) for folder in sorted(out.iterdir()) if folder.is_dir()}
    done = [
        summary for folder, summary in found.items() if summary and not changed_files(folder, summary, contents=False)
    ]
    return {summary["case"]["name"]: done_row(summary) for summary in done}


def done_row(summary: dict) -> dict:
    """The row of a case with results, from its summary."""
    row = summary_row(CaseResult.from_dict(summary["case"]))
    return row | {
        "seconds": summary["seconds"],
        "status": "done",
        "reason": None,
        "input": summary["origin"]["input"]["path"],
    }


def failure_row(name: str, path: str | Path, error: LiverTumorError) -> dict:
    """The row of a case without results."""
    return {SUMMARY_COLUMNS[0].header: name, "status": "failed", "reason": str(error), "input": printable(path)}
