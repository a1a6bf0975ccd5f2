"""What a stage is told, apart from where it lies: files from outside count by their content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..data.identity import fingerprint, sha256_of
from ..data.layouts import find_cases
from ..data.splits import Split

MANIFEST = "data.json"


@dataclass(frozen=True)
class Content:
    """A file or folder from outside the workflow's folder, and the SHA-256 of what counts in it; "" where nothing
    does."""

    path: Path
    sha256: str

    def __str__(self) -> str:
        return str(self.path)


def digest(value: object) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_content(path: Path) -> Content:
    """A file whose bytes count."""
    return Content(path, sha256_of(path))


def data_manifest(data: Path, split: Split | None, known: dict[str, dict]) -> dict[str, dict]:
    """SHA-256 and fingerprint of the CT and masks that the workflow looks at, by path relative to `data`.

    These are those of the split's train and val cases, or without a split all that are there.

    Args:
        known: an earlier manifest; files whose fingerprint is still the same are not read again.

    Raises:
        InputError: no labeled CT there, a file is missing, or is not the one the split was frozen with.
    """
    cases = [*split.cases["train"], *split.cases["val"]] if split else find_cases(data).cases
    frozen = split.sha256 if split else {}
    manifest: dict[str, dict] = {}
    for case in cases:
        files = {path.relative_to(data).as_posix(): path for path in case.files}
        if all(_is_known(path, known.get(name), frozen.get(name)) for name, path in files.items()):
            manifest |= {name: known[name] for name in files}
            continue
        if split:
            split.verify([case])
        for name, path in files.items():
            manifest[name] = {"sha256": frozen.get(name) or sha256_of(path), "fingerprint": fingerprint(path)}
    return manifest


def _is_known(path: Path, entry: dict | None, sha256: str | None) -> bool:
    """Whether a manifest's entry still holds for a file, which was frozen with `sha256` if with any."""
    if not entry or not path.exists():
        return False
    return entry["fingerprint"] == fingerprint(path) and sha256 in (None, entry["sha256"])


def data_content(data: Path, manifest: dict[str, dict]) -> Content:
    """The data folder, told by the content of its CT and masks."""
    return Content(data, digest({name: entry["sha256"] for name, entry in manifest.items()}))
