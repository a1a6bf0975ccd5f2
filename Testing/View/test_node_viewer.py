"""The node's page opens a series in Slicer's views: the node in the tests' environment, the viewer in this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from viewer_page import ROWS, START_S

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".venv-test" / "bin" / "python"
sys.path.append(str(ROOT / "Testing" / "Node"))

from orthanc import phantom_study, storescu, write_study  # noqa: E402
from running_node import AE_TITLE, RunningNode  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not shutil.which("storescu"), reason="DCMTK is not installed (Debian: dcmtk)"),
    pytest.mark.skipif(
        not NODE.is_file() or subprocess.run([NODE, "-c", "import pynetdicom"], capture_output=True).returncode != 0,
        reason="there is no .venv-test with the packages of the node; Testing/run_tests.sh makes it",
    ),
]


def test_a_series_is_tried_again_and_opens_in_slicers_views(tmp_path, browser):
    folder = tmp_path / "study"
    write_study(folder, phantom_study(3, (24, 64, 64), (6.0, 6.0, 10.0)))
    short = tmp_path / "short"
    write_study(short, phantom_study(3, (4, 32, 32), (6.0, 6.0, 10.0)))
    page = {"viewer": os.fspath(Path(sys.executable).with_name("livertumor")), "viewer_port": 0}
    command = [os.fspath(NODE), "-m", "LiverTumorLib.cli"]
    with RunningNode(tmp_path, command=command, page=page) as node:
        storescu(folder, node.port, AE_TITLE)
        storescu(short, node.port, AE_TITLE)
        node.wait_for(lambda: sorted(node.states()) == ["done", "skipped"], 120)
        seen = browser.new_page()
        seen.goto(f"{node.url}/series/2")
        seen.get_by_role("button", name="Try again").click()
        seen.wait_for_url("**/series/2")
        node.wait_for(lambda: node.rows("SELECT state, begun FROM series WHERE id = 2") == [("skipped", 2)], 60)
        seen.goto(f"{node.url}/series/1")
        seen.get_by_role("button", name="Open in Slicer's views").click(timeout=START_S * 1000)
        seen.wait_for_selector(ROWS, timeout=START_S * 1000)
        assert "For research only" in seen.inner_text(".research-use")
        seen.close()
        assert node.stop() == 0
