"""`livertumor benchmark MODEL…`: size, speed and memory of model files, format by format."""

from __future__ import annotations

from pathlib import Path

FILES = ("benchmark.csv", "benchmark.json")


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure size, speed and memory of models, format by format",
        description="Measure model files side by side on this machine: size (also after gzip), zeros among the weights, milliseconds a "
        "slice, time to the first result and memory, in Keras, in LiteRT with and without XNNPACK and in ONNX Runtime. Every measurement "
        "is a process of its own, and all take turns in every round. Leave the machine alone meanwhile.",
    )
    models = "a .tflite, .onnx or .weights.h5 file, the folder of a training run, or a model by folder or id"
    parser.add_argument("models", nargs="+", metavar="MODEL", help=models)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for benchmark.csv and benchmark.json")
    parser.add_argument("--overwrite", action="store_true", help="replace a benchmark that is in the folder already")
    parser.add_argument("--rounds", type=_count, default=5, metavar="N", help="repetitions of everything (default: %(default)s)")
    parser.add_argument("--slices", type=_count, default=20, metavar="N", help="timed slices a process (default: %(default)s)")
    parser.add_argument("--threads", type=_count, nargs="+", default=[1, 2], metavar="N", help="thread counts (default: 1 2)")
    parser.set_defaults(func=run)


def run(args) -> int:
    """Measure, print the table, write the files."""
    import sys

    from LiverTumorLib.errors import OutputError
    from LiverTumorLib.files import write_json, write_table

    from ..evaluation.benchmark import benchmark, text_table
    from ..evaluation.formats import find_models

    existing = [args.out / name for name in FILES if (args.out / name).exists()]
    if existing and not args.overwrite:
        raise OutputError(f"{existing[0]} exists; choose another --out, or --overwrite.")
    models = find_models(args.models)
    result = benchmark(models, args.rounds, args.slices, args.threads, lambda text: print(text, file=sys.stderr, flush=True))
    write_table(args.out / FILES[0], result["rows"])
    write_json(args.out / FILES[1], result)
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    print(f"{result['processor']}, {result['cores']} cores, load {result['load_before']} before; {versions}; {result['date']}")
    print(text_table(result["rows"]))
    return 0


def _count(text: str) -> int:
    """A whole number above 0; argparse says what is wrong otherwise."""
    import argparse

    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number above 0")
    return int(text)
