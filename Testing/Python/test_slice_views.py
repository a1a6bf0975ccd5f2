"""What a radiologist sees of a result, drawn by Slicer's own displayable managers.

Each of the tests in `drawn_by_slicer.py` runs in a process of its own: without the application around them those
managers may crash when something else has been drawn, or a scene closed, in the same process before.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer_core", reason="slicer-core is not installed")

HERE = Path(__file__).parent
# `os._exit`: what is torn down after the tests tells nothing of them.
ALONE = "import os, sys, pytest; code = pytest.main(sys.argv[1:]); sys.stdout.flush(); os._exit(code)"


@pytest.mark.parametrize(
    "name",
    [
        "test_outlines_leave_liver_and_lesions_to_be_judged",
        "test_each_lesion_has_an_outline_of_its_own",
        "test_a_rejected_lesion_leaves_no_ring_in_the_liver",
        "test_a_click_says_where_a_lesion_was_missed",
        "test_the_marker_is_where_the_lesion_is_and_can_be_hidden",
        "test_axes_are_seen_in_their_slice_only",
        "test_a_dragged_axis_is_drawn_where_it_was_left",
        "test_scrolling_one_date_draws_the_slice_of_the_other_that_belongs_to_it",
        "test_outlines_of_another_date_are_not_drawn_in_the_view_of_the_prior",
    ],
)
def test_in_a_process_of_its_own(name):
    command = [sys.executable, "-c", ALONE, "-q", "-p", "no:cacheprovider", f"{HERE / 'drawn_by_slicer.py'}::{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
