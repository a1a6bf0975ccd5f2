"""The `livertumor` command.

Each command is a module with `add_parser(subparsers)`, which sets `func` to a function from the parsed arguments to the
exit code (None is 0). To add a command, add its name and module to `COMMANDS`; heavy imports belong inside its
functions.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from typing import TextIO

from .. import __version__
from ..batch.display import visible
from ..batch.log import unexpected
from ..errors import Cancelled, LiverTumorError, OutputError

# By name the module that adds it; one whose package is not installed (the trainer's, say) is left out.
COMMANDS = {
    "segment": "LiverTumorLib.cli.analyze",
    "classify": "LiverTumorLib.cli.analyze",
    "demo": "LiverTumorLib.cli.demo",
    "follow": "LiverTumorLib.cli.follow",
    "listen": "LiverTumorLib.cli.listen",
    "models": "LiverTumorLib.cli.models",
    "view": "LiverTumorLib.cli.view",
    "compress": "CompressionTrainerLib.workflow.command",
    "prepare": "CompressionTrainerLib.stages.prepare",
    "evaluate": "CompressionTrainerLib.stages.evaluate",
    "compare": "CompressionTrainerLib.stages.compare",
    "saliency": "CompressionTrainerLib.stages.saliency",
    "report": "CompressionTrainerLib.stages.report",
    "benchmark": "CompressionTrainerLib.stages.benchmark",
    "train": "CompressionTrainerLib.stages.train",
    "cross-validate": "CompressionTrainerLib.stages.cross_validate",
    "prune": "CompressionTrainerLib.stages.prune",
    "slim": "CompressionTrainerLib.stages.slim",
    "distill": "CompressionTrainerLib.stages.distill",
    "quantize": "CompressionTrainerLib.stages.quantize",
    "export": "CompressionTrainerLib.stages.export",
    "variants": "CompressionTrainerLib.stages.export_variants",
    "export-onnx": "CompressionTrainerLib.stages.export_onnx",
    "float-twin": "CompressionTrainerLib.stages.float_twin",
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line; of one command only where `command` names one, so that no other is
    loaded."""
    parser = argparse.ArgumentParser(
        prog="livertumor",
        description="Liver and liver-tumor analysis of CT. For research; not a medical device.",
        epilog="'livertumor COMMAND --help' explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"livertumor {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = [COMMANDS[command]] if command in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in wanted:
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            importlib.import_module(module).add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code, and says any error in one sentence on stderr."""
    _open_standard_files()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that cannot show a name must not stop the run
    try:
        with _terminate_is_interrupt():
            words = sys.argv[1:] if argv is None else argv
            if not words:
                build_parser().print_help(sys.stderr)
                return 2
            arguments = build_parser(words[0]).parse_args(words)
            code = arguments.func(arguments) or 0
            print(end="", flush=True)  # where the reader of a pipe has gone, the flush at exit would say so on stderr
            return code
    except KeyboardInterrupt:
        return _fail(Cancelled("Stopped."))
    except LiverTumorError as error:
        return _fail(error)
    except BrokenPipeError:  # the reader of a pipe, `head` for one, has gone
        _mute(sys.stdout)
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
            _mute(sys.stdout)
            reason = "no space is left where it goes" if error.errno == errno.ENOSPC else error.strerror
            return _fail(
                OutputError(
                    f"Standard output cannot be written ({reason}); what it tells is lost, written files are whole."
                )
            )
        return _fail(unexpected(error))


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _fail(error: LiverTumorError) -> int:
    try:
        print(visible(f"livertumor: {error}"), file=sys.stderr, flush=True)
    except OSError:  # the exit code is all that can be told
        _mute(sys.stderr)
    return error.exit_code


def _mute(stream: TextIO) -> None:
    """What the stream still holds goes nowhere, or Python would complain of it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_standard_files() -> None:
    """Where whoever started us has closed one of the three, a file of ours would take its number, and get what is
    printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process


@contextlib.contextmanager
def _terminate_is_interrupt() -> Iterator[None]:
    """Clean up after a polite end from outside (a cluster's time limit, a shutdown) as after Ctrl-C."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
