"""Whether two files, folders or volumes are the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder (a DICOM series, say) over the names and bytes of all files in it and
    below it."""
    if path.is_dir():
        total = hashlib.sha256()
        for file in _files_in(path):
            total.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
        return total.hexdigest()
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def fingerprint(path: Path) -> list:
    """Name, bytes and time of change of a file or folder: what tells quickly that it was changed or replaced."""
    stats = [file.stat() for file in (_files_in(path) if path.is_dir() else [path])]
    return [path.name, sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)]


def voxels_sha256(array: np.ndarray) -> str:
    """SHA-256 of a CT's size and voxels in whole HU, whatever file and number type they came in."""
    whole = np.rint(array).astype(np.int16)
    return hashlib.sha256(str(whole.shape).encode() + np.ascontiguousarray(whole).tobytes()).hexdigest()


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
