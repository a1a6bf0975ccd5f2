"""What a workflow's folder holds, in the panel: problems of the data, curves, the table of models, the model to
install, the report."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import slicer
from LiverTumorLib.mrml.nodes import companion_node
from LiverTumorLib.mrml.tables import records_of
from LiverTumorLib.panel.messages import errors_shown
from LiverTumorLib.panel.record_table import RecordTable, Shown
from slicer.i18n import tr as _

from ..mrml.curves import show_epochs
from ..mrml.variants import show_variants
from ..workflow import folder
from .choices import FILE
from .install import install_asking

EPOCHS_ROLE, VARIANTS_ROLE = "epochTable", "variantTable"
_PROBLEMS = (
    Shown("severity", _("kind"), "{}", _("Errors stop the training, notes do not.")),
    Shown("case", _("case"), "{}", _("The case that the file belongs to.")),
    Shown("what is wrong", _("what is wrong"), "{}", ""),
    Shown("what to do", _("what to do"), "{}", ""),
)
_VARIANTS = (
    Shown("name", _("model"), "{}", _("Model file, with its folder.")),
    Shown("mb", "MB", "{:.2f}", _("Size of the file in MB.")),
    Shown("accuracy", _("acc."), "{:.3f}", _("Accuracy on the val patients' slices (0 to 1).")),
    Shown("auc", "AUC", "{:.3f}", _("Area under the ROC curve, val patients' slices (0 to 1).")),
    Shown("dice", "Dice", "{:.3f}", _("Mean Dice over the val patients (0 to 1).")),
    Shown("slices_per_s", "1/s", "{:.0f}", _("Slices a second on this computer, one at a time.")),
)


class Results:
    """Shows what is in the chosen output folder.

    Args:
        ui: the panel's widgets.
        parameters: gives the parameter node as it is now, or None.
    """

    def __init__(self, ui, parameters: Callable) -> None:
        self._ui = ui
        self._parameters = parameters
        self._problems = RecordTable(ui.checkTable, _PROBLEMS, lambda row: None, stretched=(2, 3))
        self._variants = RecordTable(ui.variantTable, _VARIANTS, lambda row: None, stretched=(0,))
        self._charts: dict[str, object] = {}
        self._seen: object = None
        ui.curvesButton.connect("clicked(bool)", lambda checked=False: _show_chart(self._charts[EPOCHS_ROLE]))
        ui.paretoButton.connect("clicked(bool)", lambda checked=False: _show_chart(self._charts[VARIANTS_ROLE]))
        ui.installButton.connect("clicked(bool)", self._install)
        ui.reportButton.connect("clicked(bool)", self._open_report)

    @property
    def _folder(self) -> Path | None:
        parameters = self._parameters()
        return Path(parameters.outputFolder) if parameters is not None and parameters.outputFolder else None

    @property
    def _prepared(self) -> Path | None:
        """The folder in which the data's check lies: the workflow's own, or that of the split file."""
        parameters = self._parameters()
        if parameters is not None and parameters.split == FILE:
            return Path(parameters.splitFile).parent if parameters.splitFile else None
        return self._folder / "prepare" if self._folder else None

    def show(self, again: bool = False) -> None:
        """Bring everything up to date with the folders; done only for other ones, unless `again`."""
        parameters = self._parameters()
        seen = (self._folder, self._prepared, parameters and parameters.parameterNode)
        if seen == self._seen and not again:
            return
        self._seen = seen
        self.show_epochs()
        self._show_check()
        self._show_variants()

    def show_epochs(self) -> None:
        """Bring the curves up to date."""
        epochs = folder.epochs(self._folder) if self._folder else []
        self._charts[EPOCHS_ROLE] = show_epochs(self._table(EPOCHS_ROLE, _("Training")), epochs) if epochs else None
        self._ui.curvesButton.enabled = bool(epochs)
        self._ui.epochLabel.text = (
            _epoch_text(epochs[-1]) if epochs else _("Nothing has been trained in the output folder.")
        )

    def _show_check(self) -> None:
        prepared = self._prepared
        if prepared is not None and not (prepared / "check.csv").is_file():
            prepared = None
        rows = folder.check_rows(prepared) if prepared else []
        self._problems.show([row | {"what is wrong": _with_file(row)} for row in rows])
        self._ui.checkTable.resizeRowsToContents()  # whole sentences
        counted = [
            _("{part}: {patients} patients, {slices} slices").format(
                part=row["part"], patients=row.get("patients", "?"), slices=row.get("slices", "?")
            )
            for row in (folder.counts(prepared) if prepared else [])
        ]
        errors = sum(row["severity"] == "error" for row in rows)
        found = (
            _("{errors} errors, {notes} notes").format(errors=errors, notes=len(rows) - errors)
            if rows
            else _("Nothing is wrong.")
        )
        self._ui.checkLabel.text = "; ".join([found, *counted]) if prepared else _("The data were not checked yet.")

    def _show_variants(self) -> None:
        variants = folder.variants(self._folder) if self._folder else []
        self._charts[VARIANTS_ROLE] = chart = None
        if variants:
            table = self._table(VARIANTS_ROLE, _("Models"))
            self._charts[VARIANTS_ROLE] = chart = show_variants(table, variants)
            self._variants.show([_readable(record) for record in records_of(table)])
        else:
            self._variants.show([])
        model = folder.bundle_of(self._folder) if self._folder else None
        self._ui.resultsCollapsibleButton.enabled = bool(variants or model)
        self._ui.paretoButton.enabled = chart is not None
        self._ui.installButton.enabled = model is not None
        self._ui.reportButton.enabled = bool(self._folder and folder.report_of(self._folder))
        self._ui.summaryLabel.text = (
            _("The model '{id}' is ready.").format(id=model.name)
            if model
            else _("There is no model in the output folder yet.")
        )

    def _table(self, role: str, name: str):
        return companion_node(self._parameters().parameterNode, role, "vtkMRMLTableNode", name)

    def _install(self, checked: bool = False) -> None:
        with errors_shown(_("The model could not be installed."), self._tell):
            model = folder.bundle_of(self._folder) if self._folder else None
            bundle = install_asking(model) if model else None
            if bundle is not None:
                self._tell(
                    _("Installed: '{id}' in {folder}; the other modules list it now.").format(
                        id=bundle.id, folder=bundle.folder
                    )
                )

    def _open_report(self, checked: bool = False) -> None:
        import qt

        path = folder.report_of(self._folder) if self._folder else None
        if path is None or not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._tell(_("The report could not be opened; it is {path}.").format(path=path))

    def _tell(self, text: str) -> None:
        self._ui.statusLabel.text = text


def _with_file(row: dict[str, str]) -> str:
    """What is wrong, with the name of the file, which is short."""
    name, what = Path(row["file"]).name, row["what is wrong"]
    return what.replace(row["file"], name) if row["file"] in what else f"{name}: {what}"


def _show_chart(chart) -> None:
    if chart is not None and chart.GetScene() is not None:  # it may have been deleted
        slicer.modules.plots.logic().ShowChartInLayout(chart)


def _epoch_text(epoch: folder.Epoch) -> str:
    figures = {
        _("loss"): epoch.loss,
        _("validation loss"): epoch.val_loss,
        _("accuracy or Dice"): epoch.score,
        _("validation accuracy or Dice"): epoch.val_score,
    }
    told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    return _("Epoch {number} ({stage}): {figures}").format(number=epoch.number, stage=epoch.stage, figures=told)


def _readable(record: dict) -> dict:
    """A record whose missing numbers are blank."""
    return {
        name: _Blank() if isinstance(value, float) and math.isnan(value) else value for name, value in record.items()
    }


class _Blank:
    """Is written as nothing, however it is to be formatted."""

    def __format__(self, pattern: str) -> str:
        return ""
