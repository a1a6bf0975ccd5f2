"""Who is who in a data folder: `patients.csv` beside the data says which cases are one patient and what their labels
tell."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import InputError
from LiverTumorLib.suggestion import did_you_mean

FILE = "patients.csv"
# What a case's labels tell: tumor and liver; the liver only, in which tumor may lie unmarked; or that the scan shows no
# liver at all.
HOLDS = ("tumor", "liver", "none")
_COLUMNS = ("case", "patient", "holds")


@dataclass(frozen=True)
class Entry:
    """A row: the patient, "" where it is not said, and what the case holds, one of HOLDS, "" likewise."""

    patient: str
    holds: str


def read_patients(folder: Path) -> dict[str, Entry]:
    """The rows of a data folder's patients.csv by case id; none where there is no such file.

    Raises:
        InputError: it cannot be read, lacks a column, or says something of a case that is not possible or not clear.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")  # as spreadsheets write it, like the semicolons
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); save it as CSV in UTF-8.") from error
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    columns = [name.strip().lower() for name in rows.fieldnames or []]
    rows.fieldnames = columns
    if not {"case", "patient"} <= set(columns) or not set(columns) <= set(_COLUMNS):
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}; it needs case and patient, and may have holds."
        )
    entries: dict[str, Entry] = {}
    for row in rows:
        case, patient, holds = ((row.get(name) or "").strip() for name in _COLUMNS)
        where = f"{path}, line {rows.line_num}:"
        if not any((case, patient, holds)):
            continue
        if not case or None in row:
            raise InputError(f"{where} it names no case, or has more columns than the first line; repair that line.")
        if holds and holds.lower() not in HOLDS:
            raise InputError(
                f"{where} case {case} holds {holds!r}; write tumor, liver (its tumor is unknown) or none (no liver in "
                "the scan)."
            )
        entry = Entry(patient, holds.lower())
        if entries.setdefault(case, entry) != entry:
            raise InputError(
                f"{where} case {case} has another line already, which says something else; keep one of them."
            )
    return entries


def require_known(where: str, named: Iterable[str], ids: list[str], error: type[Exception] = InputError) -> None:
    """Raises `error`, by default InputError, where a case is named that does not exist; `where` is who named it."""
    for case in named:
        if case not in ids:
            raise error(f"{where}: {case!r} is not a case; {did_you_mean(case, ids, 'there are')}")


def require_apart(split_file: Path, subsets: dict[str, list[str]], folder: Path) -> None:
    """Raises InputError where the patients.csv of a data folder has a patient with cases (ids) in two subsets of a
    split."""
    seen: dict[str, tuple[str, str]] = {}
    entries = read_patients(folder)
    for subset, cases in subsets.items():
        for case in cases:
            patient = entries[case].patient if case in entries else ""
            first, other = seen.setdefault(patient, (case, subset)) if patient else (case, subset)
            if other != subset:
                raise InputError(
                    f"{split_file}: case {first} is in '{other}' and case {case} in '{subset}', and {folder / FILE} "
                    f"says that both are patient {patient}; make the split again."
                )
