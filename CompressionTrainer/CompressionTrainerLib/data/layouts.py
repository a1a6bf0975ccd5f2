"""Find the labeled cases of a data folder, whichever of the usual ways it is laid out in.

- LiTS: `volume-N.nii` with `segmentation-N.nii`, in one folder or several.
- MSD (Medical Segmentation Decathlon): `dataset.json` that lists `imagesTr/…` with `labelsTr/…`.
- 3D-IRCADb: a folder for each patient with `PATIENT_DICOM` and `MASKS_DICOM`.
- Pairs: `images/X.nii.gz` with `masks/X.nii.gz`, or `X.nii.gz` with `X_seg.nii.gz` or `X-mask.nii.gz` beside it.

Folders `liver-only` and `no-liver` in it hold cases whose tumor is unknown and scans without liver; `patients.csv` says
the same, and who is one person, case by case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from LiverTumorLib.batch.cases import distinct_names
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_json
from LiverTumorLib.files.kinds import ITK_ENDINGS, NIFTI_ENDINGS, case_name

from .patients import FILE, Entry, read_patients, require_known
from .problems import Problem
from .splits import LabeledCase

_ENDINGS = (*NIFTI_ENDINGS, *ITK_ENDINGS)
_APART = {"liver-only": "liver", "no-liver": "none"}  # folders, and what their cases hold
# volume-7-below is a part of volume-7.
_LITS = re.compile(r"(volume|segmentation)-((\d+)(?:-[a-z]\w*)?)", re.IGNORECASE)
_MASK_NAME = re.compile(r"(.+?)[-_. ](seg|segmentation|labels?|labelmap|masks?|truth)", re.IGNORECASE)
_MASK_FOLDER = re.compile(r"labels?(tr)?|masks?|segmentations?|truths?", re.IGNORECASE)
_IMAGE_FOLDER = re.compile(r"images?(tr)?|cts?|volumes?|scans?", re.IGNORECASE)
_TUMOR_NAMES = ("tumor", "tumour", "cancer", "lesion")  # codespell:ignore
_MASK_MISSING = "the mask is missing"
_NO_MASK = "put its mask beside it, or remove it"
_NO_CT = "put its CT beside it, or remove it"


@dataclass(frozen=True)
class Found:
    """The layout's name, the cases that can be read, with the patient of each as far as it is said, and what is wrong
    with the rest."""

    layout: str
    cases: list[LabeledCase]
    problems: list[Problem]

    @property
    def ids(self) -> list[str]:
        """All cases, also those that something is wrong with."""
        return list(
            dict.fromkeys(
                [case.id for case in self.cases] + [problem.case for problem in self.problems if problem.case]
            )
        )


def find_cases(folder: str | Path) -> Found:
    """Find the cases of a data folder.

    Raises:
        InputError: no such folder, no cases or not one mask in it, a broken dataset.json, an MSD data set of another
            organ, or a patients.csv that is broken or names an unknown case.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the folder that holds the labeled CT.")
    entries = read_patients(folder)
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    apart = {path: _APART[_plain(path.name)] for path in folders if _plain(path.name) in _APART}
    labeled = _find_labeled(folder, tuple(apart))
    parts = [labeled] if labeled else []
    parts += [_find_apart(path, holds) for path, holds in apart.items()]
    if not parts:
        raise InputError(
            f"{folder} holds no labeled CT; it should hold volume-N with segmentation-N (LiTS), dataset.json with "
            "imagesTr and labelsTr (MSD), patient folders with PATIENT_DICOM and MASKS_DICOM (3D-IRCADb), images/X "
            "with masks/X, or X with X_seg."
        )
    found = _as_told(_joined(parts), entries, folder / FILE)
    if not found.cases and all(problem.what == _MASK_MISSING for problem in found.problems):
        raise InputError(
            f"{folder} holds {len(found.problems)} CT and not one mask; put the masks beside them (segmentation-N, "
            "masks/X or X_seg), or, where no liver is in the scans, move them into a folder no-liver."
        )
    return found


def _plain(name: str) -> str:
    return re.sub(r"[ _]", "-", name.lower())


def _find_labeled(folder: Path, skip: tuple[Path, ...] = ()) -> Found | None:
    """The cases in whichever layout there is, but for those in the folders `skip`; None where there are none."""
    for look in (_find_msd, _find_ircadb, _find_lits, _find_pairs):
        found = look(folder, skip)
        if found is not None and (found.cases or found.problems):
            return found
    return None


def _find_apart(folder: Path, holds: str) -> Found:
    """The cases of a folder that holds one kind of them only; raises InputError where it holds none."""
    if holds == "liver":
        found = _find_labeled(folder)
        if found is None:
            raise InputError(f"{folder} holds no CT with a mask of the liver; put both there, or remove the folder.")
        return replace(found, cases=[replace(case, holds=holds) for case in found.cases])
    volumes = _volumes(folder)
    if not volumes:
        raise InputError(f"{folder} holds no CT; put the scans without liver there as files, or remove the folder.")
    cases, problems = [], []
    names = distinct_names(volumes)
    for file in volumes:
        match, masked = (
            _LITS.fullmatch(case_name(file)),
            _MASK_NAME.fullmatch(case_name(file)) or _MASK_FOLDER.fullmatch(file.parent.name),
        )
        name = match[2] if match else names[file]
        if masked or (match and match[1].lower() == "segmentation"):
            problems.append(
                Problem(
                    name,
                    file,
                    "it is a mask, and scans without liver have none",
                    "remove it, or move the case elsewhere",
                )
            )
        else:
            cases.append(LabeledCase(name, match[3] if match else name, file, None, holds))
    return _in_order("no-liver", cases, problems)


def _joined(parts: Sequence[Found]) -> Found:
    """All parts as one. Cases of one id are told apart by their folders."""
    cases = [case for part in parts for case in part.cases]
    count = Counter(case.id for case in cases)

    def distinct(case: LabeledCase) -> LabeledCase:
        if count[case.id] == 1 or case.holds not in _APART_NAMES:
            return case
        return replace(case, id=f"{_APART_NAMES[case.holds]}_{case.id}")

    problems = [problem for part in parts for problem in part.problems]
    return _in_order(parts[0].layout, [distinct(case) for case in cases], problems)


_APART_NAMES = {holds: name for name, holds in _APART.items()}


def _as_told(found: Found, entries: dict[str, Entry], path: Path) -> Found:
    """The cases with what patients.csv says of them."""
    require_known(str(path), entries, found.ids)
    bare = [
        problem
        for problem in found.problems
        if problem.what == _MASK_MISSING and _holds(entries, problem.case) == "none"
    ]
    cases = found.cases + [
        LabeledCase(problem.case, _own_patient(found.layout, problem.case), problem.file, None, "none")
        for problem in bare
    ]
    problems = [problem for problem in found.problems if problem not in bare]
    told = []
    for case in cases:
        holds = _holds(entries, case.id) or case.holds
        if (holds == "none") != (case.mask is None):
            what = f"{path.name} says that it holds {holds}, and it has {'no' if case.mask is None else 'a'} mask"
            problems.append(Problem(case.id, case.ct, what, "repair that line, or the mask"))
            continue
        # Where the whole scan has a patient, its parts have the same.
        said = [entries[name].patient for name in (case.id, case.patient) if name in entries]
        patient = next(filter(None, said), case.patient)
        told.append(replace(case, patient=patient, holds=holds))
    return _in_order(found.layout, told, problems)


def _own_patient(layout: str, case: str) -> str:
    """Of a part of a LiTS scan the scan's, of any other case its own."""
    return case.partition("-")[0] if layout == "LiTS" else case


def _holds(entries: dict[str, Entry], case: str) -> str:
    return entries[case].holds if case in entries else ""


def _find_msd(folder: Path, skip: tuple[Path, ...]) -> Found | None:
    description = folder / "dataset.json"
    if not description.is_file():
        return None
    try:
        content = read_json(description)
        pairs = [(folder / entry["image"], folder / entry["label"]) for entry in content["training"]]
        for path in (path for pair in pairs for path in pair):
            path.is_file()  # a name that no file can have raises
        meaning = {str(value): str(name).lower() for value, name in content["labels"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{description} is not a description of an MSD data set ({type(error).__name__}: {error}); copy the "
            "original."
        ) from error
    if meaning.get("1") != "liver" or not any(word in meaning.get("2", "") for word in _TUMOR_NAMES):
        raise InputError(f"{description} says that the labels are {meaning}; here 1 must be the liver and 2 its tumor.")
    return _paired(
        "MSD", {case_name(image): [image] for image, _ in pairs}, {case_name(image): [label] for image, label in pairs}
    )


def _find_ircadb(folder: Path, skip: tuple[Path, ...]) -> Found | None:
    places = (path for path in folder.rglob("PATIENT_DICOM*") if path.is_dir() or path.suffix == ".zip")
    patients = sorted({path.parent for path in places if not _is_in(path, skip)})
    names = distinct_names(patients)
    cases, problems = [], []
    for patient in patients:
        ct, masks = patient / "PATIENT_DICOM", patient / "MASKS_DICOM"
        missing = [path for path in (ct, masks) if not path.is_dir()]
        if missing:
            remedy = (
                "unpack the .zip of that name there"
                if missing[0].with_suffix(".zip").exists()
                else "copy the patient again"
            )
            problems.append(Problem(names[patient], missing[0], "the folder is missing", remedy))
        else:
            cases.append(LabeledCase(names[patient], names[patient], ct, masks))
    return _in_order("3D-IRCADb", cases, problems) if patients else None


def _find_lits(folder: Path, skip: tuple[Path, ...]) -> Found | None:
    files: dict[str, dict[str, list[Path]]] = {"volume": {}, "segmentation": {}}
    for file in _volumes(folder, skip):
        name = case_name(file)
        if (match := _LITS.fullmatch(name)) and not _MASK_NAME.fullmatch(name):
            files[match[1].lower()].setdefault(match[2], []).append(file)
    if not files["volume"]:
        return None
    found = _paired("LiTS", files["volume"], files["segmentation"])
    return replace(found, cases=[replace(case, patient=_own_patient("LiTS", case.id)) for case in found.cases])


def _find_pairs(folder: Path, skip: tuple[Path, ...]) -> Found | None:
    images: dict[tuple[Path, str], list[Path]] = {}
    masks: dict[tuple[Path, str], list[Path]] = {}
    for file in _volumes(folder, skip):
        name = case_name(file)
        suffixed, in_masks = (
            _MASK_NAME.fullmatch(name),
            _MASK_FOLDER.fullmatch(file.parent.name) and file.parent != folder,
        )
        group = (
            file.parent.parent
            if in_masks or (_IMAGE_FOLDER.fullmatch(file.parent.name) and file.parent != folder)
            else file.parent
        )
        key = suffixed[1] if suffixed else name.removesuffix("_0000")  # nnU-Net numbers the channels of its images
        (masks if suffixed or in_masks else images).setdefault((group, key), []).append(file)
    if not masks:
        return None
    names = distinct_names([group / key for group, key in dict.fromkeys([*images, *masks])])
    return _paired(
        "pairs", *({names[group / key]: files for (group, key), files in side.items()} for side in (images, masks))
    )


def _is_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _volumes(folder: Path, skip: tuple[Path, ...] = ()) -> list[Path]:
    """All volume files in a folder and below it, but for MSD's unlabeled test images and what is in the folders
    `skip`."""
    files = (
        path for path in folder.rglob("*") if path.name.lower().endswith(_ENDINGS) and not path.name.startswith(".")
    )
    return sorted(
        path for path in files if path.is_file() and path.parent.name.lower() != "imagests" and not _is_in(path, skip)
    )


def _paired(layout: str, images: dict[str, list[Path]], masks: dict[str, list[Path]]) -> Found:
    """Cases from images and masks by id, and a problem for each that has not exactly one of both."""
    cases, problems = [], []
    for name in dict.fromkeys([*images, *masks]):
        cts, labels = ([path for path in side.get(name, []) if path.is_file()] for side in (images, masks))
        surplus = cts[1:] or labels[1:]
        if surplus:
            problems.append(Problem(name, surplus[0], f"case {name} has another file of that kind", "keep one of them"))
        elif not cts:
            problems.append(Problem(name, (labels or images[name])[0], "the CT is missing", _NO_CT))
        elif not labels:
            problems.append(Problem(name, cts[0], _MASK_MISSING, _NO_MASK))
        else:
            cases.append(LabeledCase(name, name, cts[0], labels[0]))
    return _in_order(layout, cases, problems)


def _in_order(layout: str, cases: list[LabeledCase], problems: list[Problem]) -> Found:
    """Cases and problems by id, 9 before 10."""

    def key(case: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", case) if part]

    return Found(
        layout, sorted(cases, key=lambda case: key(case.id)), sorted(problems, key=lambda problem: key(problem.case))
    )
