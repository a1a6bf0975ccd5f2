"""`livertumor models`: which models there are, their cards, and whether they are whole."""

from __future__ import annotations

import argparse

from ..errors import LiverTumorError, ModelError


def add_parser(subparsers) -> None:
    """Add the command and its own sub-commands."""
    parser = subparsers.add_parser(
        "models", help="list the models, show a card, verify checksums", description="The installed models."
    )
    parser.set_defaults(func=show_list)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    show = commands.add_parser("show", help="print a model's card", description="Print a model's card.")
    show.add_argument("model", metavar="ID", help="id or folder of a model bundle")
    show.set_defaults(func=show_card)
    verify = commands.add_parser(
        "verify", help="compare models with their checksums", description="Compare models with their checksums."
    )
    verify.add_argument(
        "models", metavar="ID", nargs="*", help="ids or folders of model bundles; by default all installed ones"
    )
    verify.set_defaults(func=verify_models)


def show_list(arguments: argparse.Namespace) -> None:
    """Print one line for each model."""
    from ..models.catalogue import list_bundles, user_folder

    header = ("id", "title", "task", "size", "version", "where")
    rows = [
        (
            bundle.id,
            bundle.title,
            bundle.manifest.task,
            f"{_megabytes(bundle):.1f} MB",
            bundle.manifest.version,
            str(bundle.folder),
        )
        for bundle in list_bundles()
    ]
    if not rows:
        raise ModelError("No model is installed.")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"Your own models belong in {user_folder()}.")


def show_card(arguments: argparse.Namespace) -> None:
    """Print the card of a model."""
    from ..models.catalogue import get_bundle

    bundle = get_bundle(arguments.model)
    if not bundle.card:
        raise ModelError(f"Model '{bundle.id}' in {bundle.folder} has no card.")
    print(bundle.card)


def verify_models(arguments: argparse.Namespace) -> None:
    """Verify models one by one; raises ModelError at the end when any is not as it should be."""
    from ..models.bundle import load_bundle
    from ..models.catalogue import bundle_folders, get_bundle

    bad = 0
    loaders = [lambda name=name: get_bundle(name) for name in arguments.models] or [
        lambda folder=folder: load_bundle(folder) for folder in bundle_folders()
    ]
    for load in loaders:
        try:
            bundle = load()
            bundle.verify()
            print(f"{bundle.id}: all files are as its manifest says ({bundle.folder})")
        except LiverTumorError as error:
            bad += 1
            print(error)
    if bad or not loaders:
        raise ModelError(f"{bad} of {len(loaders)} models cannot be used." if loaders else "No model is installed.")


def _megabytes(bundle) -> float:
    return sum(entry.get("bytes", 0) for entry in bundle.manifest.files.values()) / 1e6
