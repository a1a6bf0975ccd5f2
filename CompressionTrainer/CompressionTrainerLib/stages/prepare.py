"""`livertumor prepare DATA`: check a folder of labeled CT and freeze its splits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.partition import SELECTIONS, SplitOptions
from ..data.splits import KINDS
from ..settings import add_settings, option, settings_from
from .options import add_events_option, add_overwrite_option

if TYPE_CHECKING:
    from ..data.check import CaseFacts
    from ..data.layouts import Found
    from ..data.partition import Division
    from ..data.splits import LabeledCase
    from ..progress import ProgressReport

CHECK, COUNTS, REQUEST, KEEP = "check.csv", "counts.csv", "prepare.json", "checked"


@dataclass(frozen=True)
class PrepareSettings:
    """How cases are divided, which of them are one patient, and which are left out."""

    split: str = option(
        "patient",
        "divide by patient, or slice by slice as the classifier paper did, which lets one patient train and test "
        "(default: %(default)s)",
        choices=KINDS,
    )
    seed: int = option(1, "seed of the draw (default: %(default)s)", metavar="N")
    slices: str = option(
        "all",
        "use all slices, those with liver, or of those as many with tumor as without (default: %(default)s)",
        choices=SELECTIONS,
    )
    min_tumor_mm2: float = option(
        0.0,
        "tumor area, in mm2, from which a slice counts as one with tumor (default: any pixel of the mask)",
        metavar="X",
    )
    same_patient: tuple[tuple[str, ...], ...] = option(
        (),
        "case ids that are one patient, for example 7 9, in addition to DATA/patients.csv; may be repeated",
        metavar="ID",
    )
    leave_out: tuple[str, ...] = option(
        (), "case ids that are not used at all, for example those kept for a final test", metavar="ID"
    )
    skip_bad: bool = option(False, "leave out the cases that cannot be used, instead of stopping there")

    def split_options(self, folds: int) -> SplitOptions:
        """How to divide into `folds` parts, 0 being one split. Raises UsageError for a division that makes no sense."""
        return SplitOptions(self.split, folds, self.seed, self.slices, self.min_tumor_mm2)


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "prepare",
        help="check a folder of labeled CT and freeze its split",
        description="Check every CT and mask of a folder (can it be read, is it CT, do mask and CT lie on one grid, "
        "are the labels known, is a case there twice), say what is wrong in one table, and divide the cases into "
        "train, val and test. The folder may be laid out as LiTS (volume-N, segmentation-N), MSD (dataset.json), "
        "3D-IRCADb (PATIENT_DICOM, MASKS_DICOM) or in pairs (images/X with masks/X, or X with X_seg); masks hold 0 "
        "background, 1 liver, 2 tumor. In it, a folder liver-only may hold cases in whose masks tumor is not marked, "
        "for the liver network only, and a folder no-liver scans that show no liver and have no masks. A file "
        "patients.csv in it, with the columns case, patient and, if need be, holds (tumor, liver or none), says which "
        "cases are one person and, for single cases, what these folders say. Scans that were copied, compressed, "
        "windowed or cut are recognized by their content, also where an installed model was trained on them. Writes "
        "check.csv, counts.csv and split.json (or fold-1.json, …) into the folder --out. Give the same split file to "
        "every training and evaluation that is to be compared. A check that was stopped continues where it was.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with the labeled CT")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the tables and the split files"
    )
    parser.add_argument(
        "--folds", type=int, default=0, metavar="K", help="K-fold cross-validation (default: one split of 70/15/15 %%)"
    )
    add_settings(parser, PrepareSettings)
    add_overwrite_option(parser, "what an earlier preparation left in the folder")
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, print the table, write the files.

    Raises:
        InputError: no cases, none usable, or a division that leaves a subset empty or with one class.
        OutputError: the folder holds another preparation, or cannot be written.
        SomeCasesFailed: cases cannot be used, and they were not to be left out.
        UsageError: options that make no sense, or an unknown case id.
    """
    from ..progress import reporting
    from ..stopping import stops_promptly

    with stops_promptly(), reporting(arguments.events, arguments.out) as report:
        prepare(arguments, report)


def prepare(arguments: argparse.Namespace, report: ProgressReport) -> None:
    """What `run` does, its progress told to `report`."""
    from LiverTumorLib.errors import UsageError
    from LiverTumorLib.files import write_json

    from ..data.layouts import find_cases
    from ..data.partition import divide
    from ..data.patients import FILE, read_patients, require_known

    settings = settings_from(PrepareSettings, arguments)
    options = settings.split_options(arguments.folds)
    data, out = arguments.data.resolve(), arguments.out
    splits = [out / f"fold-{fold + 1}.json" for fold in range(options.folds)] or [out / "split.json"]
    request = {
        "data": str(data),
        "same_patient": settings.same_patient,
        "leave_out": settings.leave_out,
        **asdict(options),
    }
    if entries := read_patients(data):
        request[FILE] = {case: asdict(entry) for case, entry in entries.items()}
    if _already_done(out, splits, request, arguments.overwrite):
        print(f"Already done: {_listed(splits)}. Use --overwrite to do it again.")
        return
    found = find_cases(data)
    for flag, named in (("--same-patient", sum(settings.same_patient, ())), ("--leave-out", settings.leave_out)):
        require_known(flag, named, found.ids, UsageError)
    found = replace(
        found,
        cases=[case for case in found.cases if case.id not in settings.leave_out],
        problems=[problem for problem in found.problems if problem.case not in settings.leave_out],
    )
    write_json(out / REQUEST, request)
    facts, patients = _check(found, settings.same_patient, out, settings.skip_bad, report)
    divisions = divide(facts, patients, options)
    _freeze(dict(zip(splits, divisions, strict=True)), found, facts, patients, options, data)
    if unknown := sum(each.holds == "liver" for each in facts.values()):
        divided = options.kind == "slice" or options.selection == "balanced"
        use = "are left out, since slices are divided by it" if divided else "train and test the liver network only"
        print(f"Cases whose tumor is unknown: {unknown}; they {use}.")
    if options.kind == "slice":
        print(
            "Slices of one patient are in several parts, as asked: figures on these test slices say nothing about new "
            "patients."
        )
    print(f"Frozen in {_listed(splits)}.")


def _check(
    found: Found, same_patient: Sequence[Sequence[str]], out: Path, skip_bad: bool, report: ProgressReport
) -> tuple[dict[str, CaseFacts], list[list[str]]]:
    """Check the cases, print and write the table; returns the facts of the usable cases and with the cases of each
    patient."""
    from LiverTumorLib.batch.display import visible
    from LiverTumorLib.errors import SomeCasesFailed
    from LiverTumorLib.files import write_table

    from ..data.check import alike, check_folder, copies
    from ..data.partition import patient_groups
    from ..data.problems import COLUMNS
    from ..data.signature import SAME_HU
    from ..data.unseen import known_patients

    def progress(number: int, total: int, case: str) -> None:
        report("check", (number - 1) / total, f"{found.layout}, case {case} ({number} of {total})", None)

    facts, problems = check_folder(found.cases, out / KEEP, progress)
    report("check", 1.0, f"{found.layout}: {len(found.cases)} cases checked", None)
    by_name: dict[str, list[str]] = {}
    for case in found.cases:
        by_name.setdefault(case.patient, []).append(case.id)
    stated = patient_groups(
        facts, ([case for case in ids if case in facts] for ids in (*by_name.values(), *same_patient))
    )
    patient = {case: number for number, group in enumerate(stated) for case in group}
    pairs = [pair for pair in alike(facts) if pair[2] == 0 or patient[pair[0]] != patient[pair[1]]]
    patients = patient_groups(facts, [*stated, *([one, other] for one, other, apart in pairs if apart < SAME_HU)])
    problems = found.problems + problems + copies(found.cases, pairs) + known_patients(found.cases, facts)
    write_table(out / CHECK, [problem.row() for problem in problems], COLUMNS)
    print(visible("\n".join(map(str, problems))) or "Nothing is wrong with the data.")
    bad = {problem.case for problem in problems if problem.blocking}
    if bad and not skip_bad:
        raise SomeCasesFailed(
            f"{len(bad)} of {len(bad | set(facts))} cases cannot be used, see {out / CHECK}; fix them and run the same "
            "command again, or leave them out with --skip-bad."
        )
    return facts, patients


def _freeze(
    divisions: dict[Path, Division], found: Found, facts: dict[str, CaseFacts], patients, options, data: Path
) -> None:
    """Write the split files and the table of counts, and print that."""
    from LiverTumorLib.files import write_json, write_table

    from ..data.partition import split_content

    files, rows = _files([case for case in found.cases if case.id in facts], facts, data), []
    for path, division in divisions.items():
        content = (
            split_content(f"{data.name}, {path.stem}" if options.folds else data.name, division, patients, options)
            | files
        )
        rows += [{"split": path.stem, "part": subset, **counts} for subset, counts in content["counts"].items()]
        write_json(path, content)
    out = next(iter(divisions)).parent
    for path in set(_split_files(out)) - set(divisions):
        path.unlink()  # of another number of folds, which --overwrite replaces
    write_table(out / COUNTS, rows)
    _print_table(rows)


def _already_done(out: Path, splits: list[Path], request: dict, overwrite: bool) -> bool:
    """Whether the folder holds what is asked for. Raises OutputError where it holds something else that may not be
    replaced."""
    import json

    from LiverTumorLib.errors import OutputError

    if overwrite:
        return False
    tables = [path for path in (out / CHECK, out / COUNTS) if path.exists()]
    # Tables alone: of a preparation that was stopped.
    present = _split_files(out) or ([] if (out / REQUEST).exists() else tables)
    try:
        same = json.loads((out / REQUEST).read_text(encoding="utf-8")) == json.loads(json.dumps(request))
    except (OSError, ValueError):
        same = False
    if present and not same:
        raise OutputError(f"{present[0]} is of other data or options; choose another --out, or --overwrite.")
    return (out / COUNTS).exists() and all(path.exists() for path in splits)


def _split_files(out: Path) -> list[Path]:
    return sorted(path for pattern in ("fold-*.json", "split.json") for path in out.glob(pattern))


def _files(cases: list[LabeledCase], facts: dict[str, CaseFacts], data: Path) -> dict:
    """The entries of a split file that say which files the cases have, what they were, and what tells their CT
    again."""
    cases_entry: dict[str, dict] = {}
    sha256: dict[str, str | None] = {}
    for case in cases:
        names = [path.relative_to(data).as_posix() for path in case.files]
        cases_entry[case.id] = dict(zip(("ct", "mask"), names, strict=False)) | (
            {} if case.holds == "tumor" else {"holds": case.holds}
        )
        sha256 |= dict(zip(names, (facts[case.id].ct_sha256, facts[case.id].mask_sha256), strict=False))
    return {"cases": cases_entry, "sha256": sha256, "signatures": {case.id: facts[case.id].signature for case in cases}}


def _print_table(rows: list[dict]) -> None:
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _listed(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} to {paths[-1].name}"
