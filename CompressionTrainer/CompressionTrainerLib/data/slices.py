"""Network slices of labeled cases, made once and kept as .npy files that training maps into memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from LiverTumorLib.ct import CTVolume
from LiverTumorLib.ct.canvas import Canvas, InputSpec, lay_canvas, network_slices
from LiverTumorLib.errors import InputError
from LiverTumorLib.records.results import TUMOR

from .identity import fingerprint
from .labeled import read_case_apart
from .splits import LabeledCase, Split, slices_of

# Cached canvases are wider than the network's by this many pixels, so that shifted and rotated crops show real anatomy.
BORDER = 32
# The network's own canvas within a cached one, (k, rows, columns).
INNER = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))


@dataclass(frozen=True)
class CaseSlices:
    """One case as a network sees it, axial, uint8 (k, rows, columns), memory-mapped.

    `liver` (tumor included) and `tumor` are the truth, 255 = inside, softened by the resampling. `has_liver` and
    `has_tumor` were taken per slice on the full-resolution mask, before any resampling. `selected` tells the slices
    that a split gives to the subset; None is all of them.
    """

    case: str
    patient: str
    image: np.ndarray
    liver: np.ndarray
    tumor: np.ndarray
    has_liver: np.ndarray
    has_tumor: np.ndarray
    slice_mm: float
    selected: np.ndarray | None = None

    def ks(self, which: np.ndarray) -> np.ndarray:
        """The slices that belong to the subset, among those where `which` (k,) is true."""
        return np.flatnonzero(which if self.selected is None else which & self.selected)


def subset_slices(split: Split, subset: str, spec: InputSpec, cache: str | Path) -> list[CaseSlices]:
    """Network slices of a subset's cases, those selected and those with tumor marked as the split says."""
    return [_as_split(split, subset, case, cached_slices(case, spec, cache)) for case in split.cases[subset]]


def _as_split(split: Split, subset: str, case: LabeledCase, slices: CaseSlices) -> CaseSlices:
    """The slices of a case with the split's selection and labels."""
    everywhere = np.arange(len(slices.image))
    if (ks := slices_of(split, subset, case)) is not None:
        slices = replace(slices, selected=np.isin(everywhere, ks))
    if (ks := split.tumor_slices.get(case.id)) is not None:
        slices = replace(slices, has_tumor=np.isin(everywhere, ks))
    return slices


def cached_slices(case: LabeledCase, spec: InputSpec, cache: str | Path) -> CaseSlices:
    """Read a case's network slices from the cache folder, making them first where they are not there yet.

    Those of another CT or mask, which a folder shared by several data sets may hold under the same id, are made again.
    """
    settings = asdict(spec)
    if not spec.filters:
        del settings["filters"]  # so that slices prepared before there were filters are found
    key = hashlib.sha256(json.dumps([settings, BORDER], sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(cache) / key / f"case-{case.id}"
    meta, source = _read_meta(folder), [fingerprint(path) for path in case.files]
    if meta is None or meta.get("source", source) != source:
        meta = _write_slices(case, spec, folder, source)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("image", "liver", "tumor")}
    flags = {name: np.array(meta[name], np.bool_) for name in ("has_liver", "has_tumor")}
    return CaseSlices(case.id, case.patient, **arrays, **flags, slice_mm=meta["slice_mm"])


def training_canvas(volume: CTVolume, liver: np.ndarray, spec: InputSpec) -> tuple[Canvas, float]:
    """The canvas and offset as of `lay_canvas`, the canvas grown by BORDER pixels on every side."""
    canvas, offset_hu = lay_canvas(spec, volume, liver)
    rows, columns = canvas.size
    return replace(canvas, size=(rows + 2 * BORDER, columns + 2 * BORDER)), offset_hu


def _read_meta(folder: Path) -> dict | None:
    """What is said of a case's cached slices, None where they are not there or not complete."""
    path = folder / "meta.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write_slices(case: LabeledCase, spec: InputSpec, folder: Path, source: list) -> dict:
    """Make a case's network slices; returns what `_read_meta` does from now on."""
    from LiverTumorLib.atomic import atomic_path
    from LiverTumorLib.files import write_json

    labeled = read_case_apart(case)
    volume, mask = labeled.volume, labeled.labels
    if spec.region == "liver" and not mask.any():
        raise InputError(
            f"{case.mask} is empty, so there is no liver to look into; take the right mask, or leave the case out."
        )
    canvas, offset_hu = training_canvas(volume, mask, spec)
    arrays = {"image": network_slices(volume, canvas, spec.window_hu, offset_hu=offset_hu, filters=spec.filters)}
    for name, truth in (("liver", mask > 0), ("tumor", mask == TUMOR)):
        arrays[name] = np.rint(canvas.sample(truth.astype(np.float32) * 255)).clip(0, 255).astype(np.uint8)
    for name, array in arrays.items():
        with atomic_path(folder / f"{name}.npy") as temporary:
            np.save(temporary, array)
    meta = {
        "has_liver": (mask > 0).any(axis=(1, 2)),
        "has_tumor": (mask == TUMOR).any(axis=(1, 2)),
        "slice_mm": float(volume.spacing[2]),
        "source": source,
    }
    write_json(folder / "meta.json", meta)  # last: it says that the arrays are complete
    return meta
