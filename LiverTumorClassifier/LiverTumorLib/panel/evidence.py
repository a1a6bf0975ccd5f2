"""The overlay of where the slice classifier sees tumor: made by a run, taken away again by the same button."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.case_nodes import CaseNodes
from ..mrml.evidence import evidence_of, remove_evidence
from ..mrml.scans import show_scan
from .messages import errors_shown
from .run_control import RunControl

if TYPE_CHECKING:
    from .run_control import Launch


class EvidenceOverlay(VTKObservationMixin):
    """A button that is down while the chosen CT has its map.

    Args:
        ui: the panel's widgets, with `evidenceButton` (checkable).
        parameters: gives the parameter node as it is now, or None.
        run: the panel's run control, which makes the map.
        launch: starts the run.
    """

    def __init__(self, ui, parameters: Callable, run: RunControl, launch: Launch) -> None:
        VTKObservationMixin.__init__(self)
        self._button = ui.evidenceButton
        self._parameters = parameters
        self._run = run
        self._launch = launch
        self._problem = ""
        self._followed = None
        self._button.connect("clicked(bool)", self._on_button)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_node_removed)

    @property
    def _ct(self):
        parameters = self._parameters()
        return parameters.inputVolume if parameters is not None else None

    def show(self, problem: str) -> None:
        """Bring the button up to date; `problem` says why no map can be made now, "" when it can."""
        self._problem = problem
        shown = evidence_of(self._ct) is not None
        self._follow(self._ct if shown else None)
        self._button.checked = shown
        self._button.enabled = not self._run.running and (shown or not problem)
        self._button.toolTip = problem or _(
            "Color the places that make the network suspect tumor, in all axial slices, from dark red (just "
            "suspicious) to yellow (sure). The map is coarse: it says where to look, not where a lesion ends. Its "
            "threshold is the slices' (change it in Volumes)."
        )

    def _follow(self, ct) -> None:
        """A map is wrong when its CT has changed, as when another frame of a sequence is shown."""
        if ct is not self._followed:
            if self._followed is not None:
                self.removeObserver(self._followed, self._followed.ImageDataModifiedEvent, self._on_ct_changed)
            if ct is not None:
                self.addObserver(ct, ct.ImageDataModifiedEvent, self._on_ct_changed)
            self._followed = ct

    def _on_ct_changed(self, caller, event) -> None:
        remove_evidence(caller)
        self.show(self._problem)

    def _on_button(self, checked: bool) -> None:
        if checked:
            self._run.start(self._launch, self._show_map)
            self._button.checked = False  # until the map is there
        else:
            with errors_shown(_("The map could not be removed."), lambda text: None):
                remove_evidence(self._ct)

    def _show_map(self, nodes: CaseNodes) -> str:
        # Another one may have been chosen meanwhile.
        if self._ct is not None and evidence_of(self._ct) is nodes.evidenceVolume:
            show_scan(self._ct)
        return _("The colored places make the network suspect tumor.")

    def _on_node_removed(self, caller, event) -> None:
        if self._button.checked and evidence_of(self._ct) is None:
            self.show(self._problem)
