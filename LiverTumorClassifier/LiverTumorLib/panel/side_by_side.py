"""The views of the follow-up: both dates of a pair side by side, which scroll together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from slicer.i18n import tr as _

from ..mrml.follow_up import DateNodes
from ..mrml.follow_up_views import Place, link_dates, show_dates, show_pair, step_to_prior
from ..mrml.linked_slices import LinkedSlices
from ..mrml.volumes import place_in_slice
from ..records.followup import FollowUp
from ..records.pairs import PairRow
from .follow_up_text import lesions_of, track_of


class SideBySide:
    """Shows the lesion of a pair at both dates.

    Args:
        ui: the panel's widgets: `scrollTogetherCheckBox`.
        tell: shows a line of text.
    """

    def __init__(self, ui, tell: Callable[[str], None]) -> None:
        self._ui = ui
        self._tell = tell
        self._linked = LinkedSlices()
        self._shown: tuple[tuple, Sequence[DateNodes], np.ndarray] | None = None
        ui.scrollTogetherCheckBox.connect("clicked(bool)", self._on_check)

    def show(self, dates: Sequence[DateNodes], row: PairRow, result: FollowUp) -> None:
        """Show a pair, each date in the slice of its lesion's longest diameter."""
        self.end()
        shown = (dates[row.prior], dates[row.date])
        views = show_dates(*shown)
        if views is None:
            self._tell(_("There are no two slice views for both dates; empty one, or choose another layout."))
        places: list[Place | None] = []
        texts, track = [], track_of(row, result)
        for at, lesion, date in zip((row.prior, row.date), lesions_of(row, result), shown, strict=True):
            if lesion is None:
                places.append(track.center_ras[at])
                texts.append(_("nothing here") if track.center_ras[at] else "")
            else:
                places.append(place_in_slice(date.ct, lesion.centroid_ras, lesion.diameter_slice))
                text = _("Lesion {id}: {ml:.1f} ml, {mm:.0f} mm")
                texts.append(text.format(id=lesion.id, ml=lesion.volume_ml, mm=lesion.longest_diameter_mm))
        show_pair(shown, places, texts)
        if views is not None:
            self._shown = (views, shown, step_to_prior(result, row.prior, row.date))
            self._link(places)

    def end(self) -> None:
        """The views show something else from now on."""
        self._linked.unlink()
        self._shown = None

    def _on_check(self, checked: bool) -> None:
        """What is seen now is what belongs together."""
        self._link((None, None))

    def _link(self, places: Sequence[Place | None]) -> None:
        self._linked.unlink()
        if self._shown is not None and self._ui.scrollTogetherCheckBox.checked:
            views, dates, to_prior = self._shown
            link_dates(self._linked, views, dates, places, to_prior)
