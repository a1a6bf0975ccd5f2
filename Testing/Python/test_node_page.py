"""The page of a running node: what people and monitors see, who may see it, and how it looks in a browser."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import pytest

pytest.importorskip("pynetdicom", reason="the packages of the node are not installed")

from cli_tools import HERE, posix
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage
from running_node import AE_TITLE, RunningNode, small_object

TASKS = [sys.executable, str(HERE / "cli_with_tasks.py")]
TOKEN = "0123456789abcdef0123456789abcdef"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = posix


@pytest.fixture(autouse=True)
def tasks(work):
    """Small tasks in place of the networks', and an empty temporary folder."""


def send_series(node, images, **tags):
    entity = AE("SCANNER")
    entity.add_requested_context(CTImageStorage)
    association = entity.associate("127.0.0.1", node.port, ae_title=AE_TITLE)
    study, uid = generate_uid(), generate_uid()
    assert {association.send_c_store(small_object(study, uid, k, size=32, **tags)).Status for k in range(images)} == {0}
    association.release()


def asked(node, path, method="GET", body=None, **headers):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", node.page_port, timeout=120)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, given)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode("utf-8", "replace")


def test_what_people_see(tmp_path):
    rules = {"images": [3, 100]}
    with RunningNode(tmp_path, command=TASKS, rules=rules, page={"names": True}) as node:
        send_series(node, 4, SeriesDescription="<script>alert(1)</script>", PatientID="P<1>")
        send_series(node, 2)
        node.wait_for(lambda: node.states() == ["done", "skipped"])
        text = node.ask("/")
        assert "done 1" in text and "skipped 1" in text and "It has 2 slices; 3 to 100 are analyzed." in text
        assert "&lt;script&gt;" in text and "<script>" not in text and "Secret^Name P&lt;1&gt;" in text
        assert "It has 2 slices" not in node.ask("/?state=done") and "Research use only" in text
        series = node.ask("/series/1")
        assert "Open in Slicer's views" not in series and asked(node, "/series/1/view", "POST")[0] == 403
        assert "Volume, ml" in series and 'src="/series/1/report.png"' in series
        status, headers, _ = asked(node, "/series/1/report.png")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert "default-src 'none'" in headers["content-security-policy"]
        assert asked(node, "/series/99")[0] == 404 and asked(node, "/series/2/report.png")[0] == 404

        figures = node.ask("/metrics")
        for line in (
            'livertumor_objects_received_total{ae_title="SCANNER"} 6.0',
            'livertumor_series{state="done"} 1.0',
            'livertumor_analyzed_total{outcome="skipped"} 1.0',
        ):
            assert line in figures.splitlines()

        own = f"http://127.0.0.1:{node.page_port}"
        assert asked(node, "/series/2/retry", "POST", Origin="http://evil.example")[0] == 403
        assert asked(node, "/series/2/retry", "POST")[0] == 403
        assert asked(node, "/series/1/retry", "POST", Origin=own)[0] == 409, "it is done"
        assert asked(node, "/", Host="evil.example")[0] == 400, "another site's name for this machine"
        assert asked(node, "/series/2/retry", "POST", Origin=own)[0] == 303
        node.wait_for(lambda: node.states() == ["done", "skipped"])
        assert node.rows("SELECT begun FROM series WHERE id = 2") == [(2,)]


def test_the_token(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with RunningNode(tmp_path, command=TASKS, page={"token_file": "token"}) as node:
        assert asked(node, "/healthz")[0] == 200
        assert asked(node, "/")[1]["location"] == "/login"
        assert asked(node, "/metrics")[0] == 401 and asked(node, "/metrics", Authorization="Bearer wrong")[0] == 401
        assert asked(node, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        status, _, text = asked(node, "/login", "POST", "token=wrong", **form)
        assert status == 403 and "This is not the token" in text
        status, headers, _ = asked(node, "/login", "POST", urllib.parse.urlencode({"token": TOKEN}), **form)
        cookie = headers["set-cookie"]
        assert status == 303 and "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert asked(node, "/", Cookie=cookie.partition(";")[0])[0] == 200
        assert asked(node, "/login", "POST", "token=" + "x" * 100_000, **form)[0] == 403
        assert '"wrong token"' in node.log.read_text() and TOKEN not in node.log.read_text()


def test_a_viewer_that_does_not_start_says_why(tmp_path):
    """One that does is looked at in a browser (Testing/View)."""
    viewer = tmp_path / "livertumor"
    viewer.write_text("#!/bin/sh\necho 'livertumor: The CT is not there.' >&2\nexit 2\n")
    viewer.chmod(0o755)
    with RunningNode(tmp_path, command=TASKS, rules={"images": [3, 100]}, page={"viewer": str(viewer)}) as node:
        send_series(node, 4)
        node.wait_for(lambda: node.states() == ["done"])
        assert "Open in Slicer's views" in node.ask("/series/1")
        own = f"http://127.0.0.1:{node.page_port}"
        assert asked(node, "/series/1/view", "POST", Origin="http://evil.example")[0] == 403
        status, _, text = asked(node, "/series/1/view", "POST", Origin=own)
        assert status == 409 and "It cannot be shown: livertumor: The CT is not there." in text
        assert node.stop() == 0


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(tmp_path, width):
    """What Chromium draws is no blank page, and nothing is wider than the window."""
    from matplotlib.image import imread

    with RunningNode(tmp_path, command=TASKS, rules={"images": [3, 100]}) as node:
        send_series(node, 4)
        send_series(node, 2)
        node.wait_for(lambda: node.states() == ["done", "skipped"])
        for name, path in (("list", "/"), ("series", "/series/1")):
            picture = tmp_path / f"{name}-{width}.png"
            command = [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--window-size={width},900",
            ]
            address = f"http://127.0.0.1:{node.page_port}{path}"
            with tempfile.TemporaryDirectory(dir="/tmp") as home:  # its sockets' paths may not be long
                subprocess.run(
                    [*command, f"--user-data-dir={home}", f"--screenshot={picture}", address],
                    check=True,
                    capture_output=True,
                    timeout=300,
                    env={**os.environ, "TMPDIR": home},
                )
            drawn = imread(picture)
            assert drawn.shape[1] == width and drawn[..., :3].std() > 0.02
