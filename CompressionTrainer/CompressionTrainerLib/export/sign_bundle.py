"""Give models that were exported before there were signatures those of the CT that they were trained on.

`python -m CompressionTrainerLib.export.sign_bundle BUNDLE… --data DATA --split FILE`
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from LiverTumorLib.errors import InputError
from LiverTumorLib.models.bundle import CARD, load_bundle, write_bundle

from ..data.splits import SUBSETS, Split, load_split
from ..data.unseen import SIGNATURES, case_signature


def sign_bundle(folder: Path, split: Split) -> int:
    """Write the signatures of a bundle's training CT, which are found by their checksums, into its manifest; returns
    their number.

    Raises:
        ModelError: there is no bundle, or a damaged one.
        InputError: a CT that the model was trained on is not in the split, or not in its data folder.
    """
    bundle = load_bundle(folder)
    bundle.verify()
    checksums = set(bundle.manifest.training.get("train_ct_sha256", []))
    cases = [case for subset in SUBSETS for case in split.cases[subset] if split.ct_sha256(case) in checksums]
    split.verify(cases)
    if len(cases) < len(checksums):
        missing = len(checksums) - len(cases)
        raise InputError(
            f"{missing} CT of {bundle.id} are not in the split '{split.name}'; give the one it was trained on."
        )
    signatures = {case.id: signature.to_dict() for case in cases if (signature := case_signature(case, split))}
    manifest = replace(bundle.manifest, training=bundle.manifest.training | {SIGNATURES: signatures})
    files = {name: (folder / name).read_bytes() for name in (*manifest.files, CARD) if (folder / name).is_file()}
    write_bundle(folder, manifest, files)
    return len(signatures)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="folder of a model")
    parser.add_argument("--data", type=Path, required=True, help="folder with the CT")
    parser.add_argument("--split", type=Path, required=True, help="the split that the models were trained on")
    arguments = parser.parse_args()
    split = load_split(arguments.split, arguments.data)
    for bundle in arguments.bundles:
        print(f"{bundle.name}: {sign_bundle(bundle, split)} CT signed")


if __name__ == "__main__":
    main()
