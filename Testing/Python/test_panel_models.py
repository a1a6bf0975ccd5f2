"""The choice of models in the panels: what is there, how long it takes here, its card, and what cannot be used."""

import json
import re
import shutil

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

import slicer
from LiverTumorLib.models.catalogue import SHIPPED, get_bundle
from mrml_scene import add_ct
from panel_tools import add_phantom, apply, use_task
from slicer_standin import application

NAME = "LiverSegmentationMobileUNet"


@pytest.fixture
def quick(app, monkeypatch):
    """A small CT, segmented by thresholds in a real child; returns the opened panel."""
    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    add_ct(slicer.mrmlScene)
    return application.open_module(NAME).panel


def test_a_model_shows_its_size_its_time_on_this_computer_and_its_card(app):
    from LiverTumorLib.panel.times import known_time

    add_phantom()
    panel = application.open_module(NAME).panel
    assert known_time(get_bundle("liver-roi")) is None
    assert re.fullmatch(r"liver-roi [\d.]+, \d\.\d MB", panel.ui.liverModelBox.currentText)
    assert "shipped; its time on this computer is known after a run" in panel.ui.liverModelBox.toolTip
    apply(panel)
    slices = panel.parameters.inputVolume.GetImageData().GetDimensions()[2]
    seconds = float(re.search(r"liver: ([\d.]+) s", panel.ui.logText.plainText)[1]) / slices
    assert known_time(get_bundle("liver-roi")) == pytest.approx(seconds, abs=0.06 / slices)
    shown = float(re.search(r", (\d+) ms/slice$", panel.ui.liverModelBox.currentText)[1])
    assert shown == pytest.approx(1000 * seconds, abs=0.5 + 60 / slices)
    assert "ms/slice" in panel.ui.tumorModelBox.currentText and "ms/slice" in panel.ui.sliceModelBox.currentText
    for name in ("liver-roi", "liver-tumor", "tumor-slice"):
        assert f"# {name} " in (SHIPPED / name / "card.md").read_text()
        assert re.search(rf"^{name} [\d.]+$", panel.ui.cardText.plainText, re.MULTILINE)
    panel.ui.slicesCheckBox.click()
    assert "\ntumor-slice " not in panel.ui.cardText.plainText  # not used now


def test_a_time_that_somebody_spoiled_is_none(app):
    from LiverTumorLib.panel.times import known_time

    bundle = get_bundle("liver-roi")
    slicer.app.userSettings().setValue(
        f"LiverTumor/secondsPerSlice/liver-roi-{bundle.describe()['sha256'][:8]}", "soon"
    )
    assert known_time(bundle) is None
    assert "ms/slice" not in application.open_module(NAME).panel.ui.liverModelBox.currentText


def test_a_model_that_is_not_installed_is_named(quick):
    quick.parameters.tumorModel = "of-another-computer"
    assert quick.ui.tumorModelBox.currentText == "of-another-computer: model not installed"
    assert not quick.ui.applyButton.enabled and "'of-another-computer' is not installed" in quick.ui.applyButton.toolTip
    quick.ui.tumorCheckBox.click()
    assert quick.ui.applyButton.enabled  # not needed without tumor
    quick.ui.tumorCheckBox.click()
    quick.ui.tumorModelBox.setCurrentIndex(0)
    assert quick.parameters.tumorModel == "liver-tumor" and quick.ui.applyButton.enabled


def test_a_broken_bundle_of_the_user_is_told(app, tmp_path, monkeypatch):
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    (tmp_path / "liver-roi").mkdir()
    (tmp_path / "liver-roi" / "manifest.json").write_text("{")
    add_phantom()
    panel = application.open_module(NAME).panel
    assert "manifest.json cannot be read" in panel.ui.liverModelBox.toolTip
    apply(panel)
    assert "manifest.json cannot be read" in panel.ui.statusLabel.text
    assert panel.ui.applyButton.enabled


def test_the_license_of_the_weights_is_agreed_to_once(quick, monkeypatch, tmp_path):
    """Before the first run, for a model of the user's with its own text, and again for another version or license."""
    asked, answers = [], [False, True, True, True]
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *_, **__: asked.append(text) or answers[len(asked) - 1]
    )
    quick.ui.applyButton.click()
    assert not quick.run.running and "was not agreed to" in quick.ui.statusLabel.text
    assert "liver-roi, liver-tumor, tumor-slice: Research use only, non-commercial" in asked[0]
    apply(quick)
    apply(quick)
    assert len(asked) == 2, "once"
    mine = tmp_path / "mine"
    shutil.copytree(SHIPPED / "liver-tumor", mine)
    manifest = json.loads((mine / "manifest.json").read_text())
    manifest = {key: value for key, value in manifest.items() if not key.startswith("licen")}
    manifest |= {"id": "mine", "license": "CC BY 4.0"}
    (mine / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path))
    application.leave_module(NAME)
    application.open_module(NAME)
    quick.parameters.tumorModel = "mine"
    apply(quick)
    assert len(asked) == 3 and "mine: CC BY 4.0" in asked[2] and "Research use" not in asked[2]
    (mine / "manifest.json").write_text(json.dumps(manifest | {"version": "9.0.0"}))
    application.leave_module(NAME)
    application.open_module(NAME)
    apply(quick)
    assert len(asked) == 4
    quick.logic.process(quick.parameters.inputVolume, tumorModel="mine")
    assert len(asked) == 4, "Python is not asked"
