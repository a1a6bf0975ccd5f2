"""Which cases the inputs of a command line mean: files, folders and patterns become a list of CTs with distinct
names."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from ..atomic import printable
from ..errors import InputError, RequirementError, UsageError
from ..files.dicom_file import looks_like_dicom
from ..files.kinds import DICOM_ENDINGS, ITK_ENDINGS, NIFTI_ENDINGS, case_name

if TYPE_CHECKING:
    from ..files.dicom_header import Finding

_VOLUME_ENDINGS = (*NIFTI_ENDINGS, *ITK_ENDINGS)

# Masks and maps, not CT: LiTS "segmentation-0.nii", Slicer "CT.seg.nrrd" and "CT-label.nrrd", MSD "labelsTr/", and our
# own results.
_NO_CT = re.compile(
    r"labels|(^|[-_. ])(seg|segmentations?|label|labelmap|masks?|truth|probability)($|[-_. \d])", re.IGNORECASE
)
_NO_CT_FOLDER = re.compile(r"labels?(tr|ts|va|val)?|masks?|segmentations?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f]')  # in file names on Windows
# The last two are a batch's own.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|cases\.csv|unreadable\.json", re.IGNORECASE)
_LONGEST = 100  # bytes
_MOST_NAMED = 5  # folders in a message
_AnyPath = TypeVar("_AnyPath", bound=PurePath)


@dataclass(frozen=True)
class Case:
    """One CT to work on: its name, distinct within the run and fit for files, and the path that `read_ct` takes."""

    name: str
    path: Path
    is_dicom: bool


@dataclass(frozen=True)
class Inputs:
    """The cases, and for each file that was left out why."""

    cases: list[Case]
    skipped: list[str]


@dataclass(frozen=True)
class _DicomFolder:
    """A folder with DICOM files: an image of a CT, None where nobody knows, and how many files."""

    image: Finding | None
    files: int


def find_cases(inputs: Sequence[str], *, exclude: Path, whole_folders: bool = False) -> Inputs:
    """Find the cases that the inputs mean.

    A file is a case; so is a folder that directly holds DICOM files; other folders are searched, with their
    sub-folders. A path that does not exist, or a folder without any CT, stays a case: reading it says what is wrong.

    Args:
        exclude: the output folder, which is not searched.
        whole_folders: take each folder as one case, where the user has said which of its DICOM series is meant.

    Raises UsageError when nothing is left to do.
    """
    skipped: list[str] = []
    paths: dict[Path, bool] = {}  # path -> is DICOM, in order and each once
    expanded = _expand(inputs)
    # Path.is_dir raises where it may not look.
    files = {path: _is_dicom(path) for path in expanded if not os.path.isdir(path)}
    dicom_files_in = Counter(path.parent for path, is_dicom in files.items() if is_dicom)
    for path in expanded:
        if path not in files:
            found, reasons = ({path: True}, []) if whole_folders else _search(path, exclude)
            paths |= found or ({} if reasons else {path: True})
            skipped += reasons
        elif dicom_files_in[path.parent] > 1 and files[path]:
            paths[path.parent] = True  # `folder/*.dcm`: its files are one case together
        elif os.path.exists(path) and (reason := _no_ct(path)):
            skipped.append(reason)
        else:
            paths[path] = files[path]
    if not paths:
        raise UsageError("There is no CT among the inputs. " + " ".join(skipped))
    names = distinct_names(list(paths))
    return Inputs([Case(names[path], path, is_dicom) for path, is_dicom in paths.items()], skipped)


def cases_of_files(files: Sequence[PurePath]) -> dict[PurePath, bool]:
    """The cases among files that cannot be opened here (path -> is DICOM), by their names alone: a folder with DICOM
    files is one."""
    dicom = {file.parent for file in files if file.name.lower().endswith(DICOM_ENDINGS)}
    volumes = [file for file in files if file.name.lower().endswith(_VOLUME_ENDINGS) and file.parent not in dicom]
    found: dict[PurePath, bool] = {file: False for file in volumes if _no_ct(file, file.parent) is None}
    return dict(sorted({**found, **dict.fromkeys(dicom, True)}.items()))


def distinct_names(paths: Sequence[_AnyPath]) -> dict[_AnyPath, str]:
    """A name for each path, fit for files on every system: its own, with as many parent folders before it as tell it
    from others.

    Names that differ only in case count as the same, as they are the same file on Windows and macOS.
    """
    siblings = Counter((path.parent, _base_name(path).lower()) for path in paths)
    own = {
        path: _base_name(path) if siblings[path.parent, _base_name(path).lower()] == 1 else path.name for path in paths
    }
    chains = {path: [own[path], *(parent.name for parent in path.parents if parent.name)] for path in paths}
    depths = dict.fromkeys(paths, 1)
    while True:
        names = {path: _fit("_".join(reversed(chains[path][:depth]))) for path, depth in depths.items()}
        count = Counter(name.lower() for name in names.values())
        growing = [path for path in paths if count[names[path].lower()] > 1 and depths[path] < len(chains[path])]
        if not growing:
            break
        for path in growing:
            depths[path] += 1
    taken: set[str] = set()
    for path, name in names.items():  # what is left are names as long as a name may be, or different in case only
        number = 1
        while names[path].lower() in taken:
            number += 1
            names[path] = f"{name}_{number}"
        taken.add(names[path].lower())
    return names


def _expand(inputs: Sequence[str]) -> list[Path]:
    """Absolute paths, patterns expanded (Windows' shell does not), each once and in order."""
    paths = []
    for text in inputs:
        literal = os.path.abspath(os.path.expanduser(text))
        matches = [] if os.path.exists(literal) else sorted(glob.glob(literal, recursive=True))
        paths += [Path(match) for match in matches or [literal]]
    return list(dict.fromkeys(paths))


def _search(folder: Path, exclude: Path) -> tuple[dict[Path, bool], list[str]]:
    """The cases in a folder and below it (path -> is DICOM), and why other volumes there are none."""
    series: dict[Path, _DicomFolder] = {}
    found, skipped = _search_below(folder, exclude, series, named=True)
    in_parts: set[Path] = set()
    for copy, original in _copies(series).items():
        if copy in found and original in found:
            del found[copy], series[copy]
            skipped.append(f"{copy}: it is a copy of the series in {original}.")
    for parts in _parts_of_series(series):
        if not any(part in found for part in parts):
            continue
        in_parts.update(parts)
        for part in parts:
            found.pop(part, None)
        whole = Path(os.path.commonpath(parts))
        if any(whole in other.parents for other in series.keys() - set(parts)):
            names = ", ".join(map(str, parts[:_MOST_NAMED])) + (
                f" and {len(parts) - _MOST_NAMED} more" if len(parts) > _MOST_NAMED else ""
            )
            skipped.append(
                f"{names}: these hold parts of one DICOM series, with others between them; move the parts into one "
                "folder."
            )
        else:
            found[whole] = True
    for part, content in series.items():
        if content.image is not None and part not in found and part not in in_parts:
            skipped.append(_no_slices(part, content.image))
    return dict(sorted(found.items())), skipped


def _copies(series: dict[Path, _DicomFolder]) -> dict[Path, Path]:
    """Folders that begin with the same image of the same series as another, and hold as many files, and that other."""
    from ..files.dicom_header import SliceFinding

    originals: dict[tuple, Path] = {}
    copies: dict[Path, Path] = {}
    for folder, content in series.items():
        image = content.image
        if not isinstance(image, SliceFinding) or image.number is None or not image.identity.uid:
            continue
        place = tuple(image.geometry.position.tolist())
        original = originals.setdefault((image.identity, image.number, place, content.files), folder)
        if original != folder:
            copies[folder] = original
    return copies


def _parts_of_series(series: dict[Path, _DicomFolder]) -> list[list[Path]]:
    """Folders that hold parts of one series of one study and patient, or one slice each of a series that has lost its
    common UID."""
    from ..files.dicom_header import SliceFinding
    from ..files.dicom_series import FEWEST_JOINED, signature

    by_uid: dict[tuple, list[Path]] = defaultdict(list)
    for part, content in series.items():
        identity = None if content.image is None else content.image.identity
        if identity is not None and identity.uid:
            by_uid[identity.uid, identity.study, identity.patient or identity.name].append(part)
    single: dict[tuple, list[Path]] = defaultdict(list)
    for parts in by_uid.values():
        content = series[parts[0]]
        if len(parts) == 1 and content.files == 1 and isinstance(content.image, SliceFinding):
            single[signature(content.image)].append(parts[0])
    return [parts for parts in by_uid.values() if len(parts) > 1] + [
        parts for parts in single.values() if len(parts) >= FEWEST_JOINED
    ]


def _search_below(
    folder: Path, exclude: Path, series: dict[Path, _DicomFolder], named: bool
) -> tuple[dict[Path, bool], list[str]]:
    """As `_search`; notes what each DICOM folder holds. A `named` folder is a case whatever kind of DICOM it holds."""
    from ..files.dicom import first_ct
    from ..files.dicom_header import Kind

    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return {}, [f"{folder}: it cannot be searched ({error.strerror})."]
    files = [entry for entry in entries if os.path.isfile(entry)]
    volumes = [file for file in files if file.name.lower().endswith(_VOLUME_ENDINGS)]
    passed_over: list[str] = []
    if dicom := [file for file in files if _is_dicom(file)]:
        try:
            image = first_ct(dicom)
        except (InputError, RequirementError):  # whoever reads the folder will say so
            series[folder] = _DicomFolder(None, len(dicom))
            return {folder: True}, []
        if image is not None:
            series[folder] = _DicomFolder(image, len(dicom))
            in_dicom = [f"{file}: it lies in a DICOM folder, which is one case." for file in volumes]
            return ({folder: True} if named or image.kind is Kind.SLICE else {}), in_dicom
        passed_over = [f"{folder}: its DICOM files are not CT slices (localizers, reports, another modality)."]
    reasons = {file: _no_ct(file, folder) for file in volumes}
    found = {file: False for file, reason in reasons.items() if reason is None}
    skipped = [reason for reason in reasons.values() if reason is not None]
    for entry in entries:
        if not os.path.isdir(entry) or entry == exclude:
            continue
        if entry.is_symlink():
            skipped.append(f"{entry}: a link to a folder is not followed; name it among the inputs.")
            continue
        below, reasons_below = _search_below(entry, exclude, series, named=False)
        found |= below
        skipped += reasons_below
    if named and passed_over and not found:
        return {folder: True}, skipped
    return found, passed_over + skipped


def _no_slices(folder: Path, lost: Finding) -> str:
    """Why a folder whose CT images cannot be used is not a case."""
    if lost.damaged:
        return f"{folder}: its DICOM files are damaged ({lost.file.name} {lost.what}); copy or export them again."
    return f"{folder}: its DICOM files are not CT slices ({lost.what})."


def _no_ct(file: PurePath, folder: PurePath | None = None) -> str | None:
    """Why a file, found in a searched folder or named by the user, is not taken for a CT."""
    if _NO_CT.search(_base_name(file)):
        return f"{file}: its name is that of a segmentation or a map, not of a CT (rename it if it is one)."
    if folder is not None and _NO_CT_FOLDER.fullmatch(folder.name):
        return f"{file}: its folder's name is that of label maps (rename it if it holds CT)."
    return None


def _is_dicom(path: Path) -> bool:
    lower = path.name.lower()
    if lower.endswith(_VOLUME_ENDINGS) or lower == "dicomdir" or not os.path.isfile(path):
        return False
    if lower.endswith(DICOM_ENDINGS):
        return True
    return looks_like_dicom(path)


def _base_name(path: PurePath) -> str:
    return path.name if os.path.isdir(path) else case_name(path)


def _fit(name: str) -> str:
    coding = sys.getfilesystemencoding()  # not UTF-8 in a C locale that Python was told to keep to
    name = printable(name).replace("\ufffd", "_").encode(coding, "replace").decode(coding)
    name = _FORBIDDEN.sub("_", name)
    while len(name.encode()) > _LONGEST:
        name = name[1:]
    name = name.strip(". ")
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name
