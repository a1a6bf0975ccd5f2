"""`livertumor export RUN`: a trained run as an int8 bundle."""

from __future__ import annotations

from pathlib import Path


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("export", help="write a trained run as an int8 bundle")
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--data", type=Path, required=True, help="folder with CT and mask files")
    parser.add_argument("--split", type=Path, required=True, help="frozen patient-wise split (JSON)")
    parser.add_argument("--cache", type=Path, required=True, help="folder of prepared network slices")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; its name becomes the id")
    parser.add_argument("--version", default="0.1.0", help="version of the bundle (default %(default)s)")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of the run")
    parser.set_defaults(func=run)


def run(args) -> int:
    from .bundle import export_run

    bundle = export_run(args.run, args.data, args.split, args.cache, args.out, args.version, args.weights)
    print(f"{bundle.id} {bundle.manifest.version}: threshold {bundle.manifest.threshold:.2f}, {bundle.model.stat().st_size} bytes")
    return 0
