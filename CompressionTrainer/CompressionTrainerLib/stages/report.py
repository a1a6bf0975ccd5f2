"""`livertumor report FOLDER…`: one page about trainings, evaluations and benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="make one HTML page of trainings, evaluations and benchmarks",
        description="Put what is in the folders, and below them, on one HTML page that needs nothing beside it: training runs, tables of "
        "'livertumor prepare', results of 'evaluate', 'compare', 'benchmark' and 'saliency'. What is not there is left out. The numbers of "
        "the tables are written beside the page as CSV, and all together as JSON. Pictures of patients that are in the folders are in the "
        "page.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folder with results, searched with all folders below it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the HTML file")
    parser.add_argument("--title", default="Liver tumors on CT: report", metavar="TEXT", help="title of the page (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace a report that is there already")
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
    inputs = read_inputs(arguments.folders)
    written = write_page(arguments.out, arguments.title, make_sections(inputs), about(inputs))
    print(f"{written[0]}, with {written[1].name} and {len(written) - 2} tables as CSV beside it.")
