"""The page: Slicer's views, and beside them the lesions, whose rows jump, and what there is to know of the case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trame.app import TrameApp
from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html, vuetify3
from trame_slicer import module as trame_slicer_module
from trame_slicer.core import LayoutManager, SlicerApp
from trame_slicer.rca_view import register_rca_factories

from .case import ShownCase
from .scene import WINDOWS, CaseScene

if TYPE_CHECKING:
    from collections.abc import Sequence

RESEARCH_USE = "For research only. Not a medical device, not for diagnosis."
_LAYOUTS = ("Axial Primary", "Quad View", "Axial Only")


class ViewerApp(TrameApp):
    """The web application.

    Args:
        cases: at least one; the first is shown.
    """

    def __init__(self, cases: Sequence[ShownCase]) -> None:
        super().__init__()
        self._cases = list(cases)
        self.server.enable_module(trame_slicer_module)
        self._app = SlicerApp()
        register_rca_factories(self._app.view_manager, self.server)
        self._layouts = LayoutManager(self._app.scene, self._app.view_manager, self.server)
        self._layouts.register_layout_dict(LayoutManager.default_grid_configuration())
        self._layouts.set_layout(_LAYOUTS[0])
        self._scene = CaseScene(self._app)
        self.state.update(
            {
                "trame__title": "LiverTumor",
                "trame__favicon": None,
                "names": [{"title": case.name, "value": place} for place, case in enumerate(self._cases)],
                "windows": list(WINDOWS),
                "layouts": list(_LAYOUTS),
                "shown": 0,
                "window": next(iter(WINDOWS)),
                "layout": _LAYOUTS[0],
                "outlines": True,
                "lesion": 0,
                "lesions": [],
                "figures": [],
                "notes": [],
                "failed": "",
                "drawer": None,  # open where there is room
            }
        )
        for name, changed in (
            ("shown", self._show),
            ("window", self._scene.set_window),
            ("layout", self._layouts.set_layout),
            ("outlines", self._scene.set_outlines),
        ):
            self.state.change(name)(self._after(name, changed))
        self._build()
        self._show(0)

    def jump(self, id: int) -> None:
        """Have the views look at a lesion of the case that is shown."""
        case = self._cases[self.state.shown]
        self.state.lesion = id
        self._scene.jump(next(lesion for lesion in case.result.lesions if lesion.id == id))

    def _after(self, name: str, changed):
        def call(**state: object) -> None:
            changed(state[name])

        return call

    def _show(self, place: int) -> None:
        from ..errors import LiverTumorError

        case = self._cases[place]
        try:
            self._scene.show(case)
            self.state.failed = ""
        except LiverTumorError as error:
            self.state.failed = str(error)
            return
        largest = max(case.result.lesions, key=lambda lesion: lesion.longest_diameter_mm, default=None)
        self.state.lesion = largest.id if largest else 0
        self.state.lesions = [_row(lesion) for lesion in case.result.lesions]
        self.state.figures = _figures(case)
        self.state.notes = case.result.summary.notes

    def _build(self) -> None:
        with VAppLayout(self.server) as self.ui:
            self.ui.root.theme = "dark"
            client.Style("html { overflow: hidden; } tr.chosen { background: #37474f; } tr { cursor: pointer; }")
            with vuetify3.VAppBar(density="compact"):
                vuetify3.VToolbarTitle("LiverTumor", classes="flex-grow-0")
                vuetify3.VSelect(
                    v_model=("shown",), items=("names",), label="Case", v_show="names.length > 1", **_SMALL
                )
                vuetify3.VSelect(v_model=("window",), items=("windows",), label="Window", **_SMALL)
                vuetify3.VSelect(v_model=("layout",), items=("layouts",), label="Layout", **_SMALL)
                vuetify3.VSwitch(v_model=("outlines",), label="Outlines", hide_details=True, classes="ml-4")
                vuetify3.VSpacer()
                vuetify3.VAppBarNavIcon(click="drawer = !drawer", raw_attrs=['aria-label="Show or hide the figures"'])
            with vuetify3.VNavigationDrawer(v_model=("drawer",), location="right", width=380, classes="pa-2"):
                self._build_figures()
            with vuetify3.VFooter(app=True, classes="py-0 text-caption"):
                html.Span(RESEARCH_USE, classes="research-use")
            with vuetify3.VMain(style="height: 100vh;"):
                vuetify3.VAlert("{{ failed }}", v_if="failed", type="error", density="compact")
                self._layouts.initialize_layout_grid(self.ui)

    def _build_figures(self) -> None:
        with vuetify3.VTable(density="compact", classes="figures"), html.Tbody():  # noqa: SIM117 - as the page nests
            with html.Tr(v_for="figure in figures", key="figure.name"):
                html.Td("{{ figure.name }}")
                html.Td("{{ figure.value }}", classes="text-right")
        html.Div("No lesion was found.", v_if="!lesions.length", classes="pa-2")
        with vuetify3.VTable(density="compact", hover=True, v_else=True, classes="lesions"):
            with html.Thead(), html.Tr():
                for head in ("Lesion", "Volume (ml)", "Axes (mm)", "Mean (HU)"):
                    html.Th(head, classes="text-right")
            with (
                html.Tbody(),
                html.Tr(
                    v_for="row in lesions",
                    key="row.id",
                    click=(self.jump, "[row.id]"),
                    classes=("row.id === lesion ? 'chosen' : ''",),
                ),
            ):
                for value in ("id", "volume", "axes", "mean"):
                    html.Td(f"{{{{ row.{value} }}}}", classes="text-right")
        vuetify3.VAlert(
            "{{ note }}", v_for="note in notes", key="note", type="warning", density="compact", classes="my-1 note"
        )


_SMALL = {"density": "compact", "hide_details": True, "style": "max-width: 180px;", "classes": "ml-4"}


def _row(lesion) -> dict[str, object]:
    axes = f"{lesion.longest_diameter_mm:.0f} x {lesion.perpendicular_diameter_mm:.0f}"
    return {"id": lesion.id, "volume": f"{lesion.volume_ml:.2f}", "axes": axes, "mean": f"{lesion.mean_hu:.0f}"}


def _figures(case: ShownCase) -> list[dict[str, str]]:
    summary = case.result.summary
    known = {
        "Liver": summary.liver_ml is not None and f"{summary.liver_ml:.0f} ml",
        "Tumor": summary.tumor_ml is not None and f"{summary.tumor_ml:.2f} ml",
        "Tumor burden": summary.tumor_burden_percent is not None and f"{summary.tumor_burden_percent:.1f} %",
        "Lesions": summary.lesion_count is not None and str(summary.lesion_count),
        "Suspicious slices": str(len(summary.suspicious_slices)),
    }
    return [{"name": name, "value": value} for name, value in known.items() if value]
