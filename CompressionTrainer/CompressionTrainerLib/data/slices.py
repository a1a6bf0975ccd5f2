"""Network slices of labelled cases, made once and kept as .npy files that training maps into memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from LiverTumorLib.ct import CTVolume, to_axial
from LiverTumorLib.ct.frame import Frame, body_frame, liver_offset, network_slices, region_frame
from LiverTumorLib.models.manifest import InputSpec
from LiverTumorLib.pipelines.results import TUMOR

from .splits import Case

# Cached canvases are wider than the network's by this many pixels, so that shifted and rotated crops show real anatomy.
BORDER = 32


@dataclass(frozen=True)
class CaseSlices:
    """One case as a network sees it, axial, uint8 (k, rows, columns), memory-mapped.

    `liver` (tumour included) and `tumor` are the truth, 255 = inside, softened by the resampling. `has_liver` and
    `has_tumor` were taken per slice on the full-resolution mask, before any resampling.
    """

    case: int
    patient: int
    image: np.ndarray
    liver: np.ndarray
    tumor: np.ndarray
    has_liver: np.ndarray
    has_tumor: np.ndarray
    slice_mm: float


def cached_slices(case: Case, spec: InputSpec, cache: str | Path) -> CaseSlices:
    """Read a case's network slices from the cache folder, making them first where they are not there yet."""
    key = hashlib.sha256(json.dumps([asdict(spec), BORDER], sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(cache) / key / f"case-{case.id}"
    if not (folder / "meta.json").is_file():
        _write_slices(case, spec, folder)
    meta = json.loads((folder / "meta.json").read_text())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("image", "liver", "tumor")}
    flags = {name: np.array(meta[name], bool) for name in ("has_liver", "has_tumor")}
    return CaseSlices(case.id, case.patient, **arrays, **flags, slice_mm=meta["slice_mm"])


def training_frame(volume: CTVolume, liver: np.ndarray, spec: InputSpec) -> Frame:
    """The canvas of `spec` on a volume in axial order, grown by BORDER pixels on every side."""
    if spec.region == "liver":
        frame = region_frame(volume, liver, spec.size, spec.spacing_mm, spec.margin_mm)
    else:
        frame = body_frame(volume, spec.size, spec.spacing_mm)
    return Frame((frame.size[0] + 2 * BORDER, frame.size[1] + 2 * BORDER), frame.spacing_mm, frame.centre, frame.voxel_mm)


def _write_slices(case: Case, spec: InputSpec, folder: Path) -> None:
    from LiverTumorLib.files import read_ct, read_labels

    view = to_axial(read_ct(case.ct))
    labels, matrix = read_labels(case.mask)
    mask = to_axial(CTVolume(labels.astype(np.int16), matrix)).volume.array
    frame = training_frame(view.volume, mask > 0, spec)
    folder.mkdir(parents=True, exist_ok=True)
    offset = liver_offset(view.volume, mask, spec.liver_hu)
    np.save(folder / "image.npy", network_slices(view.volume, frame, spec.window_hu, offset_hu=offset))
    for name, truth in (("liver", mask > 0), ("tumor", mask == TUMOR)):
        np.save(folder / f"{name}.npy", np.rint(frame.sample(truth.astype(np.float32) * 255)).clip(0, 255).astype(np.uint8))
    meta = {
        "has_liver": (mask > 0).any(axis=(1, 2)).tolist(),
        "has_tumor": (mask == TUMOR).any(axis=(1, 2)).tolist(),
        "slice_mm": float(view.volume.spacing[2]),
    }
    (folder / "meta.json").write_text(json.dumps(meta))
