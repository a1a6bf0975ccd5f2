"""`livertumor benchmark MODEL…`: size, speed and memory of model files, format by format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..settings import COUNT, add_settings, option, settings_from
from .options import add_events_option, add_overwrite_option, refuse_to_replace

FILES = ("benchmark.csv", "benchmark.json")


@dataclass(frozen=True)
class BenchmarkSettings:
    """How often and with how many threads everything is measured."""

    rounds: int = option(5, "repetitions of everything (default: %(default)s)", metavar="N", limit=COUNT)
    slices: int = option(20, "timed slices a process (default: %(default)s)", metavar="N", limit=COUNT)
    threads: tuple[int, ...] = option((1, 2), "thread counts (default: 1 2)", metavar="N", limit=COUNT)


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure size, speed and memory of models, format by format",
        description="Measure model files side by side on this machine: size (also after gzip), zeros among the "
        "weights, milliseconds a slice, time to the first result and memory, in Keras, in LiteRT with and without "
        "XNNPACK and in ONNX Runtime. Every measurement is a process of its own, and all take turns in every round. "
        "Do not use the machine for anything else meanwhile.",
    )
    models = "a .tflite, .onnx or .weights.h5 file, the folder of a training run, or a model by folder or id"
    parser.add_argument("models", nargs="+", metavar="MODEL", help=models)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for benchmark.csv and benchmark.json"
    )
    add_overwrite_option(parser, "a benchmark that is in the folder already")
    add_settings(parser, BenchmarkSettings)
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Measure, print the table, write the files."""
    from LiverTumorLib.files import write_json, write_table

    from ..evaluation.benchmark import benchmark, text_table
    from ..evaluation.formats import find_models
    from ..progress import reporting

    refuse_to_replace(args, FILES)
    settings = settings_from(BenchmarkSettings, args)
    with reporting(args.events, args.out) as report:
        result = benchmark(find_models(args.models), settings.rounds, settings.slices, settings.threads, report)
        write_table(args.out / FILES[0], result["rows"])
        write_json(args.out / FILES[1], result)
        versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        print(
            f"{result['processor']}, {result['cores']} cores, load {result['load_before']} before; {versions}; "
            f"{result['date']}"
        )
        print(text_table(result["rows"]))
    return 0
