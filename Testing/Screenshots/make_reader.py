"""Make the pictures of a reader's ten minutes: python Testing/Screenshots/make_reader.py [DIR]

The panel is the real one over real MRML, opened by the tests' stand-in for the application, and clicked through as in
`test_panel_reader.py`; beside it are slice views of the same scene, drawn by Slicer's own displayable managers. The
phantom's second date was made from its first; what a network might say of it comes from `reader_phantom.py`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from make_pictures import ROOT, shrink  # first: it makes the stand-in, and where that lies, known

import slicer  # isort: skip
import numpy as np  # isort: skip
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation, measure_again  # isort: skip
from LiverTumorLib.mrml.study_facts import give_date  # isort: skip
from LiverTumorLib.mrml.volumes import toggle_liver_window  # isort: skip
from panel_tools import use_task  # isort: skip
from PIL import Image  # isort: skip
from PySide6 import QtWidgets  # isort: skip
from reader_phantom import dates  # isort: skip
from reader_walk import Mouse, Reader  # isort: skip
from slice_views import SliceViewOfSlicer  # isort: skip
from slicer_standin import application  # isort: skip

SIZE = 420  # pixels of a view


class Camera:
    """Takes pictures of a part of the panel with slice views beside it."""

    def __init__(self, folder: Path, panel) -> None:
        self._folder = folder
        self._panel = panel
        self._views = {name: SliceViewOfSlicer(slicer.mrmlScene, SIZE, name) for name in ("Red", "Yellow")}

    def take(self, name: str, section, *shown: tuple) -> None:
        """A section of the panel, and for each view its name and the CT in it."""
        window = self._panel.module.parent
        window.resize(window.width, QtWidgets.QWidget.sizeHint(window).height())
        slicer.app.processEvents()
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "picture.png"
            assert section.grab().save(str(path))
            part = Image.open(path).convert("RGB")
            views = [self._draw(view, ct) for view, ct in shown]
            whole = Image.new("RGB", (part.width + SIZE * len(views), max(part.height, SIZE)), (239, 239, 239))
            whole.paste(part, (0, 0))
            for column, view in enumerate(views):
                whole.paste(view, (part.width + column * SIZE, 0))
            whole.save(path)
            shrink(path, self._folder / f"reader-{name}.png")

    def _draw(self, name: str, ct) -> Image.Image:
        view = self._views[name]
        place = view.node.GetSliceOffset()
        view.show(ct)
        view.node.SetSliceOffset(place)
        return Image.fromarray(view.draw()[::-1])


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    (first, drawn), (second, _, missed) = dates()
    with application.running() as app, pytest.MonkeyPatch.context() as patch, Mouse(app) as mouse:
        use_task(patch, "segment", "reader_phantom:segment")
        spring, summer = (
            ct_to_node(replace(volume, name=name), slicer.mrmlScene)
            for volume, name in ((first, "Spring"), (second, "Summer"))
        )
        for ct, day in ((spring, "2026-03-02"), (summer, "2026-06-08")):
            give_date(ct, day)
            toggle_liver_window(ct)
        measure_again(labels_to_segmentation(drawn, spring), spring)
        reader = Reader(mouse)
        reader.open_module()
        camera = Camera(folder, reader.panel)
        reader.run()
        reader.reject_second()
        camera.take("reject", reader.ui.resultsCollapsibleButton, ("Red", summer))
        place = second.ras(np.argwhere(missed)[:, ::-1].mean(axis=0))
        slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().JumpSlice(*place)
        reader.point_at_missed(place)
        camera.take("missed", reader.ui.resultsCollapsibleButton, ("Red", summer))
        reader.take_missed()
        reader.drag_long_axis()
        camera.take("axis", reader.ui.resultsCollapsibleButton, ("Red", summer))
        reader.compare()
        reader.look_at_pair(0)
        camera.take("follow-up", reader.ui.followUpCollapsibleButton, ("Red", spring), ("Yellow", summer))
        sys.stdout.flush()
        os._exit(0)  # without the application around them the managers may crash when the scene goes


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "pictures")
