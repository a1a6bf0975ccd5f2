"""A bundle's manifest: everything inference needs to know of a network, and everything a reader asks."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..ct.spec import InputSpec, finite_number
from ..renamed import with_new_keys

SCHEMA = 1
TASKS = ("liver", "tumor", "slice")
_LONGEST = 10_000  # characters of a text


@dataclass(frozen=True)
class Calibration:
    """Platt scaling: p = sigmoid(slope * logit(raw) + intercept) (Platt, 1999), fitted on validation patients."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Manifest:
    """Content of a bundle's manifest.json.

    Attributes:
        id, version, title: how users name and see the model.
        task: "liver" or "tumor" (a probability per pixel), "slice" (two softmax outputs: no tumor, tumor).
        input: what the network is shown.
        threshold: probability from which a pixel or a slice counts as positive, chosen on validation or on held-out
          patients.
        sure: probability that a lesion must reach somewhere to count, chosen with the threshold; 0 asks for no more
          than that.
        calibration: of the raw output, for task "slice".
        files: by file name, its "sha256", "bytes" and "quantization".
        labels: the structures found, with SNOMED codes.
        training: cases, split, seed, configuration, commit, command.
        metrics: measured figures and how they were measured.
        license: of the weights.
    """

    id: str
    version: str
    title: str
    task: str
    input: InputSpec
    threshold: float
    files: dict[str, dict[str, Any]]
    license: str
    labels: list[dict[str, Any]] = field(default_factory=list)
    calibration: Calibration = field(default_factory=Calibration)
    sure: float = 0.0
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Manifest:
        """Raises ValueError, KeyError or TypeError where the content is not a manifest of this schema."""
        data = dict(with_new_keys(data))
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
        given: dict[str, Any] = data.pop("input")
        spec: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        manifest = cls(input=InputSpec(**spec), calibration=Calibration(**data.pop("calibration", {})), **data)
        texts = {"id": manifest.id, "version": manifest.version, "title": manifest.title, "license": manifest.license}
        if wrong := [name for name, text in texts.items() if not isinstance(text, str) or len(text) > _LONGEST]:
            raise ValueError(f"{wrong[0]} is not text, or too long")
        if not re.fullmatch(r"[^\x00-\x1f\x7f-\x9f/\\]+", manifest.id):
            raise ValueError(f"{manifest.id!r} is not an id")
        if any("/" in name or "\\" in name or name.startswith(".") for name in manifest.files):
            raise ValueError("a file name points outside the bundle")
        for name, entry in manifest.files.items():
            if not (
                isinstance(entry, dict)
                and isinstance(entry.get("bytes", 0), int)
                and re.fullmatch("[0-9a-f]{64}", entry["sha256"])
            ):
                raise ValueError(f"the entry of {name} does not describe a file")
        if not all(isinstance(part, dict) for part in (manifest.training, manifest.metrics, *manifest.labels)):
            raise ValueError("labels, training or metrics are not objects")
        (
            finite_number("threshold", manifest.threshold),
            finite_number("slope", manifest.calibration.slope),
            finite_number("intercept", manifest.calibration.intercept),
        )
        if manifest.task not in TASKS:
            raise ValueError(f"unknown task {manifest.task!r}")
        if not 0 < manifest.threshold < 1:
            raise ValueError(f"threshold {manifest.threshold} is not between 0 and 1")
        if not 0 <= finite_number("sure", manifest.sure) < 1:
            raise ValueError(f"sure {manifest.sure} is not between 0 and 1")
        return manifest
