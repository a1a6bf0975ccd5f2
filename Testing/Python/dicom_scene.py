"""A DICOM study as Slicer has loaded it: its volume node, the database that knows its files, and the parts of Slicer's
DICOMLib that are used.

With Slicer 5.12.3's own DICOMProcesses.py in place of `DICOMCommand`, test_panel_send.py was run too.
"""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import pydicom
import slicer
from LiverTumorLib.mrml import ct_to_node
from study_writer import found_in, write_study


class Database:
    """Slicer's, as far as it is asked; what is imported is copied to `stored`."""

    isOpen = True

    def __init__(self, stored: Path) -> None:
        self.files: dict[str, str] = {}
        self.stored = stored

    def fileForInstance(self, uid: str) -> str:
        return self.files.get(uid, "")


class DICOMCommand:
    """Slicer's, as far as it is asked: where a program of DCMTK lies, and what it needs for TLS."""

    def __init__(self, cmd: str, args: list[str]) -> None:
        found = shutil.which(cmd)
        if found is None:
            raise UserWarning("Could not find a valid path to DICOM helper applications")
        self.executable = found
        self.tlsSettingsKeyPrefix = None

    def tlsArguments(self) -> list[str]:
        """Slicer raises where nobody has said whose certificates are meant."""
        assert self.tlsSettingsKeyPrefix == "Client"
        return []


def open_database(monkeypatch, stored: Path) -> Database:
    """Let Slicer have an open database, and its own function that imports into it."""
    database = Database(stored)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)

    def importDicom(dicomDataDir, dicomDatabase=None, copyFiles=False):
        assert isinstance(dicomDataDir, str) and copyFiles, "the folder goes when it is stored"
        shutil.copytree(dicomDataDir, stored, dirs_exist_ok=True)
        return True

    auth = types.SimpleNamespace(username="reader", password="secret")
    utils = types.SimpleNamespace(importDicom=importDicom, getGlobalDICOMAuth=lambda: auth)
    library = types.SimpleNamespace(DICOMUtils=utils, DICOMCommand=DICOMCommand)
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    return database


def load_study(folder: Path, database: Database | None, **tags):
    """Write a study and load it: the volume node, and what a run finds in it."""
    volume, output = found_in(write_study(folder, **tags))
    output.result.models = [{**model, "threshold": 0.5} for model in output.result.models]
    ct = ct_to_node(volume, slicer.mrmlScene)
    uids = []
    for file in volume.images:
        uids.append(str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID))
        if database is not None:
            database.files[uids[-1]] = file
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
    return ct, output


def analyzed_study(monkeypatch, folder: Path):
    """The segmentation panel with results on a CT from DICOM, which Slicer's database knows; what it is given to store
    lies in `database`."""
    from panel_tools import apply, use_task  # which want the application
    from slicer_standin import application

    use_task(monkeypatch, "segment", "mrml_tasks:segment_with_maps")
    load_study(folder / "study", open_database(monkeypatch, folder / "database"), PatientID="P7")
    panel = application.open_module("LiverSegmentationMobileUNet").panel
    apply(panel)
    return panel
