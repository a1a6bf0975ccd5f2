"""The DICOM images that a CT was read from, as results refer to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..ct.volume import LPS_RAS, CTVolume
from ..errors import InputError
from ..files.dicom_file import import_pydicom, plain, read_dataset

if TYPE_CHECKING:
    from pydicom import Dataset

NO_RESULTS = "No DICOM results were written"
_UIDS = {
    "SOPClassUID": "SOP class",
    "SOPInstanceUID": "SOP instance UID",
    "StudyInstanceUID": "study UID",
    "SeriesInstanceUID": "series UID",
    "FrameOfReferenceUID": "frame of reference UID",
}
_ONE_FOR_ALL = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "SOPClassUID")
# Type 2 of the patient and study modules: present in every object, empty where they are not known.
_MAY_BE_EMPTY = (
    *(
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
    ),
    *("ReferringPhysicianName", "PositionReferenceIndicator"),
)
_DATES = ("ContentDate", "ContentTime", "AcquisitionDate", "AcquisitionTime", "SeriesDate", "SeriesTime")
_SAME_PLACE = 0.1  # of the slice distance, as where a series is put in order
_SAME_PLACE_MM = 0.11
_LPS_RAS = np.diag(LPS_RAS)  # point by point


@dataclass(frozen=True)
class SourceImages:
    """Images of one DICOM series, and where the planes of the volume made of them lie.

    Attributes:
        headers: data sets without pixels, in the order of the volume's k axis.
        places: for each k the LPS position of the first pixel's center, mm; that of the image where the plane is one.
        axes: 3x2 LPS unit vectors along a row and down a column.
        spacing: mm along a row, down a column, and between neighboring planes along the normal.
    """

    headers: list[Dataset]
    places: np.ndarray
    axes: np.ndarray
    spacing: tuple[float, float, float]

    @property
    def first(self) -> Dataset:
        return self.headers[0]

    @property
    def date_and_time(self) -> tuple[str, str] | None:
        """When the images were made, as far as they say it."""
        for of in ("Content", "Acquisition", "Series", "Study"):
            date, time = (str(self.first.get(f"{of}{part}") or "") for part in ("Date", "Time"))
            if date:
                return date, time or "000000"
        return None

    @property
    def tolerance_mm(self) -> float:
        """How far from an image's plane a point may lie that is in it; some scanners round positions to 0.1 mm."""
        return max(_SAME_PLACE * self.spacing[2], _SAME_PLACE_MM)

    @staticmethod
    def lps(points_ras: np.ndarray) -> np.ndarray:
        """Points (n, 3) as DICOM has them, mm."""
        return np.asarray(points_ras, dtype=np.float64) * _LPS_RAS

    def image_with(self, points_ras: np.ndarray) -> tuple[Dataset, np.ndarray] | None:
        """The image in whose plane all of the points lie, and their places in it; None where there is none.

        Args:
            points_ras: (n, 3) mm.

        Returns:
            The header, and (n, 2) columns and rows as DICOM counts them: 0 is the outer edge of the first pixel.
        """
        points = self.lps(points_ras)
        normal = np.cross(*self.axes.T)
        depths = points @ normal
        for header in self.headers:
            corner = _position(header)
            if np.abs(depths - corner @ normal).max() <= self.tolerance_mm:
                return header, (points - corner) @ self.axes / self.spacing[:2] + 0.5
        return None


def read_source(volume: CTVolume) -> SourceImages:
    """Read the headers of the images that a volume was made of.

    Raises:
        InputError: the volume is not from DICOM, an image cannot be read anymore, or the images lack what a reference
            to them needs.
    """
    files = [Path(image) for image in volume.images if image]
    if not files:
        raise InputError(
            f"{NO_RESULTS}: {volume.name} was not read from DICOM, so there is no study that they could belong to; "
            "give the DICOM folder."
        )
    headers = [_read(file) for file in files]
    _check_identity(headers, volume.name)
    axes = np.array(headers[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3).T
    for header in headers:  # which differ by rounding only
        header.ImageOrientationPatient = headers[0].ImageOrientationPatient
    corners = volume.ras([(0, 0, k) for k in range(volume.shape[0])]) * _LPS_RAS
    normal = np.cross(*axes.T)
    along, down = (float(value) for value in volume.spacing[:2])
    between = abs(float(normal @ (volume.ijk_to_ras[:3, 2] * _LPS_RAS)))
    source = SourceImages(headers, corners, axes, (along, down, between))
    at = [k for k, image in enumerate(volume.images) if image]
    off = np.array([_position(header) for header in headers]) - corners[at]
    sideways = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1)
    if np.abs(off @ normal).max() <= source.tolerance_mm and sideways.max() <= max(0.5 * min(along, down), 0.1):
        corners[at] += off
    return source


def _read(file: Path) -> Dataset:
    """The header of one image, its text as Unicode, with the attributes that may be empty."""
    try:
        header = read_dataset(file, stop_before_pixels=True)
        header.remove_private_tags()
        header.decode()
    except Exception as error:  # pydicom raises errors of every kind on damaged files
        raise InputError(f"{NO_RESULTS}: {file} cannot be read anymore; give the series again.") from error
    header.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*_MAY_BE_EMPTY, *_DATES):
        if keyword not in header or _is_impossible(keyword, str(header.get(keyword) or "")):
            setattr(header, keyword, "")
    return header


def _is_impossible(keyword: str, text: str) -> bool:
    """Whether a sex, date or time is none that DICOM knows; the results leave it empty."""
    values = import_pydicom().valuerep
    try:
        if keyword.endswith("Date"):
            values.DA(text)
        elif keyword.endswith("Time"):
            values.TM(text)
    except (ValueError, TypeError):
        return True
    return keyword == "PatientSex" and text not in ("M", "F", "O", "")


def _check_identity(headers: list[Dataset], name: str) -> None:
    """Raise InputError where the images cannot be referred to as parts of one series."""
    valid = import_pydicom().uid.UID
    lacking = [
        text
        for keyword, text in _UIDS.items()
        if not all(valid(plain(str(header.get(keyword) or ""))).is_valid for header in headers)
    ]
    if lacking:
        raise InputError(
            f"{NO_RESULTS}: the images of {name} have no valid {', '.join(lacking)} (an anonymizer may have blanked "
            "them), so nothing can refer to them; use the series as the scanner sent it, or one anonymized with new "
            "UIDs."
        )
    if len({header.SOPInstanceUID for header in headers}) < len(headers):
        raise InputError(
            f"{NO_RESULTS}: several images of {name} have the same SOP instance UID; export the series again."
        )
    several = [keyword for keyword in _ONE_FOR_ALL if len({str(header.get(keyword)) for header in headers}) > 1]
    if several:
        raise InputError(
            f"{NO_RESULTS}: the images of {name} are of several series, by their {several[0]}; use the series as the "
            "scanner sent it."
        )


def _position(header: Dataset) -> np.ndarray:
    return np.array(header.ImagePositionPatient, dtype=np.float64)
