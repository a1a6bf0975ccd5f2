"""`livertumor export-onnx BUNDLE`: an ONNX twin for a bundle that is there already."""

from __future__ import annotations

from pathlib import Path

from .options import add_events_option


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export-onnx",
        help="add an ONNX file to a model, for machines without LiteRT",
        description="Convert a model's TFLite file to ONNX with the same int8 weights, compare the two on a phantom, "
        "and add it to the model's folder and manifest as model.onnx. ONNX Runtime runs it where LiteRT does not exist "
        "(Intel macOS), or where the environment variable LIVERTUMOR_RUNTIME is 'onnx'. Needs TensorFlow: pip install "
        "'.[train]'.",
    )
    parser.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="folder of a model, with its manifest.json"
    )
    add_events_option(parser)
    parser.set_defaults(func=run)


def run(args) -> int:
    """Convert; raises RequirementError without TensorFlow or tf2onnx, ModelError for a damaged bundle or one that does
    not convert."""
    from ..requirement import need_trainer_packages

    need_trainer_packages("onnx", "onnxruntime", "tf2onnx")
    from ..export.onnx import add_twin
    from ..progress import reporting

    with reporting(args.events, args.bundles[0]) as report:
        for number, folder in enumerate(args.bundles):
            report("convert", number / len(args.bundles), folder.name, None)
            entry = add_twin(folder)
            mean, worst = entry["mean_difference"], entry["worst_difference"]
            print(
                f"{folder}: {entry['bytes']} bytes; difference from the TFLite file on a phantom: mean {mean:.4f}, "
                f"worst {worst:.4f}"
            )
    return 0
