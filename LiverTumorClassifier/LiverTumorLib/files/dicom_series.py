"""From the findings in a folder to its CT series: which slices belong together, and which images of a series were
lost."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .dicom_header import NO_MODALITY, OBJECT, OTHER_CLASS, Finding, Identity, Kind, Slice, SliceFinding
from .kinds import DICOM_ENDINGS

Signature = tuple[str | float | tuple[int, int], ...]

FEWEST_JOINED = 3  # slices with a series UID each


@dataclass
class Series:
    """All slices of one CT series of one patient and study as found in a folder.

    Attributes:
        identity: what its slices say of it.
        folder: where its first slice lies.
        acquisition: which of several acquisitions in one series this is; "" for a whole one.
        lost: images of the series, or files among its slices, that cannot be used.
        notes: what was assumed.
    """

    identity: Identity
    folder: Path
    acquisition: str = ""
    slices: list[Slice] = field(default_factory=list)
    lost: list[Finding] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For messages, which may travel: without description and UID."""
        name = f"number {self.identity.number[:16]}" if self.identity.number else f"in {self.folder.name}"
        part = f", acquisition {self.acquisition[:16]}" if self.acquisition else ""
        return f"{name}{part} ({len(self.slices)} slice{'s' * (len(self.slices) != 1)})"

    @property
    def patient(self) -> str:
        return self.identity.patient or self.identity.name

    @property
    def is_axial(self) -> bool:
        return bool(abs(np.cross(*self.slices[0].axes.T)[2]) > np.cos(np.radians(45)))


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        series: the CT series.
        others: what its other DICOM files are.
        damaged: damaged DICOM files that belong to none of the series.
        foreign: number of files that are not DICOM.
    """

    series: list[Series]
    others: set[str]
    damaged: list[Finding]
    foreign: int


def sort_findings(findings: Iterable[Finding]) -> Found:
    """Put slices together by series, patient and study; lost images to the series whose UID they carry or among whose
    slices they lie."""
    rest: list[Finding] = []
    by_uid: dict[tuple[str, Path | None], list[SliceFinding]] = defaultdict(list)
    for finding in findings:
        if isinstance(finding, SliceFinding):
            uid = finding.identity.uid
            by_uid[uid, None if uid else finding.file.parent].append(finding)
        else:
            rest.append(finding)
    groups = _joined([part for group in by_uid.values() for part in _by_patient(group)])
    series = [_series(group) for group in groups]
    owners = _Owners(series, groups)
    others: set[str] = set()
    damaged: list[Finding] = []
    foreign = 0
    for finding in rest:
        mine = owners.of(finding)
        for item in mine:
            item.lost.append(finding)
        if finding.damaged and not mine:
            damaged.append(finding)
        elif finding.kind is Kind.FOREIGN and not mine:
            foreign += 1
        elif finding.kind in (Kind.OTHER, Kind.LOST) and not finding.damaged and finding.what != OBJECT:
            others.add(finding.what)
    return Found(series, others, damaged, foreign)


def _by_patient(group: list[SliceFinding]) -> list[list[SliceFinding]]:
    """One group as it is, or a group for each patient and study where several share a series UID."""
    has_id = any(finding.identity.patient for finding in group)
    owners = [
        (finding.identity.patient if has_id else finding.identity.name, finding.identity.study) for finding in group
    ]
    if all(len({value for value in values if value}) <= 1 for values in zip(*owners, strict=True)):
        return [group]
    parts: dict[tuple[str, str], list[SliceFinding]] = defaultdict(list)
    for owner, finding in zip(owners, group, strict=True):
        parts[owner].append(finding)
    return list(parts.values())


def _joined(groups: list[list[SliceFinding]]) -> list[list[SliceFinding]]:
    """Put "series" of one slice each, as some anonymizers make them, together where all else agrees."""
    alike: dict[Signature, list[list[SliceFinding]]] = defaultdict(list)
    for group in groups:
        if len(group) == 1:
            alike[signature(group[0])].append(group)
    several = {key: parts for key, parts in alike.items() if len(parts) >= FEWEST_JOINED}
    whole = [[part[0] for part in parts] for parts in several.values()]
    return whole + [group for group in groups if len(group) > 1 or signature(group[0]) not in several]


def signature(finding: SliceFinding) -> Signature:
    """What slices of one volume agree in, their series UID apart."""
    identity, geometry = finding.identity, finding.geometry
    numbers = (round(float(value), 3) + 0.0 for value in (*geometry.axes.ravel(), *geometry.pixel_mm))
    return (*identity._replace(uid=""), geometry.size, *numbers)


def _series(group: list[SliceFinding]) -> Series:
    identity = Identity(
        *(
            next((value for value in values if value), "")
            for values in zip(*(item.identity for item in group), strict=True)
        )
    )
    notes: tuple[str, ...] = ()
    if len({finding.identity.uid for finding in group}) > 1:
        notes += (
            f"{len(group)} images had a series UID each; they were put together, as they agree in study, number, "
            "description, frame of reference and geometry.",
        )
    for what, witness in ((NO_MODALITY, "SOP class"), (OTHER_CLASS, "modality")):
        count = sum(finding.what == what for finding in group)
        if count and (
            what == NO_MODALITY or count < len(group)
        ):  # some makers have a class of their own for all images
            were = "was" if count == 1 else "were"
            notes += (f"{count} of {len(group)} images {what} {were} taken for CT, as the {witness} says.",)
    return Series(identity, group[0].file.parent, slices=[finding.geometry for finding in group], notes=notes)


class _Owners:
    """Looks up the series that a file without usable slice belongs to."""

    def __init__(self, series: list[Series], groups: list[list[SliceFinding]]) -> None:
        self._by_uid: dict[str, list[Series]] = defaultdict(list)
        self._joined: dict[tuple[Path, str, str, str], list[Series]] = defaultdict(list)
        self._in_folder: dict[Path, list[Series]] = defaultdict(list)
        self._names: dict[Path, set[str]] = defaultdict(set)
        for item, group in zip(series, groups, strict=True):
            uids = {finding.identity.uid for finding in group} - {""}
            for uid in uids:
                self._by_uid[uid].append(item)
            for folder in {finding.file.parent for finding in group}:
                self._in_folder[folder].append(item)
                if len(uids) > 1:
                    self._joined[folder, *_kin(item.identity)].append(item)
            for finding in group:
                self._names[finding.file.parent].add(finding.file.name)
        self._shapes: dict[Path, set[str]] = {}

    def of(self, finding: Finding) -> list[Series]:
        folder, identity = finding.file.parent, finding.identity
        if finding.kind is Kind.FOREIGN:
            return (
                self._in_folder[folder]
                if folder in self._in_folder and self._is_named_like_a_slice(finding.file)
                else []
            )
        if identity is None:
            return []
        if not identity.uid:
            return self._in_folder.get(folder, []) if finding.kind is Kind.LOST else []
        mine = self._by_uid.get(identity.uid) or self._joined.get((folder, *_kin(identity)), [])
        same = [item for item in mine if not identity.patient or item.identity.patient in ("", identity.patient)]
        return same or mine

    def _is_named_like_a_slice(self, file: Path) -> bool:
        if file.name.startswith("."):
            return False
        shapes = self._shapes.setdefault(file.parent, {_shape(name) for name in self._names[file.parent]})
        return file.name.lower().endswith(DICOM_ENDINGS) or _shape(file.name) in shapes


def _kin(identity: Identity) -> tuple[str, str, str]:
    return identity.study, identity.number, identity.description


def _shape(name: str) -> str:
    """What names of the slices of a series have in common: all but numbers."""
    return re.sub(r"[0-9a-f-]{8,}|[\d.]*\d", "#", name.lower())


def reasons(lost: list[Finding]) -> str:
    """What the lost images are, with their numbers where there are several kinds."""
    counts = Counter(finding.what for finding in lost)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{count} {what}" for what, count in counts.items())
