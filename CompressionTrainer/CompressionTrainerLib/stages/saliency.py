"""`livertumor saliency RUN CT`: where a trained slice classifier sees tumor."""

from __future__ import annotations

import argparse
from pathlib import Path

RECORD, PICTURE = "saliency.json", "saliency.png"


def add_parser(subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "saliency",
        help="show where a trained slice classifier sees tumor",
        description="Draw, for one axial slice, where the float network of a run sees tumor: the exact map of its "
        "cells, or Grad-CAM for a network with the head 'average'; and integrated gradients, which say what each pixel "
        "adds to the probability. Writes saliency.png and saliency.json. Needs TensorFlow: pip install '.[train]'.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a training run of the task 'slice'")
    parser.add_argument("ct", type=Path, metavar="CT", help="a CT (file or DICOM folder)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the picture; an earlier one is replaced"
    )
    slice_help = "axial slice, counted from the most inferior one, 0 (default: the one with the highest probability)"
    parser.add_argument("--slice", type=int, metavar="K", help=slice_help)
    weights = "which weights of the run: best on the val patients, or last (default: %(default)s)"
    parser.add_argument("--weights", choices=("best", "last"), default="best", help=weights)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> None:
    """Explain one slice.

    Raises:
        InputError: no run, a CT that cannot be read, or one without the liver that the network needs.
        RequirementError: TensorFlow is not installed.
        UsageError: the run is not of a slice classifier, or the CT has no such slice.
    """
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from LiverTumorLib.errors import UsageError
    from LiverTumorLib.files import write_json

    from ..evaluation.pictures import draw_saliency
    from ..evaluation.saliency import STEPS, evidence_map, integrated_gradients
    from ..networks.build import build_network
    from ..training.record import read_run

    config = read_run(arguments.run)
    if config.task != "slice":
        raise UsageError(f"{arguments.run} is a run of the task '{config.task}'; only those of 'slice' are explained.")
    inputs = _network_inputs(arguments.ct, config.input)
    if arguments.slice is not None and not 0 <= arguments.slice < len(inputs):
        raise UsageError(f"{arguments.ct} has the axial slices 0 to {len(inputs) - 1}, and no {arguments.slice}.")
    model = build_network(config)
    model.load_weights(arguments.run / f"{arguments.weights}.weights.h5")
    k = _most_suspicious(model, inputs) if arguments.slice is None else arguments.slice
    attribution = integrated_gradients(model, inputs[k])
    exact = "cell_probability" in model.output_names
    draw_saliency(arguments.out / PICTURE, inputs[k], evidence_map(model, inputs[k]), exact, attribution.values)
    record = {
        "run": config.name,
        "ct": arguments.ct.name,
        "slice": k,
        "probability": attribution.probability,
        "map": "cells" if exact else "Grad-CAM",
        "baseline_probability": attribution.baseline_probability,
        "attribution_gap": attribution.gap,
        "steps": STEPS,
        "picture": PICTURE,
    }
    write_json(arguments.out / RECORD, record)
    print(
        f"Slice {k}: probability of tumor {attribution.probability:.3f}; the attributions miss it by "
        f"{attribution.gap:.4f}."
    )


def _network_inputs(ct: Path, spec):
    """All axial slices of a CT as the network sees them, float32 (k, rows, columns, 3) in [-1, 1]; the same code as at
    inference."""
    import numpy as np
    from LiverTumorLib.ct import to_axial
    from LiverTumorLib.ct.canvas import lay_canvas, neighbor_channels, network_slices
    from LiverTumorLib.errors import InputError
    from LiverTumorLib.jobs import read_apart
    from LiverTumorLib.pipelines.segmentation import segment_case
    from LiverTumorLib.records.options import RunOptions

    volume, liver = to_axial(read_apart(ct)).volume, None
    if spec.region == "liver":
        liver = segment_case(volume, RunOptions(tumor=False, slices=False)).labels
        if liver is None or not liver.any():
            raise InputError(
                f"No liver was found in {ct}, and the network is one of the liver region; take a CT of the abdomen."
            )
    canvas, offset_hu = lay_canvas(spec, volume, liver)
    images = network_slices(volume, canvas, spec.window_hu, offset_hu=offset_hu, filters=spec.filters)
    offset = spec.neighbor_mm / float(volume.spacing[2])
    return np.stack([neighbor_channels(images, k, offset) for k in range(len(images))]).astype(np.float32) / 127.5 - 1


def _most_suspicious(model, inputs) -> int:
    from ..networks.config import PREDICT_BATCH

    outputs = model.predict(inputs, batch_size=PREDICT_BATCH, verbose=0)
    return int((outputs[0] if isinstance(outputs, list) else outputs)[:, 1].argmax())
