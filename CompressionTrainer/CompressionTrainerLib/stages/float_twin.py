"""`livertumor float-twin BUNDLE`: what an int8 model would answer without rounding."""

from __future__ import annotations

from pathlib import Path


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "float-twin",
        help="make the float network of an int8 model, to compare the two",
        description="Write the network of an int8 model with the same weights and no rounding between its layers, as a "
        "model of its own. 'livertumor evaluate --float-liver-model DIR/ID' then measures what int8 arithmetic costs.",
    )
    parser.add_argument("bundles", nargs="+", metavar="MODEL", help="id or folder of a model")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the twins, each under its model's id"
    )
    parser.set_defaults(func=run)


def run(args) -> int:
    """Write the twins; raises ModelError for no model, a damaged or a float one, OutputError where there is a twin
    already."""
    from LiverTumorLib.models.bundle import MODEL
    from LiverTumorLib.models.catalogue import get_bundle

    from ..export.float_twin import write_float_twin

    for name in args.bundles:
        bundle = get_bundle(name)
        twin = write_float_twin(bundle, args.out / bundle.id)
        print(f"{twin.folder}: {twin.manifest.files[MODEL]['bytes']} bytes")
    return 0
