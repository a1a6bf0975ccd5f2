"""Fixtures of all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from cli_tools import work  # noqa: F401  # fixtures of several files
from cluster_scans import alone, scans  # noqa: F401
from job_tools import temp  # noqa: F401

# A busy machine is no reason to fail, and what passed yesterday passes today: Testing/Fuzz is where new inputs are
# looked for.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize=True)
hypothesis.settings.load_profile("any machine")

# What `--fast` leaves out, by file: importing TensorFlow alone takes seconds, and the panels wait for child processes.
SLOW_FILES = (
    "test_benchmark.py",
    "test_cli_batch.py",
    "test_cli_dicom_results.py",
    "test_cli_faults.py",
    "test_cli_follow.py",
    "test_cli_kinds.py",
    "test_cli_resume.py",
    "test_cluster*.py",
    "test_compression_*.py",
    "test_dicom_results.py",
    "test_docs.py",
    "test_evaluate_cases.py",
    "test_evaluate_command.py",
    "test_export_command.py",
    "test_extension_archive.py",
    "test_files_real.py",
    "test_followup.py",
    "test_fuzz.py",
    "test_float_twin.py",
    "test_format_benchmark.py",
    "test_isolation.py",
    "test_jobs_stopping.py",
    "test_modules.py",
    "test_mrml_event_loop.py",
    "test_mrml_onnx.py",
    "test_mrml_runs.py",
    "test_networks.py",
    "test_node_*.py",
    "test_onnx.py",
    "test_panel_*.py",
    "test_slicer_tests.py",
    "test_trainer*.py",
    "test_training_*.py",
    "test_workflow*.py",
)
FAST_FILES = ("test_training_config.py",)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `Testing/run_tests.sh --fast`."""
    parser.addoption(
        "--fast", action="store_true", help="leave out the files of tests that take long (TensorFlow, panels, real CT)"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out, before they are imported, the files that `--fast` does without."""
    slow = config.getoption("--fast") and any(map(collection_path.match, SLOW_FILES))
    return True if slow and collection_path.name not in FAST_FILES else None


@pytest.fixture
def app() -> Iterator:
    """Slicer's application with an empty scene, see `slicer_standin.application`; the test's file asks for slicer-core
    and PySide6."""
    from slicer_standin import application

    with application.running() as app:
        yield app


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """The test's children can be interrupted. A shell starts what it runs in the background with Ctrl-C ignored, which
    children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
