"""Make the picture of the trainer's panel after a run: python Testing/Screenshots/make_trainer.py [DIR]

The panel is the real one, opened by the tests' stand-in for the application, and the run a real one, of a tiny network
on three phantoms: what it measures says nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from make_pictures import ROOT, shrink  # first: it makes the stand-in, and where that lies, known

import slicer  # isort: skip
from slicer_standin import application  # isort: skip
from trainer_panel import NAME, choose, finish, start, write_inputs  # isort: skip

WORKFLOW = """
name = "tiny"
network = "tiny.toml"
[prune]
sparsity = 0.2
epochs = 1
fine_tune = 1
[quantize]
epochs = 1
[export]
[variants]
[compare]
[benchmark]
rounds = 1
[report]
"""
DATA = "labeled-ct"
SIZE = (440, 1300)  # of a panel that need not be scrolled


def main(folder: Path) -> None:
    """Write the picture into a folder."""
    with tempfile.TemporaryDirectory() as scratch, application.running():
        os.chdir(scratch)  # so that the panel shows short paths
        write_inputs(Path(), WORKFLOW, DATA)
        panel = application.open_module(NAME).panel
        choose(panel, Path(), Path("my-run"), DATA)
        start(panel)
        finish(panel)
        slicer.modules.compressiontrainer.widgetRepresentation().resize(*SIZE)
        picture = Path("picture.png").resolve()
        application.screenshot(NAME, picture)
        os.chdir(ROOT)
        shrink(picture, folder / "trainer-panel.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "Docs" / "pictures")
