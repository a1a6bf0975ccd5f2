"""Fixtures of all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from cli_tools import work  # noqa: F401  # fixtures of several files
from job_tools import temp  # noqa: F401


@pytest.fixture
def app() -> Iterator:
    """Slicer's application with an empty scene, see `slicer_standin.application`; the test's file asks for slicer-core and PySide6."""
    from slicer_standin import application

    with application.running() as app:
        yield app


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """The test's children can be interrupted. A shell starts what it runs in the background with Ctrl-C ignored, which children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
