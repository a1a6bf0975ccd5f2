"""Segment or classify many CTs with Slicer and no window:

    Slicer --no-splash --no-main-window --python-script .../LiverTumorBatch.py -- IN OUT

Type LiverSegmentationMobileUNetLogic.batchScript() in Slicer's Python console to see where this file is.

IN is a CT file (NIfTI, NRRD, MetaImage), a DICOM folder or a folder of those; more than one may be given. OUT gets a
folder of results for each, and cases.csv. Finished cases are not done again when the same command is given once more.

    --task classify   slice probabilities only
    --install         first install the packages that the analysis needs into Slicer's Python, without asking
    --overwrite       replace results of other inputs or options in OUT

Slicer ends with 0 where all went well; otherwise one sentence says what is wrong, and the exit code is that of
LiverTumorLib.errors (2 wrong call, 3 input, 4 output, 5 model, 6 missing package, 7 the child process died, 8 some
cases failed). Slicer.exe of Windows shows no output; there cases.csv and the exit code tell.
"""

import argparse
import importlib.util
import sys


def main(arguments):
    """Run the batch; returns the exit code."""
    if arguments[:1] == ["--"]:  # which Slicer hands on
        arguments = arguments[1:]
    options = _parse(arguments)
    if options is None:
        return 2
    try:
        from LiverTumorLib.errors import LiverTumorError

        from LiverSegmentationMobileUNet import LiverSegmentationMobileUNetLogic
        from LiverTumorClassifier import LiverTumorClassifierLogic
    except ImportError as error:
        return _fail(
            f"The LiverTumor extension is not installed in this Slicer, or its module paths are not set ({error}).", 6
        )
    logic = {"segment": LiverSegmentationMobileUNetLogic, "classify": LiverTumorClassifierLogic}[options.task]()
    try:
        if options.install:
            _install()
        picture = importlib.util.find_spec("matplotlib") is not None  # which Slicer does not bring
        table = logic.processFolder(
            options.inputs, options.out, picture=picture, overwrite=options.overwrite, progressCallback=_Progress()
        )
    except LiverTumorError as error:
        return _fail(error, error.exit_code)
    print(f"Done: {table}", flush=True)
    return 0


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="LiverTumorBatch.py",
        usage="Slicer ... --python-script LiverTumorBatch.py -- IN [IN ...] OUT",
        add_help=False,
    )
    parser.add_argument("inputs", metavar="IN", nargs="+")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--task", choices=["segment", "classify"], default="segment")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    try:
        return parser.parse_args(arguments)
    except SystemExit:  # it has said what is wrong
        return None


def _install():
    """Raises RequirementError."""
    from pathlib import Path

    import slicer.packaging
    from LiverTumorLib.errors import RequirementError

    import LiverSegmentationMobileUNet

    listed = (
        Path(LiverSegmentationMobileUNet.__file__).parent / "Resources" / "LiverSegmentationMobileUNetRequirements.txt"
    )
    needed = slicer.packaging.load_requirements(listed)
    try:
        slicer.packaging.pip_ensure(needed, prompt_install=False, prompt_restart=False, show_progress=False)
    except Exception as error:  # whatever pip says
        raise RequirementError(
            f"{', '.join(map(str, needed))} could not be installed into Slicer's Python: {error}"
        ) from error


class _Progress:
    """A line for each stage of each case."""

    def __init__(self):
        self._last = None

    def __call__(self, stage, fraction, message):
        step = (stage, message.partition(":")[0])
        if step != self._last:
            print(f"{100 * fraction:3.0f} %  {message}", flush=True)
            self._last = step


def _fail(sentence, exit_code):
    print(f"LiverTumorBatch.py: {sentence}", file=sys.stderr, flush=True)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
