"""The report of a result that a reader has looked at, in the child process: measures it, writes the page and the DICOM
objects."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..ct import CTVolume, to_axial
from ..ct.placed_mask import PlacedMask
from ..dicom.sending import Destination, send
from ..errors import InputError
from ..pipelines.doubt import corrected_notes
from ..pipelines.lesions import measure_numbered
from ..records.judgments import Judgment
from ..records.options import CaseOutput, Progress, RunOptions
from ..records.results import LIVER, TUMOR, CaseResult, CaseSummary, Lesion, SliceRecord
from ..records.review import Review

WRITER = "LiverTumorLib.batch.report_task:write_report"
_IN_PLACE_MM = 1.0


@dataclass(frozen=True)
class Reviewed:
    """What the child cannot see in the CT and the labels. Numbers of lesions are texts, as JSON has them.

    Attributes:
        numbers: of the lesions, in the order of their labels 2, 3 ….
        names, judgments: of lesions, by number; judgments as dictionaries.
        rejected: numbers of lesions that do not count.
        outside: voxels of lesions that are no liver without them, as a `PlacedMask.text`.
        whole: lesions that lie beneath others in the labels, by number, likewise.
        axes: of lesions whose axes are drawn by hand, by number: fields of `Lesion`.
        probabilities: mean ones of lesions, by number, where they are still those of the voxels.
        corrected: somebody has changed the segments since the run.
        slices: records of the slices.
        suspicious_slices, notes: of the run.
        models: of the run.
        patient: say who the patient is.
        images: for each k the DICOM file of the CT; empty where it is not from DICOM.
    """

    numbers: list[int]
    names: dict[str, str]
    judgments: dict[str, dict[str, str]]
    rejected: list[int]
    outside: str
    whole: dict[str, str]
    axes: dict[str, dict[str, Any]]
    probabilities: dict[str, float]
    corrected: bool
    slices: list[dict[str, Any]]
    suspicious_slices: list[int]
    notes: list[str]
    models: list[dict[str, Any]]
    patient: bool = False
    images: list[str] = field(default_factory=list)

    @property
    def review(self) -> Review:
        """The reader's part."""
        judgments = {int(number): Judgment(**words) for number, words in self.judgments.items()}
        return Review(self.corrected, {int(number): name for number, name in self.names.items()}, judgments)


def arguments(
    reviewed: Reviewed, page: Path | None, folder: Path | None, destination: Destination | None = None
) -> dict[str, str | bool | None]:
    """The arguments of the writer; see `write_report`."""
    return {
        "reviewed": json.dumps(asdict(reviewed)),
        "page": None if page is None else os.fspath(page),
        "folder": None if folder is None else os.fspath(folder),
        "destination": None if destination is None else json.dumps(asdict(destination)),
    }


def take(volume: CTVolume, options: RunOptions, progress: Progress, liver: np.ndarray) -> CaseOutput:
    """The task: hand the CT and its labels (1 liver, 2, 3 … the lesions) on to the writer."""
    return CaseOutput(CaseResult(volume.name, CaseSummary()), liver, volume=volume)


def write_report(
    output: CaseOutput, *, reviewed: str, page: str | None, folder: str | None, destination: str | None = None
) -> None:
    """Measure a result and write its report; the output then has the figures.

    Args:
        output: of `take`.
        reviewed: a `Reviewed`, as JSON.
        page: a PDF file to write.
        folder: an existing folder for DICOM objects: segmentation, structured report, and the page where there is one.
        destination: a `Destination` that the objects are sent to from the folder, as JSON.

    Raises:
        InputError: the CT is not where its DICOM images are, or nothing can refer to them.
        OutputError, RequirementError: see `report.case_page`, `dicom.write_dicom` and `dicom.sending.send`.
    """
    from ..dicom import write_dicom
    from ..report import case_page

    facts, volume, labels = Reviewed(**json.loads(reviewed)), output.volume, output.labels
    assert volume is not None and labels is not None, "the task has handed them on"
    volume = CTVolume(volume.array, volume.ijk_to_ras, volume.name, volume.notes, tuple(facts.images))
    output.result = measured(volume, labels, facts)
    review = facts.review
    counted = [lesion for lesion in output.result.lesions if review.counts(lesion)]
    if folder is not None:
        check_in_place(volume)
    if page is not None:
        from ..files.dicom_study import patient_line

        shown = CaseOutput(output.result, labels_of(labels, facts, counted, told_apart=False))
        case_page(page, volume, shown, review, patient_line(Path(facts.images[0])) if facts.patient else "")
    if folder is not None:
        result = CaseResult(**{**vars(output.result), "lesions": counted})
        told_apart = CaseOutput(result, labels_of(labels, facts, counted, told_apart=True))
        said = {"names": facts.names, "judgments": facts.judgments, "corrected": facts.corrected}
        origin = {"task": "report", "options": said, "models": facts.models, "version": __version__}
        name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in volume.name)
        notes = write_dicom(
            Path(folder), name, volume, told_apart, origin, None if page is None else Path(page), review
        )
        output.result.summary.notes += notes
        if destination is not None:
            send(Path(folder), Destination(**json.loads(destination)))


def measured(volume: CTVolume, labels: np.ndarray, facts: Reviewed) -> CaseResult:
    """The figures of the labels as they are; axes that were drawn by hand count in place of those of the voxels."""
    view = to_axial(volume)
    liver = view.bring(_without_rejected(labels, facts))
    whole = {int(number): view.bring(_mask(text, labels.shape)) for number, text in facts.whole.items()}
    lesions, summary = measure_numbered(
        view.bring(labels), view.volume, facts.numbers, facts.rejected, liver=liver, whole=whole
    )
    for lesion in lesions:
        for name, value in facts.axes.get(str(lesion.id), {}).items():
            setattr(lesion, name, value)
        lesion.__post_init__()
        lesion.mean_probability = facts.probabilities.get(str(lesion.id))
    counted = [lesion.longest_diameter_mm for lesion in lesions if lesion.id not in facts.rejected]
    summary.largest_diameter_mm = max(counted, default=None)
    summary.suspicious_slices = facts.suspicious_slices
    summary.notes = corrected_notes(liver, view.volume, summary) if facts.corrected else list(facts.notes)
    slices = [SliceRecord(**record) for record in facts.slices]
    return CaseResult(volume.name, summary, lesions, slices, facts.models)


def labels_of(labels: np.ndarray, facts: Reviewed, counted: list[Lesion], told_apart: bool) -> np.ndarray:
    """Labels without rejected lesions; those that count are all 2, or 2 the first of the list, 3 the next."""
    values = np.arange(len(facts.numbers) + TUMOR, dtype=np.uint8)
    values[TUMOR:] = LIVER
    for place, lesion in enumerate(counted):
        values[facts.numbers.index(lesion.id) + TUMOR] = TUMOR + place * told_apart
    return values[_without_rejected(labels, facts)]


def _without_rejected(labels: np.ndarray, facts: Reviewed) -> np.ndarray:
    """Labels in which rejected lesions are liver, or nothing where they lie outside of it."""
    values = np.arange(len(facts.numbers) + TUMOR, dtype=np.uint8)
    values[[label for label, number in enumerate(facts.numbers, start=TUMOR) if number in facts.rejected]] = LIVER
    found = values[labels]
    found[(found == LIVER) & _mask(facts.outside, labels.shape)] = 0
    return found


def _mask(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return PlacedMask.from_text(text).within((0, 0, 0), shape)


def check_in_place(volume: CTVolume) -> None:
    """Raise InputError where a CT does not lie where its DICOM images say, so that results would be displaced."""
    from ..dicom.source import read_source

    source = read_source(volume)
    planes, rows, columns = volume.shape
    along, down = source.axes.T
    far = source.places + along * source.spacing[0] * (columns - 1) + down * source.spacing[1] * (rows - 1)
    expected = source.lps(volume.ras([(columns - 1, rows - 1, k) for k in range(planes)]))
    positions = np.array([header.ImagePositionPatient for header in source.headers], dtype=np.float64)
    if (
        len(positions) != planes
        or max(np.abs(far - expected).max(), np.abs(positions - source.places).max()) > _IN_PLACE_MM
    ):
        raise InputError(
            f"{volume.name} does not lie where its DICOM images say, so DICOM results would be displaced; take the "
            "transform off it, or load the series again."
        )
