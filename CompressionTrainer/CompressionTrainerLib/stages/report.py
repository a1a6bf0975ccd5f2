"""`livertumor report FOLDER…`: one page about trainings, evaluations and benchmarks."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..settings import add_settings, option, settings_from
from .options import add_events_option, add_overwrite_option


@dataclass(frozen=True)
class ReportSettings:
    """What the page is called."""

    title: str = option("Liver tumors on CT: report", "title of the page (default: %(default)s)", metavar="TEXT")


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="make one HTML page of trainings, evaluations and benchmarks",
        description="Put what is in the folders, and below them, on one HTML page that needs nothing beside it: "
        "training runs, tables of 'livertumor prepare', results of 'cross-validate', 'evaluate', 'compare', "
        "'benchmark' and 'saliency'. What is not there is left out. The numbers of the tables are written beside the "
        "page as CSV, and all together "
        "as JSON. Pictures of patients that are in the folders are in the page.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folder with results, searched with all folders below it",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the HTML file")
    add_settings(parser, ReportSettings)
    add_overwrite_option(parser, "a report that is there already")
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, draw, write.

    Raises:
        InputError: a folder does not exist, holds nothing for a report, or a file in it is damaged.
        OutputError: there is such a file already, or it cannot be written.
        RequirementError: matplotlib or jinja2 is not installed.
        UsageError: the page's name does not end in .html.
    """
    from importlib.util import find_spec

    from LiverTumorLib.errors import OutputError, RequirementError, UsageError

    from ..progress import reporting
    from ..reporting.inputs import read_inputs
    from ..reporting.page import write_page
    from ..reporting.sections import about, make_sections

    missing = [package for package in ("jinja2", "matplotlib") if find_spec(package) is None]
    if missing:
        raise RequirementError(f"The report needs {' and '.join(missing)}; install with: pip install '.[evaluate]'")
    if arguments.out.suffix != ".html":
        raise UsageError(f"{arguments.out}: the report is an HTML file; let its name end in .html.")
    if arguments.out.exists() and not arguments.overwrite:
        raise OutputError(f"{arguments.out} exists; choose another --out, or --overwrite.")
    with reporting(arguments.events, arguments.out.parent) as report:
        report("report", 0.0, "Reading and drawing", None)
        inputs, title = read_inputs(arguments.folders), settings_from(ReportSettings, arguments).title
        written = write_page(arguments.out, title, make_sections(inputs), about(inputs))
        print(f"{written[0]}, with {written[1].name} and {len(written) - 2} tables as CSV beside it.")
