"""A reader's ten minutes in one session with mouse and keys: this CT against the one of spring, corrected, measured and
reported."""

import json
import shutil

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
pytest.importorskip("SimpleITK", reason="registration needs SimpleITK")
pytest.importorskip("matplotlib", reason="the page needs matplotlib")

import numpy as np
import slicer
from follow_up_scene import SHIFT
from LiverTumorLib.mrml import labels_from_segmentation
from LiverTumorLib.mrml.case_nodes import LESIONS_ROLE, SUMMARY_ROLE, ct_of
from LiverTumorLib.mrml.corrections import contents
from LiverTumorLib.mrml.tables import records_of
from panel_tools import spin, use_task
from reader_walk import MISSED, TASK, Mouse, Reader, add_dates
from test_mrml_report import text_of
from test_panel_axes import cell
from test_panel_follow_up import cells, shown

MOST_ACTIONS = 25


def column(panel, title: str) -> list[str]:
    return [cell(panel, row, title) for row in range(panel.ui.lesionTable.rowCount)]


def state(panel) -> dict:
    """All that a segmentation holds: voxels, segments and how they are seen, tables, attributes."""
    node = panel.parameters.outputSegmentation
    segments, display = node.GetSegmentation(), node.GetDisplayNode()
    return {
        "labels": labels_from_segmentation(node, panel.parameters.inputVolume).tolist(),
        "contents": contents(node),
        "segments": [
            (
                each,
                segments.GetSegment(each).GetName(),
                segments.GetSegment(each).GetColor(),
                display.GetSegmentVisibility(each),
            )
            for each in segments.GetSegmentIDs()
        ],
        "tables": [records_of(node.GetNodeReference(role)) for role in (LESIONS_ROLE, SUMMARY_ROLE)],
        "attributes": {name: node.GetAttribute(name) for name in node.GetAttributeNames()},
    }


def test_ten_minutes_with_two_dates(app, monkeypatch, tmp_path, capfd):
    said = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: said.append(text))
    use_task(monkeypatch, "segment", TASK)
    spring, summer = add_dates()
    with Mouse(app) as mouse:
        reader = Reader(mouse)
        reader.open_module()
        panel, ui = reader.panel, reader.ui
        reader.run()
        segmentation = panel.parameters.outputSegmentation
        assert panel.parameters.inputVolume is summer and ct_of(segmentation) is summer
        assert ui.statusLabel.text == "Done." and summary(panel).startswith("Summer: liver 1432 ml, tumor 43.3 ml")
        assert "3 lesions" in summary(panel) and column(panel, "lesion") == ["1", "2", "3"]
        assert shown("Red")[0] == "Summer" and segmentation.GetDisplayNode().GetVisibility()
        assert not spring.segmentation.GetDisplayNode().GetVisibility(), "it lies elsewhere in this CT"

        found = state(panel)
        reader.reject_second()
        assert column(panel, "reader") == ["", "✗", ""]
        assert "tumor 36.2 ml" in summary(panel) and "2 lesions" in summary(panel)
        assert not segmentation.GetDisplayNode().GetSegmentVisibility("Lesion 2")
        rejected = state(panel)

        reader.point_at_missed(np.add(MISSED[0], SHIFT))
        assert ui.missedLabel.text == "Missed lesion: 3.04 ml above" and column(panel, "lesion") == ["1", "2", "3"]
        reader.take_missed()
        assert column(panel, "lesion") == ["1", "2", "3", "4"] and column(panel, "reader") == ["", "✗", "", ""]
        assert "tumor 39.3 ml" in summary(panel) and "3 lesions" in summary(panel)
        added = state(panel)

        length = f"{reader.drag_long_axis():.0f}"
        assert added["tables"][0][0]["longest_diameter_mm"] < 40 and length == "47"
        assert column(panel, "by hand") == ["long", "", "", ""] and cell(panel, 0, "long axis (mm)") == length
        assert f"largest {length} mm" in summary(panel) and "measured by hand" in ui.statusLabel.text
        dragged = state(panel)
        assert dragged != added != rejected != found, "else what follows says nothing"

        reader.compare()
        assert ui.followUpStatusLabel.text == "Done." and ui.followUpResultsWidget.isVisible()
        assert [row[:4] for row in cells(panel)] == [
            ["1", "1", "matched", f"23 → {length}"],
            ["2", "3", "matched", "16 → 17"],
            ["–", "4", "new", "– → 14"],
        ]
        assert ui.followUpResponseLabel.text.startswith(
            "2026-06-09: PD (RECIST 1.1, of the liver alone) - 1 new lesion"
        )
        assert "Sum of target lesions: 64.2 mm, +61 %" in ui.followUpResponseLabel.text
        assert "Measured by hand: long axis of lesion 1 of 2026-06-09." in ui.followUpNotesLabel.text
        reader.look_at_pair(0)
        assert [shown(view)[0] for view in ("Red", "Yellow")] == ["Spring", "Summer"]

        folder = reader.save_follow_up(tmp_path, monkeypatch)
        assert ui.followUpStatusLabel.text == f"Written to {folder}"
        reader.save_page(tmp_path / "signed.pdf", monkeypatch)
        assert ui.statusLabel.text == f"Written: {tmp_path / 'signed.pdf'}"
        check_reports(tmp_path / "signed.pdf", folder)
        assert reader.actions == 24 <= MOST_ACTIONS and not said
        assert state(panel) == dragged, "looking, comparing and saving change nothing"

        mouse.click(ui.undoButton)
        assert state(panel) == added and cell(panel, 0, "long axis (mm)") == "39"
        mouse.click(ui.undoButton)
        assert state(panel) == rejected and column(panel, "lesion") == ["1", "2", "3"] and not said
        mouse.click(ui.undoButton)
        assert state(panel) == found and not ui.undoButton.isEnabled()
        spin(lambda: "Lesions have changed since" in ui.followUpNotesLabel.text)
    assert "vtkSegmentationHistory" not in capfd.readouterr().err, "it has nothing to warn of"


def summary(panel) -> str:
    return panel.ui.summaryLabel.text


def check_reports(page, folder) -> None:
    """Both say what was measured by hand."""
    assert page.read_bytes().startswith(b"%PDF") and (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    by_hand = "Measured by hand: long axis of lesion 1 of 2026-06-09."
    assert by_hand in json.loads((folder / "followup.json").read_text())["notes"]
    if shutil.which("gs"):
        text = text_of(page)
        assert "Lesion 1: the long axis was measured by hand." in text and "rejected" in text
        assert by_hand in text_of(folder / "report.pdf")
