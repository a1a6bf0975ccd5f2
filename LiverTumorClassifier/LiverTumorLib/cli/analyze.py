"""`livertumor segment` and `livertumor classify`: CT in, results out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..cluster.options import add_cluster_options, cluster_settings
from ..errors import UsageError
from ..records.options import DICOM_PAGES
from .options import add_run_options, run_options

_MOST_AT_ONCE = 4  # cases; each takes some hundred megabytes, and long ones a gigabyte
_TASKS = {
    "segment": (
        "segment liver and tumor, measure lesions, classify slices",
        (
            "Writes DIR/<case>/: <case>.seg.nrrd (opens in 3D Slicer), lesions.csv, slices.csv, summary.json, "
            "report.png; and DIR/cases.csv."
        ),
    ),
    "classify": (
        "give each axial slice its probability of holding tumor",
        "Writes DIR/<case>/: slices.csv, summary.json, report.png; and DIR/cases.csv.",
    ),
}


def add_parser(subparsers) -> None:
    """Add both commands."""
    for task, (title, files) in _TASKS.items():
        parser = subparsers.add_parser(task, help=title, description=f"{title[0].upper()}{title[1:]}. {files}")
        parser.add_argument(
            "inputs",
            metavar="INPUT",
            nargs="+",
            help=(
                "CT file (.nii, .nii.gz, .nrrd, .mha, DICOM), DICOM folder, folder of those (searched with its "
                "sub-folders), or pattern"
            ),
        )
        add_output_options(parser)
        if task == "segment":
            parser.add_argument("--nifti", action="store_true", help="also write a NIfTI label map (1 liver, 2 tumor)")
            parser.add_argument(
                "--dicom",
                action="store_true",
                help="also write DICOM objects (segmentation, report, page) of the study, and report.pdf",
            )
            parser.add_argument(
                "--dicom-page",
                choices=DICOM_PAGES,
                default=DICOM_PAGES[0],
                help="the page among the DICOM objects: an encapsulated PDF, or a picture (Secondary Capture) for"
                " archives that take no PDF (default: %(default)s)",
            )
            parser.add_argument(
                "--keep-probabilities", action="store_true", help="also write the probability maps, as NIfTI"
            )
        parser.add_argument(
            "--series", metavar="UID", help="which DICOM series of each input folder: UID, number or description"
        )
        add_run_options(parser, task)
        more = "; inputs and --out may then be fsspec addresses such as s3://bucket/folder"
        add_cluster_options(parser, "case", more)
        parser.set_defaults(func=run, task=task)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that writes results of cases."""
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results; made if it does not exist")
    parser.add_argument("--no-picture", dest="picture", action="store_false", help="do not draw report.png")
    parser.add_argument("--overwrite", action="store_true", help="replace results of other inputs or options")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(arguments: argparse.Namespace) -> None:
    """Run either command."""
    from ..batch.cases import find_cases
    from ..batch.display import Display
    from ..batch.runner import Batch
    from ..models.cpus import available_threads

    cluster = cluster_settings(arguments)
    if cluster is None:
        _refuse_addresses(arguments)
    out = Path(os.path.abspath(os.path.expanduser(arguments.out)))
    display = Display(arguments.quiet)
    options = run_options(arguments)
    batch = Batch(
        arguments.task,
        options,
        out,
        nifti=getattr(arguments, "nifti", False),
        picture=arguments.picture,
        dicom=getattr(arguments, "dicom", False),
        dicom_page=getattr(arguments, "dicom_page", DICOM_PAGES[0]),
        series=arguments.series,
        overwrite=arguments.overwrite,
        at_once=min(options.threads or available_threads(), _MOST_AT_ONCE),
    )
    if cluster is not None:
        from ..cluster.command import run_on_cluster

        run_on_cluster(batch, cluster, arguments, display)
        return
    inputs = find_cases(arguments.inputs, exclude=out, whole_folders=arguments.series is not None)
    for reason in inputs.skipped:
        display.say(f"Skipped {reason}")
    batch.say_licenses(display)
    batch.run(inputs.cases, display)


def _refuse_addresses(arguments: argparse.Namespace) -> None:
    """Raises UsageError for addresses, which only --cluster works on."""
    from ..cluster.places import is_address

    for text in (*arguments.inputs, arguments.out):
        if is_address(text):
            raise UsageError(f"{text} is an address; add --cluster local to work on it, or name a folder.")
