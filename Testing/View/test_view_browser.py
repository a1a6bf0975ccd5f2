"""The viewer in a real browser: what it shows, what clicks do, and that nothing is shown without the token."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from LiverTumorLib.batch.folder import read_summary, write_volume
from LiverTumorLib.cli import main
from LiverTumorLib.phantom import make_phantom
from playwright.sync_api import Page
from viewer_page import ROWS, START_S


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """Results of two phantoms."""
    folder = tmp_path_factory.mktemp("results")
    for seed in (1, 2):
        volume, _ = make_phantom(seed, (40, 128, 128))
        write_volume(folder / "ct" / f"p{seed}.nii.gz", volume.array, volume.ijk_to_ras)
    assert main(["segment", str(folder / "ct"), "--out", str(folder / "out"), "--no-picture", "--quiet"]) == 0
    return folder / "out"


@pytest.fixture(scope="session")
def address(results) -> Iterator[str]:
    """The address that the viewer prints."""
    command = [sys.executable, "-m", "LiverTumorLib.cli", "view", str(results / "p1"), str(results / "p2")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?secret=\S{20,}\n", line), line
        yield line.strip()
        begin = time.monotonic()
        process.terminate()
        process.wait(20)
        assert time.monotonic() - begin < 10


@pytest.fixture
def page(browser, address) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(address)
    page.wait_for_selector(ROWS, timeout=START_S * 1000)
    settled(page)
    yield page
    page.close()


def settled(page: Page) -> bytes:
    """The page's picture once it no longer changes."""
    before, end = b"", time.monotonic() + 60
    while (picture := page.screenshot()) != before and time.monotonic() < end:
        before = picture
        time.sleep(1.5)
    return picture


def choose(page: Page, label: str, value: str) -> None:
    page.locator(".v-select", has=page.get_by_label(label)).click()
    page.get_by_role("option", name=value).click()


def test_figures_and_lesions_are_those_of_the_summary(page, results):
    case = read_summary(results / "p1")["case"]
    assert page.locator(ROWS).count() == case["summary"]["lesion_count"] > 0
    assert f"{case['summary']['liver_ml']:.0f} ml" in page.inner_text(".figures")
    cells = page.locator(ROWS).first.locator("td").all_inner_texts()
    assert cells[:2] == [str(case["lesions"][0]["id"]), f"{case['lesions'][0]['volume_ml']:.2f}"]
    assert "For research only" in page.inner_text(".research-use")


def test_a_row_jumps_to_its_lesion(page):
    rows = page.locator(ROWS)
    first = settled(page)
    rows.nth(rows.count() - 1).click()
    page.wait_for_selector(f"{ROWS}.chosen")
    assert settled(page) != first
    assert (
        rows.nth(rows.count() - 1).get_attribute("class") == "chosen" and rows.nth(0).get_attribute("class") != "chosen"
    )


@pytest.mark.parametrize("label, value", [("Window", "Lung"), ("Layout", "Axial Only")])
def test_window_and_layout_change_what_is_seen(page, label, value):
    before = settled(page)
    choose(page, label, value)
    page.mouse.move(5, 400)
    assert settled(page) != before


def test_outlines_can_be_hidden(page):
    before = settled(page)
    page.get_by_label("Outlines").click()
    page.mouse.move(5, 400)
    assert settled(page) != before


def test_another_case_has_its_own_figures(page, results):
    choose(page, "Case", "p2")
    liver = read_summary(results / "p2")["case"]["summary"]["liver_ml"]
    page.wait_for_function(f"document.querySelector('.figures').innerText.includes('{liver:.0f} ml')", timeout=60_000)


def test_a_narrow_screen_has_room_for_the_views(page):
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_function(
        "document.querySelector('.lesions').getBoundingClientRect().left >= innerWidth", timeout=20_000
    )
    page.get_by_label("Show or hide the figures").click()
    page.wait_for_function(
        "document.querySelector('.lesions').getBoundingClientRect().left < innerWidth", timeout=20_000
    )


@pytest.mark.parametrize("secret", ["", "?secret=wslink-secret", "?secret=guess"])
def test_nothing_is_shown_without_the_token(browser, address, secret):
    page = browser.new_page()
    page.goto(address.partition("?")[0] + secret)
    time.sleep(6)
    assert page.locator(ROWS).count() == 0 and "ml" not in page.inner_text("body")
    page.close()
