"""Installs a model for the other modules, and asks before it takes the place of another."""

from __future__ import annotations

from pathlib import Path

import slicer
from LiverTumorLib.models.bundle import Bundle, load_bundle
from LiverTumorLib.models.catalogue import list_bundles
from LiverTumorLib.models.install import install_bundle
from slicer.i18n import tr as _


def install_asking(folder: Path) -> Bundle | None:
    """Install a bundle; None where the user keeps the one of that id that is there. Raises LiverTumorError."""
    new = load_bundle(folder)
    present = next((bundle for bundle in list_bundles() if bundle.id == new.id), None)
    if present is not None:
        text = _("There is a model '{id}' already, version {version}, in {folder}. Replace it with the new one?")
        if not slicer.util.confirmOkCancelDisplay(
            text.format(id=new.id, version=present.manifest.version, folder=present.folder)
        ):
            return None
    return install_bundle(folder, overwrite=present is not None)
