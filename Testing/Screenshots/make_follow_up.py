"""Make the picture of the follow-up in the panel: python Testing/Screenshots/make_follow_up.py [DIR]

The panel is the real one over real MRML, opened by the tests' stand-in for the application, on a phantom whose second
date was made from its first; its lesions are those that were drawn.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from make_pictures import ROOT, shrink  # first: it makes the stand-in, and where that lies, known

import slicer  # isort: skip
from followup_phantoms import Change, two_dates  # isort: skip
from LiverTumorLib.mrml import ct_to_node, labels_to_segmentation  # isort: skip
from LiverTumorLib.mrml.follow_up import DateNodes  # isort: skip
from LiverTumorLib.mrml.study_facts import give_date  # isort: skip
from panel_tools import spin  # isort: skip
from slicer_standin import application  # isort: skip

MODULE = "LiverSegmentationMobileUNet"
CHANGE = Change(scale={1: 0.8, 2: 1.5, 3: 1.25, 5: 1.5}, gone=(4,), new=1, shift_mm=(14.0, -9.0, 21.0), bend_mm=5.0)
DAYS = ("2026-03-02", "2026-06-08")


def main(folder: Path) -> None:
    """Write the picture into a folder."""
    truth = two_dates(3, CHANGE)
    with tempfile.TemporaryDirectory() as scratch, application.running():
        picture = Path(scratch) / "picture.png"
        dates = []
        for (volume, labels), name, day in zip((truth.first, truth.second), ("Spring", "Summer"), DAYS, strict=True):
            ct = ct_to_node(replace(volume, name=name), slicer.mrmlScene)
            give_date(ct, day)
            dates.append(DateNodes(ct, labels_to_segmentation(labels, ct)))
        panel = _compared(dates)
        panel.ui.pairTable.setCurrentCell(0, 0)
        application.screenshot(MODULE, picture)
        shrink(picture, folder / "follow-up-panel.png")


def _compared(dates: list[DateNodes]):
    panel = application.open_module(MODULE).panel
    panel.parameters.inputVolume = dates[1].ct
    panel.ui.followUpCollapsibleButton.collapsed = False
    panel.ui.datesWidget.findChildren(slicer.qMRMLNodeComboBox)[0].setCurrentNode(dates[0].ct)
    panel.ui.compareDatesButton.click()
    spin(lambda: not panel.follow_up.run.running)
    return panel


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "pictures")
