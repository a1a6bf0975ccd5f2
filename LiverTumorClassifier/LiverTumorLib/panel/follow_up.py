"""The follow-up part of the segmentation panel: dates are compared, pairs and target lesions looked at and changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import Cancelled, InputError, OutputError, UsageError
from ..followup.byhand import choose_prior
from ..followup.recist import MOST_TARGETS, measurable_mm
from ..mrml.case_nodes import ct_of
from ..mrml.follow_up import (
    FOLLOW_UP_ROLE,
    DateNodes,
    Kept,
    choose,
    dates_of,
    is_outdated,
    kept_in,
    segmentation_of,
    start_follow_up,
    start_report,
)
from ..mrml.follow_up_plot import CHART_ROLE
from ..mrml.scans import show_scan
from ..mrml.study_facts import facts_of
from ..records.pairs import PairRow, pair_rows
from .follow_up_dates import DateRows
from .follow_up_text import COLUMNS, day, first_lesion, pair_record, response_text, targets_of
from .messages import confirmed, errors_shown
from .record_table import RecordTable
from .run_control import RunControl, RunTexts
from .side_by_side import SideBySide
from .timers import single_shot

_SETTLE_MS = 300  # a brush stroke is many changes of a segment
_WATCHED = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")


class FollowUpPart(VTKObservationMixin):
    """Compares the chosen CT with earlier ones, and shows what belongs to it.

    Args:
        ui: the panel's widgets.
        parameters: gives the parameter node as it is now, or None.
        install: asks for what drawing a page needs; raises RequirementError.
    """

    def __init__(self, ui, parameters: Callable, install: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._parameters = parameters
        self._install_page = install
        self._kept: Kept | None = None
        self._rows: list[PairRow] = []
        self._ct = self._node = None
        self._followed: list = []
        widgets = SimpleNamespace(
            applyButton=ui.compareDatesButton,
            progressBar=ui.followUpProgressBar,
            statusLabel=ui.followUpStatusLabel,
            logText=ui.logText,
        )
        self.run = RunControl(
            widgets, self._launch, self._show_results, self.show, _texts(), lambda node: _log(node), self._ask
        )
        self._dates = DateRows(ui.datesWidget, self.show, self._tell)
        self._views = SideBySide(ui, self._tell)
        self._table = RecordTable(ui.pairTable, COLUMNS, self._on_row, stretched=(2, 3, 4))
        self._settled = single_shot(_SETTLE_MS, self._show_notes)
        ui.addDateButton.connect("clicked(bool)", lambda checked: self._dates.add())
        ui.followUpIntervalBox.connect("currentIndexChanged(int)", lambda index: self._show_table())
        ui.priorLesionBox.connect("currentIndexChanged(int)", self._on_prior)
        ui.targetCheckBox.connect("clicked(bool)", self._on_target)
        ui.sideBySideButton.connect("clicked(bool)", lambda checked: self._show_pair(max(0, ui.pairTable.currentRow())))
        ui.oneDateButton.connect("clicked(bool)", self._show_one)
        ui.followUpPlotButton.connect("clicked(bool)", self._show_plot)
        ui.choicesButton.connect("clicked(bool)", lambda checked: self._choose(None, ()))
        ui.followUpReportButton.connect("clicked(bool)", self._save)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_closing)
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_removed)
        self._show_result()
        self.show()

    def cleanup(self) -> None:
        """The panel goes."""
        self.removeObservers()
        self._settled.stop()
        self._views.end()
        self.run.abandon()

    def show(self) -> None:
        """Bring everything up to date with the nodes."""
        parameters = self._parameters()
        ct = parameters.inputVolume if parameters is not None else None
        node = ct.GetNodeReference(FOLLOW_UP_ROLE) if ct is not None else None
        changed, self._ct = ct is not self._ct, ct
        self._dates.show(ct, self._segmentation)  # first: the current CT is not offered as an earlier one
        if changed:
            known: list[DateNodes] = []
            with suppress(InputError):  # which `_show_result` tells
                known = (dates_of(node) if node is not None else None) or []
            self._dates.choose([date for date in known if date.ct is not ct])
            self._tell("")
        self.run.set_ready(self._dates.problem)
        self._ui.addDateButton.enabled = not self.run.running
        if node is not self._node:
            self._node = node
            self._show_result()

    @property
    def _segmentation(self):
        """The segmentation of the chosen CT: the one that the panel shows, else its newest."""
        if self._ct is None:
            return None
        chosen = self._parameters().outputSegmentation
        return chosen if chosen is not None and ct_of(chosen) is self._ct else segmentation_of(self._ct)

    def _ask(self) -> None:
        """Two patients are compared only if they are one. Raises Cancelled."""
        if self._other_patient() and not confirmed(
            _("{one} and {other} are of different patients by their DICOM headers. Are they one person?").format(
                **self._other_patient()
            )
        ):
            self._tell(_("The dates were not compared, since they are of two patients."))
            raise Cancelled

    def _other_patient(self) -> dict[str, str]:
        """Two CT of different patients, by name; empty where there are none."""
        known = {facts_of(date.ct).patient: date.ct.GetName() for date in self._dates.dates}
        names = [name for patient, name in known.items() if patient]
        return {"one": names[0], "other": names[1]} if len(names) > 1 else {}

    def _launch(self, progress, finished):
        run = start_follow_up(
            self._ct,
            self._dates.dates,
            same_patient=True,  # or `_ask` would have stopped it
            threads=self._parameters().threads or None,
            progress=progress,
            finished=finished,
        )
        run.serve()
        return run

    def _show_results(self, node) -> str:
        if self._ct is not None and self._ct.GetNodeReference(FOLLOW_UP_ROLE) is node:
            self._node = node
            self._show_result()
        failed = [note for note in kept_in(node).result.notes if "could not be registered" in note]
        return " ".join(failed) or _("Done.")

    def _show_result(self) -> None:
        """Another result, or none."""
        self._kept = None
        if self._node is not None:
            with errors_shown(_("The follow-up could not be read."), self._tell):
                self._kept = kept_in(self._node)
        self._show_parts()
        self._follow()
        if self._kept is None:
            return
        studies = self._kept.result.studies
        box = self._ui.followUpIntervalBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        for before, now in zip(studies, studies[1:], strict=False):
            box.addItem(f"{day(before)} → {day(now)}")
        box.setCurrentIndex(len(studies) - 2)
        box.blockSignals(wasBlocked)
        box.visible = len(studies) > 2
        self._show_table()

    def _show_parts(self) -> None:
        """What is empty takes no room."""
        self._ui.followUpResultsWidget.visible = self._kept is not None
        self._ui.followUpProgressBar.visible = self.run.running

    def _follow(self) -> None:
        """Segments change without this part: in the Segment Editor, for one."""
        for node in self._followed:
            for source, event in _watched(node):
                self.removeObserver(source, event, self._on_segment)
        dates = (dates_of(self._node) if self._kept is not None else None) or []
        self._followed = [date.segmentation for date in dates]
        for node in self._followed:
            for source, event in _watched(node):
                self.addObserver(source, event, self._on_segment)

    def _on_segment(self, caller, event) -> None:
        self._settled.start()

    @property
    def _date(self) -> int:
        """The later one of the two dates that the table compares."""
        return max(0, self._ui.followUpIntervalBox.currentIndex) + 1

    def _show_table(self) -> None:
        kept = self._kept
        if kept is None:
            return
        chosen = self._rows[self._ui.pairTable.currentRow()] if self._is_chosen else None
        self._rows = pair_rows(kept.result, self._date)
        self._table.show([pair_record(row, kept) for row in self._rows])
        self._ui.pairTable.visible = bool(self._rows)
        self._ui.followUpResponseLabel.text = response_text(kept.result, self._date)
        again = [number for number, row in enumerate(self._rows) if chosen and _same_lesion(row, chosen)]
        self._table.select(again[0] if again else -1)
        self._show_choices()
        self._show_notes()

    def _show_notes(self) -> None:
        if self._kept is None:
            return
        notes = list(self._kept.result.notes)
        if is_outdated(self._node):
            notes.insert(0, _("Lesions have changed since the dates were compared; compare them again."))
        self._ui.followUpNotesLabel.text = "\n".join(notes)
        self._ui.followUpNotesLabel.visible = bool(notes)
        self._ui.choicesButton.enabled = self._kept.targets is not None or bool(self._kept.pairs)

    @property
    def _is_chosen(self) -> bool:
        return 0 <= self._ui.pairTable.currentRow() < len(self._rows)

    def _show_choices(self) -> None:
        """What can be said of the row that is chosen."""
        box, check = self._ui.priorLesionBox, self._ui.targetCheckBox
        row = self._rows[self._ui.pairTable.currentRow()] if self._is_chosen else None
        wasBlocked = box.blockSignals(True)
        box.clear()
        for prior in self._priors(row):
            box.addItem(self._prior_name(prior))
        current = (row.prior, row.prior_lesion) if row is not None and row.prior_lesion else None
        if row is not None and row.lesion:
            box.setCurrentIndex(self._priors(row).index(current))
        box.blockSignals(wasBlocked)
        box.enabled = row is not None and row.lesion is not None
        self._ui.priorLesionLabel.text = (
            _("Lesion {number} was:").format(number=row.lesion) if row is not None and row.lesion else _("It was:")
        )
        first = first_lesion(row, self._kept.result) if row is not None and self._kept is not None else None
        check.enabled = first is not None
        check.checked = first is not None and self._kept is not None and first in targets_of(self._kept)

    def _priors(self, row: PairRow | None) -> list[tuple[int, int] | None]:
        """What the lesion of a row may have been: new, a lesion of the date before, or what it is now."""
        if row is None or not row.lesion or self._kept is None:
            return []
        before = [(row.date - 1, lesion.id) for lesion in self._kept.result.studies[row.date - 1].lesions]
        linked = [(row.prior, row.prior_lesion)] if row.prior_lesion and row.prior < row.date - 1 else []
        return [None, *before, *linked]

    def _prior_name(self, prior: tuple[int, int] | None) -> str:
        if prior is None or self._kept is None:
            return _("new")
        study = self._kept.result.studies[prior[0]]
        return _("lesion {number} of {day} ({mm:.0f} mm)").format(
            number=prior[1], day=day(study), mm=study.lesion(prior[1]).longest_diameter_mm
        )

    def _on_prior(self, index: int) -> None:
        if not self._is_chosen or self._kept is None or index < 0:
            return
        row = self._rows[self._ui.pairTable.currentRow()]
        if not row.lesion:
            return
        prior = self._priors(row)[index]
        found = self._kept.result.found
        self._choose(self._kept.targets, choose_prior(found, self._kept.pairs, (row.date, row.lesion), prior))

    def _on_target(self, checked: bool) -> None:
        if not self._is_chosen or self._kept is None:
            return
        first = first_lesion(self._rows[self._ui.pairTable.currentRow()], self._kept.result)
        study, targets = self._kept.result.studies[0], targets_of(self._kept)
        with errors_shown(_("The target lesions could not be changed."), self._tell):
            if first is not None and checked:
                mm, least = study.lesion(first).longest_diameter_mm, measurable_mm(study.slice_mm)
                if mm < least:
                    raise UsageError(
                        _("Lesion {number} is {mm:.1f} mm long; a target lesion has {least:g} mm at least.").format(
                            number=first, mm=mm, least=least
                        )
                    )
                if len(targets) >= MOST_TARGETS:
                    raise UsageError(
                        _("RECIST 1.1 takes two target lesions of the liver at most; take one of the others out first.")
                    )
            others = [number for number in targets if number != first]
            self._choose([*others, first] if checked and first is not None else others, self._kept.pairs)
        self._show_choices()

    def _choose(self, targets, pairs) -> None:
        with errors_shown(_("The choice could not be kept."), self._tell):
            self._kept = choose(self._node, targets, pairs)
            self._tell("")
        self._show_table()

    def _on_row(self, number: int) -> None:
        self._show_choices()
        self._show_pair(number)

    def _show_pair(self, number: int) -> None:
        """Show the lesion of a row at both dates, each in the slice of its longest diameter."""
        dates = dates_of(self._node) if self._kept is not None else None
        if dates is None or self._kept is None or number >= len(self._rows):
            self._tell(_("A CT or segmentation of the follow-up is no longer in the scene; compare the dates again."))
            return
        with errors_shown(_("The lesion could not be shown."), self._tell):
            self._views.show(dates, self._rows[number], self._kept.result)

    def _show_one(self, checked: bool = False) -> None:
        self._views.end()
        if self._ct is not None:
            show_scan(self._ct, segmentation_node=self._segmentation)

    def _show_plot(self, checked: bool = False) -> None:
        chart = self._node.GetNodeReference(CHART_ROLE) if self._node is not None else None
        if chart is not None:
            slicer.modules.plots.logic().ShowChartInLayout(chart)

    def _save(self, checked: bool = False) -> None:
        import qt

        chosen = qt.QFileDialog.getExistingDirectory(None, _("Folder for the report"))
        if not chosen or self._node is None:
            return
        folder = Path(chosen) / re.sub(r'[<>:"/\\|?*]', "_", self._node.GetName())  # what Windows has no names with
        with errors_shown(_("The report could not be written."), self._tell):
            if folder.exists():
                raise OutputError(_("{path} exists already; choose another folder.").format(path=folder))
            self._install_page()
            self.run.start(
                lambda progress, finished: self._launch_report(folder, progress, finished),
                lambda path: _("Written to {path}").format(path=path),
            )

    def _launch_report(self, folder: Path, progress, finished):
        run = start_report(self._node, folder, progress=progress, finished=finished)
        run.serve()
        return run

    def _on_closing(self, caller, event) -> None:
        self._views.end()
        self.run.abandon()

    def _on_removed(self, caller, event) -> None:
        """Somebody may have deleted what is shown here."""
        if self._node is not None and self._node.GetScene() is None:
            self.show()

    def _tell(self, text: str) -> None:
        self._ui.followUpStatusLabel.text = text


def _same_lesion(row: PairRow, other: PairRow) -> bool:
    mine, its = ((each.date, each.lesion) if each.lesion else (each.prior, each.prior_lesion) for each in (row, other))
    return mine == its


def _watched(segmentation_node) -> list[tuple]:
    """What tells that lesions have changed, or what a user has said of them or measured by hand."""
    segmentation = segmentation_node.GetSegmentation()
    events = [(segmentation, getattr(segmentation, event)) for event in _WATCHED]
    return [*events, (segmentation_node, vtk.vtkCommand.ModifiedEvent)]


def _texts() -> RunTexts:
    return RunTexts(
        start=_("Compare dates"),
        start_tip=_("Register the livers, pair the lesions and compare them, in the background."),
        cancel_tip=_("Stop; the scene stays as it was."),
        starting=_("Starting..."),
        not_started=_("The comparison could not be started."),
        failed=_("The comparison failed."),
        stopped=_("Stopped; the scene is as it was."),
        ending=_("Bringing the results into the scene"),
    )


def _log(outcome) -> Iterator[str]:
    """Lines for the log: the notes of a comparison; a report has none."""
    if not isinstance(outcome, Path):
        yield from kept_in(outcome).result.notes
