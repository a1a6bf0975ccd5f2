"""What the viewer refuses; what it shows is looked at in a browser (Testing/View)."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from LiverTumorLib import errors
from LiverTumorLib.batch.folder import write_volume
from LiverTumorLib.cli import main
from LiverTumorLib.phantom import make_phantom
from LiverTumorLib.view.case import find_case
from LiverTumorLib.view.server import serve


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A small scan `a.nii.gz` and its results in `out/a`."""
    folder = tmp_path_factory.mktemp("made")
    volume, _ = make_phantom(1, (16, 64, 64))
    write_volume(folder / "a.nii.gz", volume.array, volume.ijk_to_ras)
    assert main(["segment", str(folder / "a.nii.gz"), "--out", str(folder / "out"), "--no-picture", "--quiet"]) == 0
    return folder


@pytest.fixture
def results(made, tmp_path) -> Path:
    """Results that a test may spoil."""
    return Path(shutil.copytree(made / "out" / "a", tmp_path / "a"))


def test_a_case_is_found_with_its_ct(made, results):
    case = find_case(results)
    assert case.name == "a" and case.segmentation == results / "a.seg.nrrd"
    assert case.read_volume().shape == (16, 64, 64) and case.result.summary.liver_ml


def test_a_ct_that_has_moved_is_named_by_the_user(made, results, tmp_path):
    moved = Path(shutil.copy(made / "a.nii.gz", tmp_path / "elsewhere.nii.gz"))
    assert find_case(results, moved).ct == moved


def spoil_summary(results: Path, ct: Path) -> None:
    (results / "summary.json").unlink()


def spoil_segmentation(results: Path, ct: Path) -> None:
    (results / "a.seg.nrrd").write_bytes(b"edited")


def spoil_ct(results: Path, ct: Path) -> None:
    ct.write_bytes(ct.read_bytes() + b"more")


def lose_ct(results: Path, ct: Path) -> None:
    ct.unlink()


@pytest.mark.parametrize(
    "spoil, said",
    [
        (spoil_summary, "holds no results of this version"),
        (spoil_segmentation, "a.seg.nrrd in .* is not what was written there"),
        (spoil_ct, "has changed since it was analyzed"),
        (lose_ct, "is not there; say with --ct where it lies"),
    ],
)
def test_results_that_are_not_whole_are_refused(made, results, tmp_path, spoil, said):
    ct = Path(shutil.copy(made / "a.nii.gz", tmp_path / "copy.nii.gz"))
    spoil(results, ct)
    with pytest.raises(errors.InputError, match=said):
        find_case(results, ct)


def test_a_port_in_use_and_a_weak_token_are_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(errors.UsageError, match="cannot be listened at"):
            serve([], "127.0.0.1", taken.getsockname()[1], None)
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(errors.UsageError, match="at least 16 ASCII characters"):
        serve([], "127.0.0.1", 0, tmp_path / "token")
    with pytest.raises(errors.UsageError, match="cannot be read as a token"):
        serve([], "127.0.0.1", 0, tmp_path / "none")
