"""Whether a Python can train, found out by trying: `python -m CompressionTrainerLib.environment.probe` loads what
training needs.

Speaks the job protocol, with nothing but the standard library, since that may be all the Python has.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# By the names they are imported by, with the names they are installed by.
PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "nibabel": "nibabel",
    "SimpleITK": "SimpleITK",
    "pydicom": "pydicom",
    "sklearn": "scikit-learn",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "tensorflow": "tensorflow",
    "tf_keras": "tf-keras",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
    "surface_distance": "surface-distance",
}
if (sys.platform, platform.machine()) != ("darwin", "x86_64"):  # for which LiteRT does not exist
    PACKAGES["ai_edge_litert"] = "ai-edge-litert"
OLDEST = (3, 11)


def main() -> int:
    """Tell by events which versions were loaded, or in one sentence what is wrong; returns the exit code."""
    where = f"The Python {sys.executable}"
    if sys.version_info < OLDEST:
        return _fail(
            "UsageError",
            f"{where} is version {platform.python_version()}; the trainer needs 3.11 or newer, so choose another.",
        )
    missing = [package for name, package in PACKAGES.items() if find_spec(name) is None]
    if missing:
        return _fail(
            "RequirementError",
            f"{where} lacks {', '.join(missing)}; install the trainer's packages there, or choose another.",
        )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # tensorflow_model_optimization knows Keras 2 only
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except Exception as error:
            return _fail(
                "WorkerError",
                f"{where} cannot load {PACKAGES[name]} ({type(error).__name__}: {error}); choose another.",
            )
    versions = {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES.values()}}
    message = (
        f"Python {versions['python']}, TensorFlow {sys.modules['tensorflow'].__version__}, NumPy {versions['numpy']}"
    )
    _send(event="progress", stage="probe", fraction=0.0, message=message, remaining_s=None, versions=versions)
    _send(event="result", folder=".")
    return 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None  # another distribution gives the module, as tensorflow-cpu does


def _fail(kind: str, message: str) -> int:
    _send(event="error", kind=kind, message=message)
    return 1


def _send(**event: object) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main())
