"""The documentation is true: its examples run, its links lead somewhere, its pictures are there."""

import re
import tomllib
from pathlib import Path

import LiverTumorLib
import pytest
from read_extension import ROOT

DOCS = ROOT / "Docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))|(?<=<img src=\")[^\"]+")


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links write them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = [
        link
        for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        if "://" not in link and not link.startswith("../../")
    ]  # the last are pages of GitHub
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_is_used():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES) + (ROOT / "CMakeLists.txt").read_text()
    assert len(PAGES) >= 5
    for file in [*DOCS.glob("*.md"), *DOCS.glob("schemas/*.json")]:
        assert f"{file.name})" in text or f"{file.name}#" in text, f"nothing links to {file.name}"
    for picture in (DOCS / "pictures").iterdir():
        assert picture.name in text
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 150_000, "keep the repository small"


def test_tables_are_whole():
    for page in PAGES:
        for table in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
            cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(cells) == 1, f"{page.name}: {table.splitlines()[0]}"


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130, "details belong on the pages in Docs"


def test_the_version_is_the_same_everywhere():
    version = LiverTumorLib.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert releases[0] == version
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dynamic"]


def test_the_paths_on_the_map_exist():
    """Files and folders that the page on development names, as `name/` or as a path with a suffix."""
    page = (DOCS / "development.md").read_text(encoding="utf-8")
    libraries = [ROOT / "LiverTumorClassifier" / "LiverTumorLib", ROOT / "CompressionTrainer" / "CompressionTrainerLib"]
    places = [
        ROOT,
        ROOT / "Testing" / "Python",
        *libraries,
        *(library.parent for library in libraries),
        libraries[0] / "models/shipped/liver-roi",
    ]
    paths = re.findall(r"`([\w./-]+(?:/|\.py|\.md|\.txt))`", page)
    assert len(paths) > 30
    for path in paths:
        if path != "stages/NAME.py":
            assert any((place / path).exists() for place in places), path


def test_the_examples_of_the_python_console_run(monkeypatch, tmp_path, capsys):
    pytest.importorskip("slicer_core", reason="slicer-core is not installed")
    pytest.importorskip("PySide6.QtWidgets", reason="PySide6 is not installed")
    import slicer
    from labeled_data import make_lits
    from LiverTumorLib.ct.canvas import InputSpec
    from LiverTumorLib.errors import Cancelled
    from LiverTumorLib.files.itk import image_from, import_sitk
    from LiverTumorLib.models.bundle import MODEL, write_bundle
    from LiverTumorLib.models.manifest import Manifest
    from mrml_scene import GRIDS, add_ct, make_ct
    from panel_tools import use_task
    from slicer_standin import application

    use_task(monkeypatch, "segment", "mrml_tasks:segment")
    use_task(monkeypatch, "classify", "mrml_tasks:classify")
    examples = [
        code
        for _, language, code in FENCE.findall((DOCS / "console.md").read_text(encoding="utf-8"))
        if language == "python"
    ]
    assert len(examples) >= 6
    assert all(len([line for line in code.splitlines() if line]) <= 6 for code in examples)
    monkeypatch.setenv("LIVERTUMOR_MODELS", str(tmp_path / "models"))
    make_lits(tmp_path / "labeled", [(3, 4)] * 8)
    manifest = Manifest("my-slices", "1.0", "Mine", "slice", InputSpec((32, 32), 4.0), 0.5, {}, "mine alone")
    write_bundle(
        tmp_path / "run" / "my-slices",
        manifest,
        {MODEL: b"in place of what a whole training would make", "card.md": b"# Mine"},
    )
    (tmp_path / "ct").mkdir()
    ct = make_ct(GRIDS["axial"])
    import_sitk().WriteImage(image_from(ct.array, ct.ijk_to_ras), str(tmp_path / "ct" / "a.nrrd"))
    with application.running():
        add_ct(slicer.mrmlScene)
        console = {"slicer": slicer}  # what has been typed before stays, as in Slicer's console
        for code in examples:
            exec(compile(code.replace("/data", str(tmp_path)), "console.md", "exec"), console)
        with pytest.raises(Cancelled):
            console["run"].wait()
    said = capsys.readouterr().out
    for expected in (
        *("ml 1 lesions", "ml of tumor", "most suspicious slice: ", "case,"),
        *("the split is frozen", "my-slices can be chosen", "roi_margin_mm"),
    ):
        assert expected in said
    assert (tmp_path / "results" / "a" / "a.seg.nrrd").is_file()
