"""Inputs and outputs that are no folders of this computer: fsspec addresses such as s3://bucket/folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..batch.cases import cases_of_files, distinct_names
from ..batch.folder import SUMMARY, as_summary
from ..errors import InputError, OutputError, RequirementError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_MARKS = ("ETag", "md5Hash", "etag", "Content-MD5", "LastModified", "Last-Modified", "mtime")
_PROBE = ".livertumor-write-test"


def is_address(text: str) -> bool:
    """Whether a text is an fsspec address and no path (C:\\ is one letter)."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


@dataclass(frozen=True)
class RemoteCase:
    """One CT behind an address: its name, distinct within the run and fit for files, and whether it is DICOM."""

    name: str
    address: str
    is_dicom: bool


class Place:
    """A folder or file behind an fsspec address.

    Raises RequirementError where the package of that kind of storage is missing, UsageError for an unknown kind.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.address = address.rstrip("/")
        try:
            self.system: AbstractFileSystem
            self.system, self.path = fsspec.core.url_to_fs(self.address)
        except ImportError as error:
            raise RequirementError(f"{address} cannot be opened: {error}.") from error
        except ValueError as error:
            raise UsageError(f"{address} cannot be opened: {error}.") from error

    def below(self, name: str) -> str:
        """The address of a file or folder in this one."""
        return f"{self.address}/{name}"

    def cases(self) -> list[RemoteCase]:
        """The CT in this folder and below it; a file is itself one. Raises InputError."""
        with _told(self.address, InputError):
            files = [self.path] if self.system.isfile(self.path) else sorted(self.system.find(self.path))
        if not files:
            raise InputError(f"{self.address} holds no files; check the address and the rights to list it.")
        found = cases_of_files([PurePosixPath(file) for file in files])
        names = distinct_names(list(found))
        return [RemoteCase(names[path], self._whole(str(path)), is_dicom) for path, is_dicom in found.items()]

    def _whole(self, path: str) -> str:
        """The address of a path of this storage; those of the web are addresses, of which `PurePath` drops a slash."""
        return self.system.unstrip_protocol(re.sub(r"^(https?):/(?!/)", r"\1://", path))

    def fingerprint(self) -> dict:
        """As `batch.folder.fingerprint`; what changes with the content is what the storage tells (a checksum, or its
        time)."""
        with _told(self.address, InputError):
            listed = self.system.find(self.path, detail=True)
            # A web server's list tells nothing of its files.
            details = {
                file: entry if entry.get("size") is not None else self.system.info(file)
                for file, entry in listed.items()
            }
        marks = [f"{file} {_mark(entry)}" for file, entry in sorted(details.items())]
        return {
            "path": self.address,
            "files": len(details),
            "bytes": sum(entry["size"] or 0 for entry in details.values()),
            "content": hashlib.sha256("\n".join(marks).encode()).hexdigest(),
        }

    @contextlib.contextmanager
    def fetched(self) -> Iterator[Path]:
        """A copy on this computer, for the time of the block. Raises InputError."""
        with tempfile.TemporaryDirectory(prefix="livertumor-") as folder:
            copy = Path(folder, PurePosixPath(self.path).name)
            with _told(self.address, InputError):
                if self.system.isfile(self.path):
                    self.system.get_file(self.path, str(copy))
                else:
                    self.system.get(self.path + "/", str(copy) + "/", recursive=True)
            yield copy

    def summary(self, name: str) -> dict | None:
        """The summary of a case whose results are here whole; None otherwise."""
        folder = f"{self.path}/{name}"
        try:
            summary = as_summary(json.loads(self.system.cat_file(f"{folder}/{SUMMARY}")))
            if summary is None:
                return None
            whole = all(
                self.system.size(f"{folder}/{file}") == entry["bytes"] for file, entry in summary["files"].items()
            )
        except (OSError, ValueError):
            return None
        return summary if whole else None

    def holds(self, name: str) -> bool:
        """Whether there is anything in the folder `name`, other than what was being written when a worker ended."""
        try:
            files = self.system.ls(f"{self.path}/{name}", detail=False)
        except OSError:
            return False
        return any(PurePosixPath(file).name == SUMMARY for file in files)

    def prepare(self) -> None:
        """Make this folder and see that it can be written, before any work is done. Raises OutputError."""
        with _told(self.address, OutputError):
            self.system.makedirs(self.path, exist_ok=True)
            self.system.pipe_file(f"{self.path}/{_PROBE}", b"")
            self.system.rm_file(f"{self.path}/{_PROBE}")

    def store(self, files: Sequence[Path], name: str = "") -> None:
        """Copy files here, or into the folder `name` here, the last of them last. Raises OutputError."""
        folder = f"{self.path}/{name}".rstrip("/")
        with _told(self.address, OutputError):
            self.system.makedirs(folder, exist_ok=True)
            for file in files:
                self.system.put_file(str(file), f"{folder}/{file.name}")


def _mark(entry: dict) -> str:
    """What a kind of storage (S3, Google, Azure, the web, a disk) tells of a file that changes with it."""
    return str(next((entry[key] for key in _MARKS if entry.get(key)), ""))


@contextlib.contextmanager
def _told(address: str, kind: type[InputError | OutputError]) -> Iterator[None]:
    """What the storage complains about in one sentence; its packages raise errors of many kinds."""
    try:
        yield
    except (InputError, OutputError):
        raise
    except Exception as error:
        verb = "written" if kind is OutputError else "read"
        raise kind(
            f"{address} cannot be {verb} ({error or type(error).__name__}); check the address and the rights."
        ) from error
