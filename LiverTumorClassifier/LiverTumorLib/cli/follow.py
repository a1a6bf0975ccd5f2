"""`livertumor follow`: two or more CT of one patient in, pairs of lesions and the response out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import UsageError
from .analyze import add_output_options
from .options import add_run_options, run_options

_TITLE = "follow lesions over two or more CT of one patient: pairs, RECIST 1.1, growth"
_FILES = (
    "Writes DIR/follow-up/: report.png and report.pdf, plot.png, lesions.csv, response.csv, pairs.csv, followup.json;"
    " and DIR/segmented/ for CT without labels. The response is that of the liver alone."
)


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("follow", help=_TITLE, description=f"{_TITLE[0].upper()}{_TITLE[1:]}. {_FILES}")
    parser.add_argument(
        "prior", metavar="PRIOR", help="the earliest CT, or its folder of results of 'livertumor segment'"
    )
    parser.add_argument(
        "current", metavar="CURRENT", nargs="+", help="the CT after it, and more dates if there are any"
    )
    add_output_options(parser)
    parser.add_argument(
        "--labels",
        metavar="FILE",
        nargs="+",
        default=[],
        help="labels of each CT (1 liver, 2 tumor), in the same order; - segments it",
    )
    parser.add_argument(
        "--dates", metavar="DAY", nargs="+", default=[], help="day of each CT, YYYY-MM-DD (default: DICOM StudyDate)"
    )
    parser.add_argument(
        "--targets",
        metavar="N,N",
        help="target lesions, by their numbers at the first date (default: the two longest, from 10 mm on)",
    )
    parser.add_argument(
        "--pairs", metavar="CSV", help="pairs by hand, a table as pairs.csv; the rest is paired as usual"
    )
    parser.add_argument(
        "--same-patient", action="store_true", help="the CT are of one patient, whatever their headers say"
    )
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="also write a DICOM structured report of each date that is from DICOM; lesions keep their tracking UIDs",
    )
    parser.add_argument("--series", metavar="UID", help="which DICOM series of each folder: UID, number or description")
    add_run_options(parser, "segment")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..batch.display import Display
    from ..batch.follow import Request, check_out, run_follow_up
    from ..followup import FollowOptions
    from ..followup.byhand import read_pairs

    out = Path(os.path.abspath(os.path.expanduser(arguments.out)))
    inputs = [arguments.prior, *arguments.current]
    check_out(out, inputs)
    pairs = tuple(read_pairs(Path(arguments.pairs).expanduser())) if arguments.pairs else ()
    options = FollowOptions(_targets(arguments.targets), pairs, arguments.same_patient)
    request = Request(
        inputs=inputs,
        labels=arguments.labels,
        dates=arguments.dates,
        out=out,
        follow=options,
        run=run_options(arguments),
        series=arguments.series,
        picture=arguments.picture,
        dicom=arguments.dicom,
        overwrite=arguments.overwrite,
    )
    run_follow_up(request, Display(arguments.quiet))


def _targets(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--targets {text}: give lesion numbers of the first date, such as 1,3.") from None
