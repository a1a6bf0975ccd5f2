"""The folder of a job: private, in the temporary folder, removed by whoever is left to do it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from ..errors import OutputError
from ..files.held import HeldFolder, remove_abandoned

_PREFIX = "livertumor-job-"


def new_job_folder() -> HeldFolder:
    """A folder of mode 0700; the first of a process also clears away those that killed processes have left.

    Raises OutputError where none can be made.
    """
    try:
        _clear(tempfile.gettempdir())
        return HeldFolder(Path(tempfile.mkdtemp(prefix=_PREFIX)))
    except OSError as error:
        raise OutputError(
            f"No temporary folder can be made for the run: {error.strerror or error}; free some space there."
        ) from error


@functools.cache
def _clear(place: str) -> None:
    remove_abandoned(Path(place), f"{_PREFIX}*")
