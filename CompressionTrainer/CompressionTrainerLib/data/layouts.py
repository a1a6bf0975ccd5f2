"""Find the labeled cases of a data folder, whichever of the usual ways it is laid out in.

- LiTS: `volume-N.nii` with `segmentation-N.nii`, in one folder or several.
- MSD (Medical Segmentation Decathlon): `dataset.json` that lists `imagesTr/…` with `labelsTr/…`.
- 3D-IRCADb: a folder for each patient with `PATIENT_DICOM` and `MASKS_DICOM`.
- Pairs: `images/X.nii.gz` with `masks/X.nii.gz`, or `X.nii.gz` with `X_seg.nii.gz` or `X-mask.nii.gz` beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.cli.inputs import distinct_names
from LiverTumorLib.errors import InputError
from LiverTumorLib.files import read_json
from LiverTumorLib.files.reading import ITK_ENDINGS, NIFTI_ENDINGS, case_name

from .problems import Problem
from .splits import Case

_ENDINGS = (*NIFTI_ENDINGS, *ITK_ENDINGS)
_LITS = re.compile(r"(volume|segmentation)-(\d+)", re.IGNORECASE)
_MASK_NAME = re.compile(r"(.+?)[-_. ](seg|segmentation|labels?|labelmap|masks?|truth)", re.IGNORECASE)
_MASK_FOLDER = re.compile(r"labels?(tr)?|masks?|segmentations?|truths?", re.IGNORECASE)
_IMAGE_FOLDER = re.compile(r"images?(tr)?|cts?|volumes?|scans?", re.IGNORECASE)
_TUMOR_NAMES = ("tumor", "tumor", "cancer", "lesion")
_NO_MASK = "put its mask beside it, or remove it"
_NO_CT = "put its CT beside it, or remove it"


@dataclass(frozen=True)
class Found:
    """The layout's name, the cases that have a CT and a mask, each its own patient so far, and what is wrong with the rest."""

    layout: str
    cases: list[Case]
    problems: list[Problem]


def find_cases(folder: str | Path) -> Found:
    """Find the cases of a data folder.

    Raises:
        InputError: no such folder, no cases in it, a broken dataset.json, or an MSD data set of another organ.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name the folder that holds the labeled CT.")
    for look in (_find_msd, _find_ircadb, _find_lits, _find_pairs):
        found = look(folder)
        if found is not None and (found.cases or found.problems):
            return found
    raise InputError(
        f"{folder} holds no labeled CT; it should hold volume-N with segmentation-N (LiTS), dataset.json with imagesTr and labelsTr "
        "(MSD), patient folders with PATIENT_DICOM and MASKS_DICOM (3D-IRCADb), images/X with masks/X, or X with X_seg."
    )


def _find_msd(folder: Path) -> Found | None:
    description = folder / "dataset.json"
    if not description.is_file():
        return None
    try:
        content = read_json(description)
        pairs = [(folder / entry["image"], folder / entry["label"]) for entry in content["training"]]
        meaning = {str(value): str(name).lower() for value, name in content["labels"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{description} is not a description of an MSD data set ({type(error).__name__}: {error}); copy the original."
        ) from error
    if meaning.get("1") != "liver" or not any(word in meaning.get("2", "") for word in _TUMOR_NAMES):
        raise InputError(f"{description} says that the labels are {meaning}; here 1 must be the liver and 2 its tumor.")
    return _paired("MSD", {case_name(image): [image] for image, _ in pairs}, {case_name(image): [label] for image, label in pairs})


def _find_ircadb(folder: Path) -> Found | None:
    patients = sorted({path.parent for path in folder.rglob("PATIENT_DICOM*") if path.is_dir() or path.suffix == ".zip"})
    names = distinct_names(patients)
    cases, problems = [], []
    for patient in patients:
        ct, masks = patient / "PATIENT_DICOM", patient / "MASKS_DICOM"
        missing = [path for path in (ct, masks) if not path.is_dir()]
        if missing:
            remedy = "unpack the .zip of that name there" if missing[0].with_suffix(".zip").exists() else "copy the patient again"
            problems.append(Problem(names[patient], missing[0], "the folder is missing", remedy))
        else:
            cases.append(Case(names[patient], names[patient], ct, masks))
    return _in_order("3D-IRCADb", cases, problems) if patients else None


def _find_lits(folder: Path) -> Found | None:
    files: dict[str, dict[str, list[Path]]] = {"volume": {}, "segmentation": {}}
    for file in _volumes(folder):
        if match := _LITS.fullmatch(case_name(file)):
            files[match[1].lower()].setdefault(match[2], []).append(file)
    return _paired("LiTS", files["volume"], files["segmentation"]) if files["volume"] else None


def _find_pairs(folder: Path) -> Found | None:
    images: dict[tuple[Path, str], list[Path]] = {}
    masks: dict[tuple[Path, str], list[Path]] = {}
    for file in _volumes(folder):
        name = case_name(file)
        suffixed, in_masks = _MASK_NAME.fullmatch(name), _MASK_FOLDER.fullmatch(file.parent.name) and file.parent != folder
        group = file.parent.parent if in_masks or (_IMAGE_FOLDER.fullmatch(file.parent.name) and file.parent != folder) else file.parent
        key = suffixed[1] if suffixed else name.removesuffix("_0000")  # nnU-Net numbers the channels of its images
        (masks if suffixed or in_masks else images).setdefault((group, key), []).append(file)
    if not masks:
        return None
    names = distinct_names([group / key for group, key in dict.fromkeys([*images, *masks])])
    return _paired("pairs", *({names[group / key]: files for (group, key), files in side.items()} for side in (images, masks)))


def _volumes(folder: Path) -> list[Path]:
    """All volume files in a folder and below it, but for MSD's unlabeled test images."""
    files = (path for path in folder.rglob("*") if path.name.lower().endswith(_ENDINGS) and not path.name.startswith("."))
    return sorted(path for path in files if path.is_file() and path.parent.name.lower() != "imagests")


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
            problems.append(Problem(name, cts[0], "the mask is missing", _NO_MASK))
        else:
            cases.append(Case(name, name, cts[0], labels[0]))
    return _in_order(layout, cases, problems)


def _in_order(layout: str, cases: list[Case], problems: list[Problem]) -> Found:
    """Cases and problems by id, 9 before 10."""

    def key(case: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", case) if part]

    return Found(layout, sorted(cases, key=lambda case: key(case.id)), sorted(problems, key=lambda problem: key(problem.case)))
