"""`livertumor view`: results in a browser."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "view",
        help="look at results in a browser",
        description="Show the CT of finished cases with the outlines, in Slicer's slice and 3-D views, beside the"
        " table of lesions, whose rows jump. Prints the address to open, which holds a token; without it nothing is"
        " shown. Only this computer reaches it unless --host says otherwise. Needs pip install 'livertumor[view]' in"
        " an environment of its own.",
    )
    parser.add_argument("cases", metavar="CASE", type=Path, nargs="+", help="folder with the results of one case")
    parser.add_argument("--ct", metavar="PATH", type=Path, help="where the CT lies now, if it has moved (for one CASE)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at (default: a free one)")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="file with the token (default: a new one)")
    parser.add_argument(
        "--idle-minutes",
        metavar="N",
        type=float,
        default=0,
        help="end when no browser has been connected for so long (default: run until stopped)",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve until the process is stopped."""
    from ..errors import UsageError
    from ..view.case import find_case
    from ..view.server import require_viewer, serve

    if arguments.ct is not None and len(arguments.cases) > 1:
        raise UsageError("--ct says where the CT of one CASE lies; name one CASE.")
    require_viewer()
    cases = [find_case(folder.resolve(), arguments.ct and arguments.ct.resolve()) for folder in arguments.cases]
    serve(cases, arguments.host, arguments.port, arguments.token_file, arguments.idle_minutes)
