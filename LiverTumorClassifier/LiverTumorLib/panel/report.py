"""The part of the segmentation panel that writes reports: a PDF, DICOM objects for a folder, Slicer's database or a
node."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ..mrml.case_nodes import CaseNodes
from ..mrml.dicom_database import add_to_database, check_database, dicom_problem
from ..mrml.dicom_node import NodeAddress, destination_of
from ..mrml.report import start_report
from .files import ask_folder, ask_path
from .node_dialog import ask_node
from .run_control import RunControl


class ReportPart:
    """Four buttons that each start a run, which makes the files.

    Args:
        ui: the panel's widgets: `reportButton`, `dicomButton`, `databaseButton`, `nodeButton`, `patientCheckBox`.
        run: the panel's run control.
        offer_drawing: offers to install what draws the page, where it is missing. Raises RequirementError.
    """

    def __init__(self, ui, run: RunControl, offer_drawing: Callable[[], None]) -> None:
        self._ui = ui
        self._run = run
        self._offer_drawing = offer_drawing
        self._segmentation = self._ct = None
        ui.reportButton.connect("clicked(bool)", self._save_page)
        ui.dicomButton.connect("clicked(bool)", self._save_dicom)
        ui.databaseButton.connect("clicked(bool)", self._store)
        ui.nodeButton.connect("clicked(bool)", self._send)

    def show(self, segmentation, ct) -> None:
        """Bring the part up to date with the chosen segmentation and its CT."""
        self._segmentation, self._ct = segmentation, ct
        ready = segmentation is not None and ct is not None and not self._run.running
        problem = dicom_problem(ct)
        self._ui.reportButton.enabled = ready
        tips = {
            self._ui.dicomButton: _("Write segmentation, structured report and page as DICOM files into a folder."),
            self._ui.databaseButton: _("Store segmentation, structured report and page in Slicer's DICOM database."),
            self._ui.nodeButton: _("Send segmentation, structured report and page to a DICOM node or DICOMweb server."),
            self._ui.patientCheckBox: _("Say on the page who the patient is, as the DICOM images do."),
        }
        for widget, tip in tips.items():
            widget.enabled = ready and not problem
            widget.toolTip = problem or tip

    def _save_page(self, checked: bool = False) -> None:
        if path := ask_path(self._ct, _("Report"), "report.pdf", "PDF (*.pdf)"):
            self._start(_("Written: {path}").format(path=path), page=path)

    def _save_dicom(self, checked: bool = False) -> None:
        if folder := ask_folder(_("Folder for the DICOM files")):
            self._start(_("Written to {path}").format(path=folder), folder=folder)

    def _store(self, checked: bool = False) -> None:
        self._start(_("Stored in Slicer's DICOM database."), to_database=True)

    def _send(self, checked: bool = False) -> None:
        if node := ask_node():
            self._start(_("Sent to {address}.").format(address=node.address.strip()), node=node)

    def _start(
        self,
        done: str,
        page: Path | None = None,
        folder: Path | None = None,
        to_database: bool = False,
        node: NodeAddress | None = None,
    ) -> None:
        """Write a page, or DICOM objects with a page: into a folder, or for the database or a node."""
        patient = not dicom_problem(self._ct) and bool(self._ui.patientCheckBox.checked)
        segmentation, ct = self._segmentation, self._ct
        # Holds what is no file of the user's; gone with the last reference to it, whatever becomes of the run.
        scratch = tempfile.TemporaryDirectory(prefix="livertumor-report-")

        def launch(progress, finished):
            target = folder
            if to_database:
                check_database()
            destination = destination_of(node) if node is not None else None
            self._offer_drawing()
            if to_database or node is not None:
                target = Path(scratch.name) / "objects"
                target.mkdir()
            drawn = page or Path(scratch.name) / "page.pdf"
            receivers = (progress, finished)
            return start_report(
                segmentation, ct, receivers, page=drawn, folder=target, destination=destination, patient=patient
            )

        def show(nodes: CaseNodes) -> str:
            if to_database:
                add_to_database(Path(scratch.name) / "objects")
            scratch.cleanup()
            return done

        self._run.start(launch, show)
