"""Files that a worker reads itself: native readers crash, hang or swell on damaged and crafted files, and then only the
worker ends.

What reading may take is bounded where the system can do it (POSIX): memory by MEMORY_BASE and MEMORY_FACTOR, computing
time by CPU_BASE_S and CPU_S_PER_MB, both by the size of the files.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..atomic import printable
from ..errors import ReaderError
from ..files.kinds import ITK_ENDINGS, NIFTI_ENDINGS
from ..files.opening import openings_told

# Bytes, and bytes for each byte of the files; a packed CT grows tenfold, and is held twice.
MEMORY_BASE, MEMORY_FACTOR = 3 << 30, 40
CPU_BASE_S, CPU_S_PER_MB = 10, 2.0
READ_CT = "LiverTumorLib.files:read_ct"


@dataclass(frozen=True)
class Source:
    """What a worker reads instead of being given a volume.

    Raises ValueError or TypeError for what is none.

    Attributes:
        arguments: of the reader: texts or None, the first a path; absolute paths among them are what is read.
        reader: "module:function", called with the arguments, answering with what the task takes as its volume.
        name: what the volume is called; None leaves the reader's own.
    """

    arguments: tuple[str | None, ...]
    reader: str = READ_CT
    name: str | None = None

    @property
    def path(self) -> str:
        """The first argument."""
        return str(self.arguments[0])

    def __post_init__(self) -> None:
        check_entry(self.reader)
        if not all(isinstance(text, str | None) for text in (*self.arguments, self.name)) or not any(
            self.arguments[:1]
        ):
            raise TypeError("the arguments of a reader are not texts that begin with a path")


def check_entry(entry: str) -> None:
    """Raises ValueError or TypeError for what does not have the form "module:function"."""
    if not re.fullmatch(r"[\w.]+:\w+", entry):
        raise ValueError(f"{entry!r} names no function")


def find(entry: str) -> Callable[..., Any]:
    """The function that "module:function" names."""
    module, _, function = entry.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def read_source(source: Source, tell: Callable[[str | None], None]) -> Any:
    """Read within bounds; `tell` hears which file a native reader opens, and None when all is read.

    Raises InputError, also where the bounds do not suffice, and what else the reader raises.
    """
    paths = [Path(text) for text in source.arguments if text and os.path.isabs(text)]
    tell(printable(source.path))
    with openings_told(tell), bounded(*paths):
        volume = find(source.reader)(*source.arguments)
    tell(None)
    return volume if source.name is None else replace(volume, name=source.name)


@contextlib.contextmanager
def bounded(*paths: Path) -> Iterator[None]:
    """Within the block this process may use no more memory and computing time than the files can need.

    Raises ReaderError where it runs out of memory; out of time it is ended by SIGXCPU.
    """
    size = sum(map(_bytes_at, paths))
    try:
        with _limits(MEMORY_BASE + MEMORY_FACTOR * size, CPU_BASE_S + CPU_S_PER_MB * size / 1e6):
            yield
    except MemoryError:
        raise ReaderError(
            f"{printable(paths[0])} cannot be read in the memory there is; where its size does not explain that, it is "
            "damaged, so copy or export it again."
        ) from None


@contextlib.contextmanager
def _limits(memory: int, cpu_s: float) -> Iterator[None]:
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    wanted = {resource.RLIMIT_AS: _address_space() + memory, resource.RLIMIT_CPU: int(time.process_time() + cpu_s) + 1}
    before = {kind: resource.getrlimit(kind) for kind in wanted}
    for kind, (soft, hard) in before.items():
        given = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
        with contextlib.suppress(OSError, ValueError):  # a bound that the system does not know
            resource.setrlimit(kind, (min([wanted[kind], *given]), hard))
    try:
        yield
    finally:
        for kind, limits in before.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(kind, limits)


def memory_limit() -> int | None:
    """Bytes of address space that whoever has started this process lets it have; None where there is no bound."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _address_space() -> int:
    """Bytes of address space in use; a generous guess where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 4 << 30


def _bytes_at(path: Path) -> int:
    total = 0
    for file in files_of(path, is_dicom=not path.name.lower().endswith(NIFTI_ENDINGS + ITK_ENDINGS)):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def files_of(path: Path, is_dicom: bool) -> list[Path]:
    """The files that belong to an input; none where it cannot be read.

    Args:
        path: file or folder.
        is_dicom: the others in the folder of a DICOM file belong to it.
    """
    if os.path.isdir(path):
        return [
            Path(place, name)
            for place, _, names in os.walk(path)
            for name in names
            if os.path.isfile(os.path.join(place, name))
        ]
    if not os.path.isfile(path):
        return []
    if is_dicom:
        return [file for file in path.parent.iterdir() if file.is_file()]
    if not path.name.lower().endswith(ITK_ENDINGS):
        return [path]
    from ..files.text_header import data_file

    data = data_file(path)
    return [path, *([data] if data != path and os.path.isfile(data) else [])]
