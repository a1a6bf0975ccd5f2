"""`livertumor demo`: the whole way from a CT to results, on a digital phantom whose truth is known."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import OutputError
from .analyze import add_output_options
from .options import add_run_options, run_options

_SEED = 1
_NAME = "phantom-ct"


def add_parser(subparsers) -> None:
    """Add the command."""
    text = "Make a digital phantom, segment it and compare with its truth: a check of the installation."
    parser = subparsers.add_parser("demo", help="check the installation on a digital phantom", description=text)
    add_output_options(parser)
    add_run_options(parser, "segment")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Write phantom and truth, segment the phantom as any CT, print the agreement."""
    from ..batch.cases import Case
    from ..batch.display import Display
    from ..batch.runner import Batch
    from ..files import read_labels
    from ..metrics import Counts
    from ..phantom import make_phantom

    out = Path(os.path.abspath(os.path.expanduser(arguments.out)))
    display = Display(arguments.quiet)
    batch = Batch("segment", run_options(arguments), out, picture=arguments.picture, overwrite=arguments.overwrite)
    batch.prepare_folder()
    display.begin(1, 1, "demo")
    display.progress("phantom", message="making the phantom")
    volume, truth = make_phantom(seed=_SEED)
    image = out / f"{_NAME}.nii.gz"
    _write_phantom(image, out / "phantom-truth.nii.gz", volume, truth, arguments.overwrite)
    batch.truths[_NAME] = truth
    batch.run([Case(_NAME, image, is_dicom=False)], display)
    labels, _ = read_labels(out / _NAME / f"{_NAME}.seg.nrrd")
    dice = {"liver": Counts.of(labels > 0, truth > 0).dice, "tumor": Counts.of(labels == 2, truth == 2).dice}
    figures = ", ".join(f"{structure} {value:.3f}" for structure, value in dice.items())
    display.say(f"Dice against the phantom's truth: {figures} (installation check, not accuracy)")
    display.say(
        f"Phantom, truth and results are in {out}; {_NAME}/report.png shows them, {_NAME}/{_NAME}.seg.nrrd opens in 3D "
        "Slicer."
    )


def _write_phantom(image: Path, truth_path: Path, volume, truth, overwrite: bool) -> None:
    """Write the phantom unless it is there already, so that a second run finds its results done."""
    import numpy as np

    from ..batch.folder import write_volume
    from ..files import read_ct, write_label_nifti

    if image.exists() and not overwrite:
        present = read_ct(image)
        if not np.array_equal(present.array, volume.array):
            raise OutputError(
                f"{image} is another image than this version's phantom; use --overwrite, or another --out."
            )
    else:
        write_volume(image, volume.array, volume.ijk_to_ras)
    if overwrite or not truth_path.exists():
        write_label_nifti(truth_path, truth, volume.ijk_to_ras)
