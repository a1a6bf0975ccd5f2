"""Put a bundle into the user's folder of models, from where all modules and the command line list it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from ..errors import ModelError, OutputError
from .bundle import Bundle, load_bundle
from .catalogue import list_bundles, user_folder


def install_bundle(folder: str | Path, overwrite: bool = False) -> Bundle:
    """Copy a bundle to where the user's models lie, an update of the extension leaves them alone; it appears there
    whole or not at all.

    Args:
        folder: the bundle.
        overwrite: let it take the place of an installed one of the same id.

    Raises:
        ModelError: no bundle there, or a damaged one.
        OutputError: one of that id is installed already, or the user's folder cannot be written.
    """
    bundle = load_bundle(folder)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", bundle.id):  # it becomes a folder's name
        raise ModelError(
            f"{bundle.folder}: '{bundle.id}' cannot be a model's id; use letters, digits, '-', '_' and '.' only."
        )
    bundle.verify()
    place = user_folder() / bundle.id
    present = [place] if place.exists() else [each.folder for each in list_bundles() if each.id == bundle.id]
    if present and not overwrite:
        raise OutputError(
            f"A model '{bundle.id}' is installed already, in {present[0]}; replace it, or give the new one another "
            "name."
        )
    try:
        user_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=user_folder()) as scratch:
            shutil.copytree(bundle.folder, Path(scratch) / "new")
            if place.exists():
                os.rename(place, Path(scratch) / "old")
            try:
                os.rename(Path(scratch) / "new", place)
            except OSError:
                if (Path(scratch) / "old").exists():
                    os.rename(Path(scratch) / "old", place)
                raise
    except OSError as error:
        raise OutputError(
            f"{user_folder()} cannot be written: {error.strerror or error}; LIVERTUMOR_MODELS names another folder."
        ) from error
    return load_bundle(place)
