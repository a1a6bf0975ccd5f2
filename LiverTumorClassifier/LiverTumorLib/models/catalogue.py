"""Which models there are: those shipped with the library and those the user has installed or trained."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import ModelError
from .bundle import MANIFEST, Bundle, load_bundle

SHIPPED = Path(__file__).parent / "shipped"


def user_folder() -> Path:
    """Where users' bundles lie: LIVERTUMOR_MODELS, or a folder of the user's that survives updates of the extension."""
    chosen = os.environ.get("LIVERTUMOR_MODELS")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "LiverTumor" / "models"


def bundle_folders() -> list[Path]:
    """Folders that hold a manifest, the user's first: a user's bundle stands before a shipped one of the same id."""
    found = []
    for place in (user_folder(), SHIPPED):
        if place.is_dir():
            found += sorted(folder for folder in place.iterdir() if (folder / MANIFEST).is_file())
    return found


def list_bundles() -> list[Bundle]:
    """All readable bundles; unreadable ones are left out (`get_bundle` says what is wrong with them)."""
    bundles: dict[str, Bundle] = {}
    for folder in bundle_folders():
        try:
            bundle = load_bundle(folder)
        except ModelError:
            continue
        bundles.setdefault(bundle.id, bundle)
    return list(bundles.values())


def is_path(id_or_folder: str | Path) -> bool:
    """Whether a folder is meant, and no id: text only where it has a separator, so that no folder that happens to lie
    in the current one takes the place of the model that was meant."""
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    return isinstance(id_or_folder, Path) or any(separator in id_or_folder for separator in separators)


def get_bundle(id_or_folder: str | Path) -> Bundle:
    """The bundle with that id, or the one in that folder; see `is_path`.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    if is_path(id_or_folder):
        return load_bundle(id_or_folder)
    for folder in bundle_folders():
        try:
            bundle = load_bundle(folder)
        except ModelError:
            if folder.name == str(id_or_folder):
                raise  # rather than take a shipped one of that name in silence
            continue
        if bundle.id == str(id_or_folder):
            return bundle
    known = ", ".join(bundle.id for bundle in list_bundles()) or "none"
    hint = (
        f" The folder of that name here is meant by {os.path.join(os.curdir, id_or_folder)}."
        if os.path.isdir(id_or_folder)
        else ""
    )
    raise ModelError(f"Model '{id_or_folder}' is not installed; installed models: {known}.{hint}")
