"""What `--cluster` needs beyond the library."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import RequirementError

_PACKAGES = ("dask", "distributed", "fsspec", "pyarrow")


def require_dask() -> None:
    """Raises RequirementError where a package of the extra `cluster` is not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise RequirementError(f"--cluster needs {', '.join(missing)}: pip install 'livertumor[cluster]'.")
