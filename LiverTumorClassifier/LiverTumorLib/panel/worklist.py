"""The list of lesions in the segmentation panel: looked at, judged, deleted, merged and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..mrml.lesion_edits import deleting_lesions, merging_lesions, splitting_lesion
from ..mrml.scans import show_scan
from ..mrml.views import highlight, jump_to, mark_lesion, slice_nodes_of
from ..mrml.volumes import place_in_slice
from ..mrml.worklist import Row, follow_judgments, is_liver_changed, judge, worklist
from ..records.judgments import ACCEPTED, KINDS, REJECTED, Judgment
from .axes import AxesPart
from .messages import errors_shown
from .missed import MissedPart
from .record_table import RecordTable, Shown
from .run_control import RunControl
from .timers import single_shot

_SETTLE_MS = 300  # while somebody draws in the Segment Editor
_WATCHED = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")
_COLUMNS = (
    Shown("lesion", _("lesion"), "{}", _("1 was the largest lesion when the network had found it.")),
    Shown("state", _("state"), "{}", _("What is no longer as it was measured; Measure again brings it up to date.")),
    Shown("volume_ml", _("volume\n(ml)"), "{:.2f}", _("Volume in ml.")),
    Shown("longest_diameter_mm", _("long\naxis\n(mm)"), "{:.0f}", _("Longest axial diameter in mm, as in RECIST.")),
    Shown(
        "perpendicular_diameter_mm",
        _("short\naxis\n(mm)"),
        "{:.0f}",
        _("Longest diameter in mm across it, in the same slice."),
    ),
    Shown("axes_by_hand", _("by\nhand"), "{}", _("Which of the axes were drawn by hand; Reset axes takes them back.")),
    Shown("mean_hu", _("mean\n(HU)"), "{:.0f}", _("Mean CT value in HU.")),
    Shown(
        "distance_to_surface_mm", _("depth\n(mm)"), "{:.0f}", _("Shortest distance in mm to the surface of the liver.")
    ),
    Shown("mean_probability", _("proba-\nbility"), "{:.2f}", _("Mean tumor probability (0 to 1) of the network.")),
    Shown(
        "said",
        _("reader"),
        "{}",
        _("Accepted (\N{CHECK MARK}) or rejected (\N{BALLOT X}), what it is taken for, and a note."),
    ),
)
_READER = (len(_COLUMNS) - 1,)
_MARKS = {"": "", ACCEPTED: "\N{CHECK MARK}", REJECTED: "\N{BALLOT X}"}


class WorklistPart(VTKObservationMixin):
    """Shows the lesions of a segmentation, follows its segments, and changes them.

    Args:
        ui: the panel's widgets: `lesionTable`, `changedLabel`, those that judge and edit, and those of `MissedPart` and
            `AxesPart`.
        run: the panel's run control, which also does what takes a moment.
        work: what changes are made in, which shows their errors; called with the sentence for unexpected ones.
        tell: shows a line of text.
        changed: called when the figures have changed.
    """

    def __init__(
        self, ui, run: RunControl, work: Callable, tell: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        VTKObservationMixin.__init__(self)
        self._ui = ui
        self._run = run
        self._work = work
        self._tell = tell
        self._changed = changed
        self._segmentation = self._segments = self._ct = None
        self._rows: list[Row] = []
        self._liver_changed = False
        self._table = RecordTable(ui.lesionTable, _COLUMNS, self._on_row, stretched=_READER, several=True)
        self._axes = AxesPart(ui, work, self._on_axes)
        self._missed = MissedPart(ui, run, tell)
        self._settled = single_shot(_SETTLE_MS, self._refresh)
        for kind, title in zip(KINDS, _kind_titles(), strict=True):
            ui.kindBox.addItem(title, kind)
        ui.lesionTable.connect("itemSelectionChanged()", self._show_chosen)
        ui.acceptButton.connect("clicked(bool)", self._accept)
        ui.rejectButton.connect("clicked(bool)", self._reject)
        ui.kindBox.connect("activated(int)", self._on_kind)
        ui.noteEdit.connect("editingFinished()", self._on_note)
        ui.deleteButton.connect("clicked(bool)", self._delete)
        ui.mergeButton.connect("clicked(bool)", self._merge)
        ui.splitButton.connect("clicked(bool)", self._split)

    def cleanup(self) -> None:
        """The panel goes."""
        self._settled.stop()
        self.removeObservers()
        self._axes.removeObservers()
        self._missed.cleanup()

    def show(self, segmentation, ct) -> None:
        """Bring the list up to date with a segmentation, the chosen lesions stay so."""
        chosen = [_key(row) for row in self.chosen] if segmentation is self._segmentation else []
        self._follow(segmentation.GetSegmentation() if segmentation is not None else None)
        self._segmentation, self._ct = segmentation, ct
        self._rows = worklist(segmentation) if segmentation is not None else []
        self._liver_changed = segmentation is not None and is_liver_changed(segmentation)
        self._table.show([_record(row, segmentation, self._liver_changed) for row in self._rows])
        self._table.choose([number for number, row in enumerate(self._rows) if _key(row) in chosen])
        self._ui.lesionTable.visible = bool(self._rows)
        self._show_changed()
        self._axes.show(segmentation, ct)
        self._missed.show(segmentation, ct)
        self._show_chosen()

    def step(self, by: int) -> None:
        """Show the next lesion, or the one before."""
        self._table.step(by)

    def accept(self) -> None:
        """Accept the chosen lesions, or take that back."""
        self._judge_or_take_back(ACCEPTED)

    def reject(self) -> None:
        """Reject the chosen lesions, or take that back."""
        self._judge_or_take_back(REJECTED)

    @property
    def chosen(self) -> list[Row]:
        """The rows that are chosen."""
        return [self._rows[number] for number in self._table.chosen() if number < len(self._rows)]

    @property
    def _identifiers(self) -> list[str]:
        """The segments of the chosen lesions that still have one."""
        return [row.lesion.identifier for row in self.chosen if row.lesion is not None]

    def _follow(self, segments) -> None:
        """The Segment Editor and the console may change the segments; a browser of sequences puts others in their
        place."""
        if segments is self._segments:
            return
        self.removeObservers()
        self._segments = segments
        if segments is not None:
            for event in _WATCHED:
                self.addObserver(segments, getattr(segments, event), self._on_segments)
            self._settled.start()  # what is rejected in them is hidden when all nodes show the same frame

    def _on_segments(self, caller, event) -> None:
        self._settled.start()

    def _refresh(self) -> None:
        if self._segmentation is not None and self._segmentation.GetScene() is not None:
            follow_judgments(self._segmentation)
            self.show(self._segmentation, self._ct)

    def _show_changed(self) -> None:
        names = [_("the liver (its volume, the tumor burden, depths)")] if self._liver_changed else []
        names += [row.name for row in self._rows if row.is_changed]
        text = ""
        if names:
            text = _("Changed since measured: {names}. Press Measure again.").format(names=", ".join(names))
        elif self._rows and all(row.lesion is None for row in self._rows):
            text = _("From an earlier version: press Measure again, and each lesion becomes a segment to be judged.")
        self._ui.changedLabel.text = text
        self._ui.changedLabel.visible = bool(text)

    def _show_chosen(self) -> None:
        """Bring what judges and edits up to date with the chosen lesions."""
        ui, judgments = self._ui, [row.judgment for row in self.chosen if row.lesion is not None]
        count = len(judgments)
        for button in (ui.acceptButton, ui.rejectButton, ui.kindBox, ui.noteEdit):
            button.enabled = count > 0 and not self._run.computing
        idle = not self._run.running
        ui.deleteButton.enabled = count > 0 and idle
        ui.mergeButton.enabled, ui.splitButton.enabled = count > 1 and idle, count == 1 and idle
        for button, status in ((ui.acceptButton, ACCEPTED), (ui.rejectButton, REJECTED)):
            button.checked = count > 0 and all(judgment.status == status for judgment in judgments)
        alike = judgments[0] if count and len({(each.kind, each.note) for each in judgments}) == 1 else Judgment()
        ui.kindBox.setCurrentIndex(KINDS.index(alike.kind))
        if ui.noteEdit.text != alike.note and not ui.noteEdit.hasFocus():
            ui.noteEdit.text = alike.note

    def _on_row(self, number: int) -> None:
        """Show a lesion in the slice of its longest diameter, and what has been said of it."""
        self._show_chosen()
        segmentation, ct = self._segmentation, self._ct
        if number >= len(self._rows) or ct is None or segmentation.GetScene() is None:
            return
        row = self._rows[number]
        show_scan(ct, segmentation_node=segmentation)
        if not slice_nodes_of(ct):
            self._tell(_("No slice view shows {name}; choose it in one.").format(name=ct.GetName()))
        with errors_shown(_("The lesion could not be shown."), self._tell):
            lesion = row.figures
            if not lesion:  # it was never measured
                jump_to(ct, segmentation.GetSegmentCenterRAS(row.lesion.identifier))
            else:
                place = place_in_slice(ct, [lesion[f"centroid_{axis}"] for axis in "ras"], lesion["diameter_slice"])
                jump_to(ct, place)
                text = _("{name}: {ml:.1f} ml, {long:.0f} x {short:.0f} mm")
                name = row.name if row.lesion is not None and row.name else _("Lesion {id}").format(id=lesion["id"])
                long, short = lesion["longest_diameter_mm"], lesion["perpendicular_diameter_mm"]
                mark_lesion(segmentation, place, text.format(name=name, ml=lesion["volume_ml"], long=long, short=short))
                self._axes.show_lesion(lesion["id"])
            highlight(segmentation, row.lesion.identifier if row.lesion is not None else None)

    def _on_axes(self, number: int) -> None:
        """The axes of a lesion count otherwise now; the tables say so already."""
        self._changed()
        index = next(index for index, row in enumerate(self._rows) if row.figures.get("id") == number)
        self._table.select(index)
        self._on_row(index)
        figures = self._rows[index].figures
        text = _("Axes of lesion {id}: {long:.1f} x {short:.1f} mm")
        text += _(", measured by hand") if figures.get("axes_by_hand") else ""
        long, short = figures["longest_diameter_mm"], figures["perpendicular_diameter_mm"]
        self._tell(text.format(id=number, long=long, short=short))

    def _accept(self, checked: bool = False) -> None:
        self.accept()

    def _reject(self, checked: bool = False) -> None:
        self.reject()

    def _judge_or_take_back(self, status: str) -> None:
        judgments = [row.judgment for row in self.chosen if row.lesion is not None]
        self._judge(status="" if all(judgment.status == status for judgment in judgments) else status)

    def _on_kind(self, index: int) -> None:
        self._judge(kind=KINDS[index])

    def _on_note(self) -> None:
        note = self._ui.noteEdit.text.strip()
        if any(row.judgment.note != note for row in self.chosen if row.lesion is not None):
            self._judge(note=note)

    def _judge(self, **words: str) -> None:
        if self._identifiers and self._ct is not None and not self._run.computing:
            with self._work(_("It could not be noted.")):
                judge(self._segmentation, self._ct, self._identifiers, **words)
        self._changed()

    def _delete(self, checked: bool = False) -> None:
        self._edit(deleting_lesions, self._identifiers, _("The lesions could not be deleted."))

    def _merge(self, checked: bool = False) -> None:
        self._edit(merging_lesions, self._identifiers, _("The lesions could not be merged."))

    def _split(self, checked: bool = False) -> None:
        self._edit(splitting_lesion, self._identifiers[0], _("The lesion could not be split."))

    def _edit(self, editing: Callable, which: Sequence[str] | str, failed: str) -> None:
        segmentation, ct = self._segmentation, self._ct
        doing = _("Changing and measuring the lesions")
        self._run.compute(lambda: editing(segmentation, ct, which), doing, failed, lambda nodes: "")


def _kind_titles() -> list[str]:
    return ["", _("metastasis"), _("HCC"), _("cyst"), _("hemangioma"), _("treated"), _("unclear")]


def _key(row: Row) -> object:
    return row.lesion.identifier if row.lesion is not None else ("gone", row.figures.get("id"))


def _record(row: Row, segmentation, liver_changed: bool) -> dict:
    """What the table shows of a row."""
    figures = {name: None if value != value or value is None else value for name, value in row.figures.items()}
    judgment = row.judgment
    kind = dict(zip(KINDS, _kind_titles(), strict=True))[judgment.kind]
    record = {
        **figures,
        "lesion": row.short_name,
        "state": _state(row, liver_changed),
        "said": " ".join(filter(None, (_MARKS[judgment.status], kind, judgment.note))),
        "faint": judgment.is_rejected or (row.lesion is None and row.is_changed),
    }
    if row.lesion is not None:
        record["color"] = segmentation.GetSegmentation().GetSegment(row.lesion.identifier).GetColor()
    return record


def _state(row: Row, liver_changed: bool) -> str:
    if not row.is_changed:
        return _("liver changed") if liver_changed else ""
    if row.lesion is None:
        return _("deleted")
    return _("changed") if row.figures else _("new")
