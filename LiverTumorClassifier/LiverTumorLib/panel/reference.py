"""The part of the segmentation panel that compares the result with a reference: its segments, and the agreement."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.comparison import Agreement, Comparison, comparing
from ..mrml.segmentations import Meant, known_segments
from ..records.results import LIVER, TUMOR
from .run_control import RunControl

_WATCHED = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")


class ReferencePart(VTKObservationMixin):
    """Chooses the segments of the reference that are known, and lets the user choose others.

    Args:
        ui: the panel's widgets: `referenceSelector`, `referenceLiverBox`, `referenceTumorBox` with their labels,
        `compareButton` and
            `comparisonLabel`.
        run: the panel's run control, which compares.
        offer_distances: offers to install what measures surface distances, where it is missing.
    """

    def __init__(self, ui, run: RunControl, offer_distances: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._run = run
        self._offer_distances = offer_distances
        self._nodes: tuple = (None, None, None)
        self._boxes = {LIVER: ui.referenceLiverBox, TUMOR: ui.referenceTumorBox}
        self._choices: dict[int, list[list[str]]] = {LIVER: [[]], TUMOR: [[]]}
        ui.compareButton.connect("clicked(bool)", self._compare)
        for box in self._boxes.values():
            box.connect("currentIndexChanged(int)", self._on_chosen)
        self.show(None, None, None)

    def show(self, segmentation, ct, reference) -> None:
        """Bring the part up to date; a text that speaks of other nodes, or of what they no longer hold, goes."""
        nodes = (segmentation, ct, reference if reference is not segmentation else None)
        self._show_ready(nodes)
        if nodes == self._nodes and reference is not None:
            return
        self.removeObservers()
        self._nodes = nodes
        for node in {segmentation, nodes[2]} - {None}:
            for event in _WATCHED:
                self.addObserver(node.GetSegmentation(), getattr(node.GetSegmentation(), event), self._on_changed)
        self._fill()

    @property
    def meant(self) -> Meant:
        """The segments of the reference that are chosen."""
        chosen = {label: self._choices[label][max(0, box.currentIndex)] for label, box in self._boxes.items()}
        return {label: identifiers for label, identifiers in chosen.items() if identifiers}

    def _on_changed(self, caller, event) -> None:
        self._fill(self.meant)

    def _fill(self, chosen: Meant | None = None) -> None:
        """Offer the segments of the reference; those that are `chosen` stay so, else the known ones are."""
        reference = self._nodes[2]
        names: dict[str, str] = {}
        known: Meant = {}
        if reference is not None:
            segmentation = reference.GetSegmentation()
            names = {each: segmentation.GetSegment(each).GetName() for each in segmentation.GetSegmentIDs()}
            known = known_segments(reference)
        for label, box in self._boxes.items():
            several = [known[label]] if len(known.get(label, ())) > 1 else []
            choices = [[], *several, *([each] for each in names)]
            wanted = (chosen or known).get(label, [])
            wasBlocked = box.blockSignals(True)
            box.clear()
            for choice in choices:
                box.addItem(", ".join(names[each] for each in choice) or _("none"))
            box.setCurrentIndex(choices.index(wanted) if wanted in choices else 0)
            box.blockSignals(wasBlocked)
            self._choices[label] = choices
        for part in (*self._boxes.values(), self._ui.referenceLiverLabel, self._ui.referenceTumorLabel):
            part.visible = reference is not None
        self._on_chosen()

    def _on_chosen(self, index: int = -1) -> None:
        self._tell("")
        self._show_ready(self._nodes)
        if None not in self._nodes and not self.meant:
            self._tell(_("No name in the reference is a known one; choose which segments are liver and tumor."))

    def _show_ready(self, nodes: tuple) -> None:
        self._ui.compareButton.enabled = None not in nodes and bool(self.meant) and not self._run.running

    def _tell(self, text: str) -> None:
        self._ui.comparisonLabel.text = text
        self._ui.comparisonLabel.visible = bool(text)

    def _compare(self, checked: bool = False) -> None:
        self._offer_distances()
        nodes, meant = self._nodes, self.meant
        segmentation, ct, reference = nodes

        def show(found: Comparison) -> str:
            if self._nodes == nodes:
                self._tell(_comparison_text(found))
            return ""

        self._run.compute(
            lambda: comparing(segmentation, reference, ct, meant),
            _("Comparing the segmentations"),
            _("The segmentations could not be compared."),
            show,
        )


def _comparison_text(found: Comparison) -> str:
    lines = [_agreement_text(_("Liver"), found.liver), _agreement_text(_("Tumor"), found.tumor)]
    if (lesions := found.lesions) is not None:
        lines.append(
            _("Lesions of the reference: {total}, found {found}, missed {missed}; extra ones: {extra}").format(
                total=len(lesions.lesions), found=lesions.found, missed=lesions.missed, extra=lesions.extra
            )
        )
    return "\n".join(lines)


def _agreement_text(name: str, agreement: Agreement | None) -> str:
    if agreement is None:
        return _("{name}: no segment of the reference is chosen for it.").format(name=name)
    distance = _("needs the package surface-distance") if agreement.hd95_mm is None else f"{agreement.hd95_mm:.1f} mm"
    return _("{name}: Dice {dice:.3f}, HD95 by area {hd95}").format(name=name, dice=agreement.dice, hd95=distance)
