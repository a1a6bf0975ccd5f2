"""DICOM in: find the CT series of a folder, choose one, read its pixels as HU, and say what was left out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sized
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..ct.volume import CTVolume
from ..errors import InputError, UsageError
from .dicom_acquisitions import acquisitions
from .dicom_header import LOCALIZERS, MULTIFRAME, Finding, Identity, Kind, Slice, look_at
from .dicom_pixels import read_stack
from .dicom_series import Found, Series, reasons, sort_findings
from .dicom_stack import Stack, make_stack

_NAME_A_FILE = "name a file of the one you want in place of the folder"
_MOST_LISTED = 5


def read_dicom(path: Path, name: str, series: str | None = None) -> CTVolume:
    """Read one CT series of a folder with all its sub-folders, or the series that one file belongs to; unchecked.

    Of several CT series the axial one with the most slices is taken and named in the notes; localizers, reports and
    other modalities are passed over, and so are series that are not a complete volume where another is.

    Args:
        path: a folder or a DICOM file.
        name: what to call the case.
        series: SeriesInstanceUID, series number or description of the series to read.

    Raises:
        InputError: no CT series, several equally good ones, several patients, damaged files among the slices, or slices
            that make up no volume.
        UsageError: `series` fits none or several of the series.
        RequirementError: pydicom, or a decoder of compressed pixels, is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, on odd values; what matters is told in a note or an error
        found, notes = _scan(path)
        chosen, stack, choice_notes = _choose(found, path, series)
        array, pixel_notes = read_stack(chosen, stack)
    losses = _loss_notes(chosen, stack, LOCALIZERS in found.others)
    notes += (*choice_notes, *chosen.notes, *losses, *stack.notes, *pixel_notes)
    images = tuple(os.fspath(files[0]) if files else "" for files in stack.places)
    return CTVolume(array, stack.ijk_to_ras, name, notes, images)


def chosen_series(path: Path, series: str | None = None) -> Series:
    """The series that `read_dicom` reads with these arguments; its pixels stay unread. Raises what `read_dicom`
    raises."""
    return _choose(_scan(path)[0], path, series)[0]


def first_ct(files: Iterable[Path]) -> Finding | None:
    """The first CT slice among files, else the first image of a CT that cannot be used, else None.

    Raises:
        InputError: a file may not be read.
        RequirementError: pydicom is not installed.
    """
    lost = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in files:
            finding = look_at(file)
            if finding.kind is Kind.SLICE:
                return finding
            if finding.kind is Kind.LOST and lost is None:
                lost = finding
    return lost


def _scan(path: Path) -> tuple[Found, tuple[str, ...]]:
    """What is under a folder, or the CT series that a file belongs to, and notes on files passed over."""
    is_folder = path.is_dir()
    files, closed = _files_below(path) if is_folder else (_files_in(path.parent), [])
    if not files:
        raise InputError(f"{path} holds no files; choose the folder with the DICOM slices.")
    findings = {file: look_at(file) for file in files}
    if not is_folder:
        _check_named(findings.get(path) or look_at(path))
    found = sort_findings(findings.values())
    series = [part for item in found.series for part in acquisitions(item)]
    if not is_folder:
        series = [item for item in series if any(part.path == path for part in item.slices)]
    if not series:
        raise _no_series(path, found, found.foreign == len(files))
    notes: tuple[str, ...] = ()
    if is_folder:
        if found.foreign:
            notes += (f"{found.foreign} files that are not DICOM were passed over.",)
        if found.damaged:
            notes += (f"Passed over: {_number(found.damaged, 'damaged DICOM file')}, not of the series that was read.",)
        if closed:
            notes += (f"{_number(closed, 'folder')} inside may not be searched; slices may be missing.",)
    return replace(found, series=series), notes


def _check_named(named: Finding) -> None:
    """Raise InputError where the very file that was named cannot be read."""
    if named.damaged:
        raise InputError(f"{named.file} {named.what}; copy or export it again.")
    if named.kind is Kind.FOREIGN:
        raise InputError(f"{named.file} {named.what}; use a DICOM folder, .nii, .nii.gz, .nrrd or .mha.")


def _files_below(folder: Path) -> tuple[list[Path], list[OSError]]:
    """All files of a folder and its sub-folders, links to nowhere among them, and the errors of sub-folders that cannot
    be listed."""
    closed: list[OSError] = []
    files = [Path(place, name) for place, _, names in os.walk(folder, onerror=closed.append) for name in names]
    return sorted(files), closed


def _number(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'s' * (len(items) != 1)}"


def _files_in(folder: Path) -> list[Path]:
    return sorted(item for item in folder.iterdir() if not os.path.isdir(item))


def _no_series(path: Path, found: Found, no_dicom: bool) -> InputError:
    if found.damaged:
        first = found.damaged[0]
        return InputError(
            f"{path} holds no CT slices that can be read ({first.file.name} {first.what}); copy or export them again."
        )
    if no_dicom:
        return InputError(f"{path} holds no DICOM files; choose the folder with the DICOM slices.")
    if MULTIFRAME in found.others:
        return InputError(
            f"{path} holds a multi-frame (enhanced) CT, which is not supported; convert it to NIfTI, for example in "
            "Slicer."
        )
    what = f"only {', '.join(sorted(found.others))}" if found.others else "no images"
    return InputError(f"{path} holds no CT slices, {what}; choose the folder of a CT series.")


def _choose(found: Found, path: Path, wanted: str | None) -> tuple[Series, Stack, tuple[str, ...]]:
    """The series to read, its stack, and notes on the choice."""
    series = found.series
    if wanted is not None:
        chosen = _asked_for(found, path, wanted)
        return chosen, _stack_of(chosen), (f"DICOM series {chosen} was read, as asked.",)
    if len({item.patient for item in series}) > 1:
        raise InputError(
            f"{path} holds CT series of several patients; give each patient a folder, or {_how_to_choose(series)}: "
            f"{_listing(series, path)}."
        )
    stacks: dict[int, Stack] = {}
    errors: dict[int, InputError] = {}
    for number, item in enumerate(series):
        try:
            stacks[number] = _stack_of(item)
        except InputError as error:
            errors[number] = error
    if not stacks:
        raise errors[max(errors, key=lambda number: len(series[number].slices))]
    rank = {number: (series[number].is_axial, len(stack.places)) for number, stack in stacks.items()}
    best = [number for number in stacks if rank[number] == max(rank.values())]
    if len(best) > 1:
        equal = [series[number] for number in best]
        raise InputError(
            f"{path} holds {len(best)} CT series{_or_acquisitions(equal)} that fit equally well; "
            f"{_how_to_choose(equal)}: {_listing(equal, path)}."
        )
    notes: tuple[str, ...] = ()
    if len(series) > 1:
        rest = _listing([item for number, item in enumerate(series) if number != best[0]])
        notes = (f"DICOM series {series[best[0]]} was read, the axial one with the most slices; passed over: {rest}.",)
    return (
        series[best[0]],
        stacks[best[0]],
        notes + tuple(f"Passed over: {error}" for error in list(errors.values())[:_MOST_LISTED]),
    )


def _asked_for(found: Found, path: Path, wanted: str) -> Series:
    """The one series whose UID, number or description is asked for."""

    def fits(identity: Identity) -> bool:
        return wanted in (identity.uid, identity.number, identity.description)

    fitting = [item for item in found.series if fits(item.identity)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and (
        damaged := next((item for item in found.damaged if item.identity and fits(item.identity)), None)
    ):
        raise InputError(
            f"The images of series {wanted} are damaged ({damaged.file} {damaged.what}); copy or export them again."
        )
    if not fitting:
        raise UsageError(f"--series {wanted} fits none of the CT series in {path}: {_listing(found.series, path)}.")
    raise UsageError(
        f"--series {wanted} fits {len(fitting)} CT series in {path}; {_NAME_A_FILE}: {_listing(fitting, path)}."
    )


def _how_to_choose(series: list[Series]) -> str:
    numbers = [item.identity.number for item in series]
    by_number = (
        ", or give its number as --series (in Python series=)"
        if all(numbers) and len(set(numbers)) == len(numbers)
        else ""
    )
    return _NAME_A_FILE + by_number


def _or_acquisitions(series: list[Series]) -> str:
    return " or acquisitions of one, such as contrast phases," if any(item.acquisition for item in series) else ""


def _listing(series: list[Series], path: Path | None = None) -> str:
    """The first few series; with a file of each where `path`, the folder that was searched, is given."""
    names = []
    for item in series[:_MOST_LISTED]:
        example = (
            f", {os.path.relpath(item.slices[0].path, path)} is one of them"
            if path is not None and path.is_dir()
            else ""
        )
        names.append(f"{item}{example}")
    if len(series) > _MOST_LISTED:
        names.append(f"and {len(series) - _MOST_LISTED} more")
    return "; ".join(names)


def _stack_of(series: Series) -> Stack:
    """The stack of a series none of whose files is damaged. Raises InputError."""
    total = len(series.slices) + len(series.lost)
    damaged = [finding for finding in series.lost if finding.damaged or finding.kind is Kind.FOREIGN]
    if damaged:
        raise InputError(
            f"{len(damaged)} of {total} images of DICOM series {series} {'is' if len(damaged) == 1 else 'are'} damaged "
            f"or incomplete ({damaged[0].file} {damaged[0].what}); copy or export the series again, or take what is "
            "not a part of it out of the folder."
        )
    try:
        return make_stack(series)
    except InputError as error:
        if not series.lost:
            raise
        raise InputError(
            f"{len(series.lost)} of {total} images of DICOM series {series} cannot be used ({reasons(series.lost)}; "
            f"{series.lost[0].file.name} is one), and the rest makes no volume: {error}"
        ) from error


def _loss_notes(series: Series, stack: Stack, with_localizers: bool) -> tuple[str, ...]:
    """What speaks for missing images: unusable ones, holes in their numbering or its late begin, and too few of them.

    `with_localizers` tells that the first numbers may be those of localizers.
    """
    notes: tuple[str, ...] = ()
    if series.lost:
        count = len(series.slices) + len(series.lost)
        notes += (
            f"{len(series.lost)} of {count} images of the series could not be used ({reasons(series.lost)}); "
            "the volume may be cut.",
        )
    if series.acquisition:
        return notes
    gaps = sum(not files for files in stack.places)
    images: list[Slice | Finding] = [*series.slices, *series.lost]
    numbers = sorted({item.number for item in images if item.number is not None})
    if len(numbers) > 1 and not _numbered_in_steps(numbers, series, stack):
        missing = numbers[-1] - numbers[0] + 1 - len(numbers) - gaps
        if 0 < missing < len(numbers):
            numbered = f"The images are numbered {numbers[0]} to {numbers[-1]}"
            return (*notes, f"{numbered}, but {missing} of the numbers are missing; so may be images.")
    promised = {item.promised for item in series.slices}
    count = len(series.slices) + len(series.lost) + gaps
    if len(promised) == 1 and 0 < (total := promised.pop() or 0) - count < count:
        return (*notes, f"The headers speak of {total} images, but there are {count}; the volume may be cut.")
    if len(numbers) > 1 and 0 < numbers[0] - 1 < len(numbers) and not with_localizers:
        notes += (f"The images are numbered from {numbers[0]} on; those before may be missing, and the volume be cut.",)
    return notes


def _numbered_in_steps(numbers: list[int], series: Series, stack: Stack) -> bool:
    """Whether numbers of even steps belong to slices that touch, so that none is missing between them."""
    thickness = series.slices[0].thickness_mm
    spacing = float(np.linalg.norm(stack.ijk_to_ras[:3, 2]))
    return len(set(np.diff(numbers).tolist())) == 1 and thickness is not None and thickness > 0.75 * spacing
