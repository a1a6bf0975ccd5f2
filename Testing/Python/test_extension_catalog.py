"""The entry for Slicer's ExtensionsIndex and the EXTENSION_ variables of CMakeLists.txt: what the index checks, and
that both agree."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from read_extension import CATALOG_ENTRY, ROOT, catalog_entry, find_cmake, read_extension

# What schema 1.0.2 of the index allows in an entry; the first three it requires.
KEYS = [
    *("$schema", "category", "scm_url"),
    *("scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "dicom_support_rule", "enabled", "tier"),
]


@pytest.fixture(scope="module")
def extension():
    return read_extension()


def test_the_entry_keeps_to_the_schema():
    entry = catalog_entry()
    assert set(KEYS[:3]) <= set(entry) <= set(KEYS)
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["category"] == "Segmentation"
    assert entry["build_dependencies"] == []
    assert entry["tier"] in range(1, 6)
    assert CATALOG_ENTRY.read_bytes().count(b"\r") == 0


def test_the_entry_and_cmake_say_the_same(extension):
    entry = catalog_entry()
    assert CATALOG_ENTRY.stem == extension.name
    assert extension.metadata["category"] == entry["category"]
    assert extension.metadata["homepage"] == entry["scm_url"]
    assert extension.metadata["depends"] == (" ".join(entry["build_dependencies"]) or "NA")


def test_names_are_as_the_index_wants_them(extension):
    repository = urlsplit(catalog_entry()["scm_url"]).path.rsplit("/", 1)[1]
    assert not extension.name.lower().startswith("slicer")
    assert repository == f"Slicer{extension.name}"
    assert (ROOT / "LICENSE").is_file()


def test_what_is_said_of_the_extension(extension):
    metadata = extension.metadata
    assert metadata["contributors"] == "LiverTumor developers (SlicerLiverTumor)"
    assert metadata["description"].count(". ") + metadata["description"].endswith(".") in (1, 2)  # one or two sentences
    # The weights are not under the code's license.
    assert "LiTS" in metadata["description"] and "research" in metadata["description"]


@pytest.mark.parametrize("variable, least", [("iconurl", 1), ("screenshoturls", 2)])
def test_pictures_lie_where_the_links_lead(extension, variable, least):
    """The index looks for one quoted string, and fetches what it names."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(rf'set\s*\(EXTENSION_{variable.upper()}\s*"([^"]+)"[ ]*\)', text)
    urls = extension.metadata[variable].split()
    start = catalog_entry()["scm_url"].replace("https://github.com", "https://raw.githubusercontent.com") + "/main/"
    assert len(urls) >= least
    for url in urls:
        assert url.startswith(start)
        assert (ROOT / url.removeprefix(start)).read_bytes().startswith(b"\x89PNG")


def broken(tmp_path, module: str) -> str:
    """What is said of an extension whose one module has that CMakeLists.txt."""
    (tmp_path / "Module").mkdir()
    (tmp_path / "CMakeLists.txt").write_text("project(Broken)\nfind_package(Slicer)\nadd_subdirectory(Module)\n")
    (tmp_path / "Module" / "CMakeLists.txt").write_text(module)
    (tmp_path / "Module" / "there.py").touch()
    with pytest.raises(RuntimeError) as raised:
        read_extension(tmp_path)
    return " ".join(str(raised.value).split())  # CMake breaks lines


def test_a_listed_file_that_is_not_there_is_named(tmp_path):
    said = broken(tmp_path, "slicerMacroBuildScriptedModule(NAME Module SCRIPTS there.py RESOURCES away.ui)")
    assert "away.ui, which is not there" in said


def test_a_keyword_that_slicer_does_not_know_is_refused(tmp_path):
    assert "TITLE;Mine" in broken(tmp_path, "slicerMacroBuildScriptedModule(TITLE Mine NAME Module SCRIPTS there.py)")


def test_two_files_at_one_place_are_refused(tmp_path):
    twice = "slicerMacroBuildScriptedModule(NAME Module SCRIPTS there.py)\n"
    assert "both be installed as there.py" in broken(tmp_path, twice * 2)


def test_without_cmake_it_says_how_to_get_it(monkeypatch):
    assert subprocess.run([find_cmake(), "--version"], capture_output=True, check=True).stdout.startswith(b"cmake")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="pip install cmake"):
        find_cmake()
