"""The archive for "Install from file": unpacked as Slicer's Extensions Manager does it, and run from there."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import make_extension_archive
import pytest
from LiverTumorLib.ct.canvas import InputSpec
from LiverTumorLib.models.bundle import MODEL, write_bundle
from LiverTumorLib.models.manifest import Manifest
from make_extension_archive import REVISIONS, SYSTEMS, main, read_commit, write_archive
from read_extension import read_extension

REVISION = 34627
SCRIPTED = "lib/Slicer-5.12/qt-scripted-modules"

# What a session of Slicer would do, with only the installed folder and Slicer's own packages on the path.
SESSION = """
import json, sys
sys.path[:0] = [{scripted!r}, {standin!r}]
import slicer_standin; slicer_standin.install()
from slicer_standin import application
import LiverTumorClassifier, LiverSegmentationMobileUNet, CompressionTrainer
import LiverTumorLib, CompressionTrainerLib, slicer
from LiverTumorLib.models.catalogue import list_bundles
from LiverTumorLib.mrml import ct_to_node
from LiverTumorLib.phantom import make_phantom
modules = LiverTumorClassifier, LiverSegmentationMobileUNet, CompressionTrainer, LiverTumorLib, CompressionTrainerLib
volume, truth = make_phantom(seed=1, shape=(24, 128, 128), spacing_mm=(3.0, 3.0, 10.0))
with application.running():
    for module in modules[:3]:
        assert application.open_module(module.__name__).layout.count() > 0
    nodes = LiverSegmentationMobileUNet.LiverSegmentationMobileUNetLogic().process(ct_to_node(volume, slicer.mrmlScene))
for bundle in list_bundles():
    bundle.verify()
print(json.dumps({{
    "files": [module.__file__ for module in modules],
    "models": {{bundle.id: str(bundle.folder) for bundle in list_bundles()}},
    "liver_ml": nodes.summary.liver_ml,
    "true_ml": float((truth > 0).sum() * volume.voxel_ml),
}}))
"""


@pytest.fixture(scope="module")
def extension():
    return read_extension()


@pytest.fixture(scope="module")
def commit():
    return read_commit()


@pytest.fixture(scope="module")
def archives(extension, commit, tmp_path_factory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("dist")
    return {system: write_archive(out, extension, commit, "5.12.3", REVISION, system) for system in SYSTEMS}


def names_in(archive: Path) -> list[str]:
    if archive.suffix == ".zip":
        return zipfile.ZipFile(archive).namelist()
    with tarfile.open(archive) as file:
        return file.getnames()


def install_from_file(archive: Path, extensions: Path, system: str) -> Path:
    """What qSlicerExtensionsManagerModel::installExtension of Slicer 5.12 does with an archive; returns the extension's
    folder."""
    descriptions = [name for name in names_in(archive) if name.endswith(".s4ext")]
    name = Path(descriptions[0]).stem
    folder = extensions / name
    shutil.rmtree(folder, ignore_errors=True)
    unpacked = extensions / f"{name}-XXXXXX"
    filtered = archive.suffix != ".zip" and hasattr(tarfile, "data_filter")  # since Python 3.11.4
    shutil.unpack_archive(archive, unpacked, **({"filter": "data"} if filtered else {}))
    (top,) = unpacked.iterdir()
    inside = top / f"Slicer.app/Contents/Extensions-{REVISION}/{name}" if system == "macosx" else top
    shutil.move(inside, folder)
    shutil.rmtree(unpacked)
    assert (folder / "share/Slicer-5.12" / f"{name}.s4ext").is_file()
    return folder


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("system", SYSTEMS)
def test_installed_is_what_cmake_installs_and_no_more(extension, archives, tmp_path, system):
    folder = install_from_file(archives[system], tmp_path, system)
    assert folder.name == "LiverTumor"
    assert files_below(folder) == {f"{SCRIPTED}/{place}" for place in extension.files} | {
        "share/Slicer-5.12/LiverTumor.s4ext"
    }
    for place, path in extension.files.items():
        assert (folder / SCRIPTED / place).read_bytes() == path.read_bytes()
    assert not [name for name in names_in(archives[system]) if name.endswith((".pyc", "/")) or "__pycache__" in name]
    assert archives[system].name.startswith(f"{REVISION}-{system}-amd64-LiverTumor-git")
    assert archives[system].stat().st_size < 20e6


def test_the_description_is_what_the_extensions_manager_reads(extension, commit, archives, tmp_path):
    folder = install_from_file(archives["linux"], tmp_path, "linux")
    lines = (folder / "share/Slicer-5.12/LiverTumor.s4ext").read_text(encoding="utf-8").splitlines()
    read = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    assert len(read) == len(lines)
    assert read | extension.metadata == read
    assert read["scm"] == "git" and read["scmrevision"] == commit.hash and read["enabled"] == "1"
    assert read["scmurl"].startswith("https://")


def test_three_modules_run_from_the_one_folder(archives, tmp_path):
    """And models that the user has made stay when a newer archive takes the place of the extension."""
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LIVERTUMOR_MODELS")}
    environment |= {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "LOCALAPPDATA": str(home / "data"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    places = {"win32": home / "data", "darwin": home / "Library" / "Application Support"}
    mine = Manifest("mine", "1.0", "Mine", "liver", InputSpec((32, 32), 4.0), 0.5, {}, "mine alone")
    write_bundle(
        places.get(sys.platform, home / "data") / "LiverTumor" / "models" / "mine",
        mine,
        {MODEL: b"weights", "card.md": b"# Mine"},
    )
    install_from_file(archives["win"], tmp_path / "Extensions", "win")
    folder = install_from_file(archives["linux"], tmp_path / "Extensions", "linux")
    before = files_below(folder)

    session = SESSION.format(scripted=str(folder / SCRIPTED), standin=str(Path(__file__).parent))
    run = subprocess.run(
        [sys.executable, "-c", session], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert all(Path(file).is_relative_to(folder) for file in found["files"])
    shipped = {id: model for id, model in found["models"].items() if Path(model).is_relative_to(folder)}
    assert shipped.keys() == {"liver-roi", "liver-tumor", "tumor-slice"}
    assert found["models"].keys() - shipped.keys() == {"mine"}
    assert found["liver_ml"] == pytest.approx(found["true_ml"], rel=0.3)
    assert files_below(folder) == before


def test_the_same_commit_gives_the_same_bytes(extension, commit, archives, tmp_path):
    for system, archive in archives.items():
        again = write_archive(tmp_path, extension, commit, "5.12.3", REVISION, system)
        assert again.name == archive.name and again.read_bytes() == archive.read_bytes()
    assert len(files_below(tmp_path)) == len(SYSTEMS)


def test_another_release_of_slicer(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--release", "5.13.0", "--revision", "35000", "--os", "macosx"]) == 0
    (archive,) = tmp_path.iterdir()
    assert Path(capsys.readouterr().out.strip()) == archive
    top = f"{archive.name.removesuffix('.tar.gz')}/Slicer.app/Contents/Extensions-35000/LiverTumor"
    assert f"{top}/lib/Slicer-5.13/qt-scripted-modules/LiverTumorClassifier.py" in names_in(archive)


def test_wrong_calls_are_told(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), "--release", "5.99.0"])
    assert "say it with --revision" in capsys.readouterr().err
    assert set(REVISIONS) >= {"5.12.3"}
    monkeypatch.setattr(make_extension_archive, "read_commit", lambda: read_commit(tmp_path))
    assert main(["--out", str(tmp_path / "out")]) == 1
    assert "is not a git checkout" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
