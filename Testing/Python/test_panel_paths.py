"""The lines for paths of the trainer's panel, with CTK's way of telling of valid paths only."""

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")
pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")

from slicer_standin import application

NAME = "CompressionTrainer"


def test_a_path_is_typed_cleared_and_may_be_a_models_id(app):
    panel = application.open_module(NAME).panel
    for edit, parameter in ((panel.ui.startPath, "startFile"), (panel.ui.imagenetPath, "imagenetFile")):
        for text in ("/runs/last.weights.h5", "liver-roi", "", "liver-tumor"):
            edit.currentPath = text
            panel.refresh()
            assert getattr(panel.parameters, parameter) == edit.currentPath == text
