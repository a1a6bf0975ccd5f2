"""Report and sending from the panel: a PDF where the user wants it, DICOM objects in a folder or Slicer's database."""

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("highdicom", reason="highdicom is not installed")
pytest.importorskip("matplotlib", reason="the page needs matplotlib")

import pydicom
import slicer
from dicom_scene import analyzed_study
from mrml_scene import GRIDS, add_ct
from panel_tools import apply, spin, use_task
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def panel(app, monkeypatch, tmp_path):
    return analyzed_study(monkeypatch, tmp_path)


def wait(panel) -> str:
    """Wait for the end of the run; what the panel says then."""
    assert panel.run.running, panel.ui.statusLabel.text
    assert not panel.ui.reportButton.enabled
    spin(lambda: not panel.run.running)
    return panel.ui.statusLabel.text


def modalities(folder) -> set[str]:
    return {pydicom.dcmread(file).Modality for file in folder.glob("*.dcm")}


def test_a_report_is_saved_where_the_user_wants_it(panel, tmp_path, monkeypatch):
    import qt  # the stand-in's, which comes with the application

    path = tmp_path / "signed"
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: str(path), raising=False)
    panel.ui.reportButton.click()
    assert wait(panel) == f"Written: {path}.pdf"
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert not panel.ui.patientCheckBox.checked, "the patient is named only where somebody has asked for it"


def test_results_go_to_the_database_with_their_page(panel, tmp_path):
    panel.ui.databaseButton.click()
    assert wait(panel) == "Stored in Slicer's DICOM database."
    assert modalities(tmp_path / "database") == {"SEG", "SR", "DOC"}


def test_results_go_to_a_folder(panel, tmp_path, monkeypatch):
    import qt  # the stand-in's, which comes with the application

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"), raising=False)
    panel.ui.dicomButton.click()
    assert wait(panel) == f"Written to {tmp_path / 'out'}"
    assert modalities(tmp_path / "out") == {"SEG", "SR", "DOC"}
    assert not (tmp_path / "database").exists()


def test_without_a_database_there_is_a_sentence(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    monkeypatch.setattr(slicer.dicomDatabase, "isOpen", False)
    panel.ui.databaseButton.click()
    spin(lambda: not panel.run.running)
    assert shown == ["Slicer has no DICOM database open; open the DICOM module once, which makes one."]


def test_a_ct_that_is_not_from_dicom_has_a_report_only(app, monkeypatch):
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    add_ct(slicer.mrmlScene, GRIDS["axial"])
    panel = application.open_module(NAME).panel
    assert not panel.ui.reportButton.enabled
    apply(panel)
    assert panel.ui.reportButton.enabled
    for widget in (panel.ui.dicomButton, panel.ui.databaseButton, panel.ui.nodeButton, panel.ui.patientCheckBox):
        assert not widget.enabled and "not loaded from DICOM" in widget.toolTip
