"""The page: sections of text, tables and figures, as one HTML file that needs nothing beside it, and as CSV and
JSON."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from LiverTumorLib import __version__
from LiverTumorLib.atomic import atomic_path
from LiverTumorLib.files import write_json, write_table

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Text:
    """A paragraph; of `kind` "note" it is set off."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers.

    Attributes:
        name: of its CSV file.
        caption: above it.
        rows: dictionaries from column header to value. A row without a column of the others has a dash there; columns
            that say nothing leave.
        note: below it.
    """

    name: str
    caption: str
    rows: list[dict]
    note: str = ""

    def __post_init__(self) -> None:
        columns = dict.fromkeys(column for row in self.rows for column in row)
        told = [column for column in columns if any(row.get(column, "–") not in ("", "–") for row in self.rows)]
        object.__setattr__(self, "rows", [{column: row.get(column, "–") for column in told} for row in self.rows])


@dataclass(frozen=True)
class Figure:
    """A picture as a data URI, with a caption that says what to see, and `name` for those who look for it."""

    name: str
    caption: str
    uri: str


@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    title: str
    blocks: list[Text | Table | Figure] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return slug(self.title)


def slug(text: str) -> str:
    """A text as the name of a file or of a place on the page."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")


def write_page(path: Path, title: str, sections: list[Section], about: dict) -> list[Path]:
    """Write the HTML file, the JSON file beside it, and a CSV file for each table into STEM-tables; returns their
    paths.

    Raises:
        OutputError: a file cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["number"] = lambda value: isinstance(value, (int, float))
    environment.filters["unbroken"] = _unbroken
    text = environment.get_template(TEMPLATE).render(title=title, sections=sections, about=about, version=__version__)
    written = [path, path.with_suffix(".json")]
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    tables = [block for section in sections for block in section.blocks if isinstance(block, Table)]
    write_json(written[1], {"title": title, "about": about, "tables": [asdict(table) for table in tables]})
    folder = path.with_name(f"{path.stem}-tables")
    for earlier in folder.glob("*.csv"):
        earlier.unlink()  # of a report that is replaced, which had other tables
    for table in tables:
        written.append(folder / f"{table.name}.csv")
        write_table(written[-1], table.rows)
    return written


def _unbroken(value: object) -> str:
    """The text of a table's cell, in which no line ends within an interval."""
    return re.sub(r"\(\S+ to \S+\)", lambda match: match[0].replace(" ", "\u00a0"), str(value))
