"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError

_TEMPORARY = re.compile(r"\.[0-9a-f]{12}(\.|$)")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` when the block ends well, and is removed
    otherwise.

    Missing folders are made. The temporary name keeps the ending (`.nii.gz`, `.seg.nrrd`), since writers choose the
    format by it. An existing `path` stays as it was until the new file is complete; whether it may be replaced is the
    caller's decision.

    Raises:
        OutputError: the file cannot be written (permission, no space, name taken by a folder, ...); also for OSErrors
        of the block.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.urandom(6).hex()}{''.join(path.suffixes[-2:])}")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "there is a folder of that name")
        path.parent.mkdir(parents=True, exist_ok=True)
        open(temporary, "xb").close()  # tells permission from space: some writers (SimpleITK) do not
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # a full disk may show only now
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {_reason(error)}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def holds_nothing(folder: Path) -> bool:
    """Whether a folder is empty, but for what `atomic_path` leaves there where its process is killed."""
    return set(folder.iterdir()) == set(_unfinished(folder))


def remove_unfinished(folder: Path) -> None:
    """Remove what `atomic_path` has left in a folder, if there is one, where its process was killed."""
    for path in _unfinished(folder):
        path.unlink()


def printable(path: str | Path) -> str:
    """A path as text that can be written; what is not UTF-8 in it (a name from an old archive) is shown as a question
    mark."""
    return os.fsencode(path).decode("utf-8", "replace")


def _unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.glob(".*") if _TEMPORARY.match(path.name)]


def _reason(error: OSError) -> str:
    """What went wrong and what to do, as half a sentence."""
    # NumPy says how much of an array it could write, and no number of an error.
    is_cut_short = error.errno is None and "requested and" in str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or is_cut_short:
        return "there is no space left; free some or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission, or another program has it open; choose another folder"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "a part of its folder's name is a file; choose another folder"
    return f"{error.strerror or error}; choose another file name or folder"
