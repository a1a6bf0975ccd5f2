"""What the viewer shows of a case: the CT, the labels and the figures, read from a folder of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..batch.folder import SUMMARY, changed_files, fingerprint, read_summary
from ..ct import CTVolume
from ..errors import InputError
from ..files import read_ct
from ..records.results import CaseResult


@dataclass(frozen=True)
class ShownCase:
    """A finished case.

    Attributes:
        result: its figures.
        segmentation: file of the segmentation; None where slices were classified only.
        ct: file or folder of the CT.
        series: which DICOM series of the folder.
    """

    result: CaseResult
    segmentation: Path | None
    ct: Path
    series: str | None

    @property
    def name(self) -> str:
        return self.result.name

    def read_volume(self) -> CTVolume:
        """The CT as it was analyzed. Raises InputError."""
        return read_ct(self.ct, self.series)


def find_case(folder: Path, ct: Path | None = None) -> ShownCase:
    """The case whose results lie in a folder.

    Args:
        folder: one of `segment` or `classify`, with summary.json in it.
        ct: the CT, where it does not lie where it was analyzed.

    Raises:
        InputError: no results of this version there, files that have changed since, or no CT.
    """
    summary = read_summary(folder)
    if summary is None:
        raise InputError(
            f"{folder} holds no results of this version ({SUMMARY} is missing or of another); name a case's folder."
        )
    if changed := changed_files(folder, summary):
        raise InputError(f"{', '.join(changed)} in {folder} is not what was written there; analyze the CT again.")
    origin = summary["origin"]
    path = ct or Path(origin["input"]["path"])
    if not path.exists():
        raise InputError(f"The CT {path} of the results in {folder} is not there; say with --ct where it lies now.")
    is_dicom = origin["extras"].get("series") is not None or path.is_dir()
    now, then = fingerprint(path, is_dicom or path.suffix == ".dcm", folder), origin["input"]
    if now["bytes"] != then["bytes"] and (ct is not None or now["files"] == then["files"]):
        raise InputError(f"The CT {path} has changed since it was analyzed (results in {folder}); analyze it again.")
    result = CaseResult.from_dict(summary["case"])
    segmentation = folder / f"{result.name}.seg.nrrd"
    return ShownCase(result, segmentation if segmentation.is_file() else None, path, origin["extras"].get("series"))
