"""What a follow-up over two or more dates finds, as plain records that travel through JSON unchanged."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .results import Lesion, Point

# How two lesions came to be the same one.
BY_REGISTRATION, BY_HAND = "registration", "hand"


@dataclass
class StudyRecord:
    """One date.

    Attributes:
        name: what the user calls the CT.
        date: of the study, as YYYY-MM-DD; None where nobody knows.
        key: tells this CT from all others, the same whenever it is read: its SeriesInstanceUID, or a checksum of its
            voxels.
        lesions: as `measure` numbers them, largest first; where a reader has numbered them, by their numbers.
        liver_ml, tumor_ml: volumes; the liver's includes the tumor.
        slice_mm: distance between slices.
    """

    name: str
    date: str | None
    key: str
    lesions: list[Lesion]
    liver_ml: float
    tumor_ml: float
    slice_mm: float

    def lesion(self, number: int) -> Lesion:
        """The lesion with a number. Raises IndexError where there is none."""
        return self.lesions[self.position(number)]

    def position(self, number: int) -> int:
        """Where a lesion stands among `lesions`. Raises IndexError where it does not."""
        for position, lesion in enumerate(self.lesions):
            if lesion.id == number:
                return position
        raise IndexError(f"{self.name} has no lesion {number}")


@dataclass
class RegistrationQuality:
    """How well the liver of a date was brought onto that of the date before.

    Attributes:
        dice: of the two livers afterwards, where both scans show the place.
        residual_mm: mean distance of the two surfaces afterwards.
        folding_percent: share of the liver in which the deformation folds or tears, which no tissue does.
        failure: why the registration is not trusted; "" where it is.
    """

    dice: float
    residual_mm: float
    folding_percent: float
    failure: str = ""


@dataclass
class Link:
    """Lesion `lesion` of date `date` is what lesion `prior_lesion` of date `prior` has become; dates count from 0,
    lesions are named by their numbers.

    Attributes:
        by: BY_REGISTRATION or BY_HAND.
        overlap: share of the smaller lesion that lies in the other after registration, 0 to 1; None by hand.
        distance_mm: between the centroids after registration; None by hand.
    """

    prior: int
    prior_lesion: int
    date: int
    lesion: int
    by: str = BY_REGISTRATION
    overlap: float | None = None
    distance_mm: float | None = None


@dataclass
class Track:
    """One lesion through the dates, with all the parts it falls into and all the lesions that grow together with it.

    Attributes:
        id: number from 1; those of the first date come first, largest first.
        uid: DICOM tracking unique identifier, the same in every follow-up that has the lesion's first date in it.
        lesions: for each date the numbers of the lesions that are this one.
        status: for each date "present", "split", "merged", "split and merged", "new", "reappeared", "vanished", "not
            yet" or "unknown".
        target: whether it holds a target lesion of RECIST.
        diameter_mm: for each date what RECIST adds up: longest diameters of the parts; 0 where it vanished; None where
            unknown.
        volume_ml: for each date.
        center_ras: for each date where it is, or where registration puts it while it is not there; None where that is
            unknown.
        doubling_days: for each date, from the date before it; negative is the time of halving; None where it cannot be
            told.
    """

    id: int
    uid: str
    lesions: list[list[int]]
    status: list[str]
    target: bool = False
    diameter_mm: list[float | None] = field(default_factory=list)
    volume_ml: list[float | None] = field(default_factory=list)
    doubling_days: list[float | None] = field(default_factory=list)
    center_ras: list[Point | None] = field(default_factory=list)


@dataclass
class Assessment:
    """The response at one date, by RECIST 1.1; of the liver alone.

    Attributes:
        sum_mm: sum of the target lesions' diameters; None where it cannot be told or there are no targets.
        change_percent: of the sum against the first date.
        nadir_mm: smallest sum of the dates before.
        nadir_percent, nadir_change_mm: of the sum against the nadir.
        target, nontarget: responses of either kind of lesion; "" where there are none.
        new_lesions: how many appeared since the first date and are there, by track.
        response: "baseline", "CR", "PR", "SD", "PD", "Non-CR/Non-PD", "NED" (no lesion at any date) or "NE" (not
            evaluable).
        reason: why, in one sentence.
        best: best response up to this date; what comes after progression does not count.
    """

    sum_mm: float | None
    change_percent: float | None
    nadir_mm: float | None
    nadir_percent: float | None
    nadir_change_mm: float | None
    target: str
    nontarget: str
    new_lesions: int
    response: str
    reason: str
    best: str


@dataclass
class FollowUp:
    """All of a follow-up.

    Attributes:
        registrations: number n brings date n + 1 onto date n; None where nothing had to be registered.
        links: pairs of lesions, with what the user says of them.
        tracks, assessments, notes: what follows from those and from the choice of target lesions.
        found: the pairs as registration alone gives them.
        places: for each date, lesion and date the RAS mm at which registration puts it there; None where it cannot.
        scan_notes: those of the notes that no choice changes.
        linear_parts: number n is the 3x3 matrix that turns directions of date n + 1 into those of date n, on average
            over the liver; None where registration failed. Empty in files of versions before 0.2.
    """

    studies: list[StudyRecord]
    registrations: list[RegistrationQuality | None]
    links: list[Link]
    tracks: list[Track]
    assessments: list[Assessment]
    notes: list[str] = field(default_factory=list)
    found: list[Link] = field(default_factory=list)
    places: list[list[list[Point | None]]] = field(default_factory=list)
    scan_notes: list[str] = field(default_factory=list)
    linear_parts: list[list[list[float]] | None] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FollowUp:
        """The inverse of `to_dict`, also after a trip through JSON."""
        return cls(
            [_study(record) for record in data["studies"]],
            [record and RegistrationQuality(**record) for record in data["registrations"]],
            [Link(**record) for record in data["links"]],
            [_track(record) for record in data["tracks"]],
            [Assessment(**record) for record in data["assessments"]],
            data["notes"],
            [Link(**record) for record in data["found"]],
            [[[_place(place) for place in row] for row in rows] for rows in data["places"]],
            data["scan_notes"],
            data.get("linear_parts", []),
        )


def _study(record: dict[str, Any]) -> StudyRecord:
    return StudyRecord(**{**record, "lesions": [Lesion.from_dict(lesion) for lesion in record["lesions"]]})


def _track(record: dict[str, Any]) -> Track:
    return Track(**{**record, "center_ras": [_place(place) for place in record["center_ras"]]})


def _place(record: list[float] | None) -> Point | None:
    return None if record is None else (record[0], record[1], record[2])
