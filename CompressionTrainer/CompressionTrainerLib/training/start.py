"""The weights that a training starts from: those of an earlier run, or of an exported model, the shipped ones among
them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from LiverTumorLib.errors import InputError, ModelError, UsageError
from LiverTumorLib.models.bundle import MODEL
from LiverTumorLib.models.catalogue import get_bundle, is_path

from ..data.splits import Split
from ..data.unseen import seen_cases, warn_of_names
from ..networks.mobilenet_v2 import folded_batch_norm
from .config import config_from_dict
from .record import RECORD, is_run, is_tflite, read_record, run_of, training_of

HEAD_LAYERS = ("logits", "cells")  # which networks of every architecture have


def start_file(words: str, folder: Path = Path()) -> Path:
    """The file behind what a user names: weights (.h5), or a model by its id, folder or TFLite file; `check_start` says
    what is wrong.

    Files and folders are looked for in `folder`.
    """
    if not is_path(words):
        with contextlib.suppress(ModelError):
            return get_bundle(words).model
    path = folder / words
    return path / MODEL if path.is_dir() else path


def check_start(path: Path | None) -> None:
    """Raises InputError where the weights to start from are missing or no such file."""
    if path is None:
        return
    if not path.is_file():
        raise InputError(
            f"{path}, whose weights training should start from, is missing; check its name ('livertumor models' lists "
            "the models that can be named by id), or leave out --start."
        )
    with open(path, "rb") as file:
        begin = file.read(8)
    if begin != b"\x89HDF\r\n\x1a\n" and begin[4:] != b"TFL3":
        raise InputError(
            f"{path} holds no weights (it is neither HDF5 nor TFLite); give last.weights.h5 of a run, or a model."
        )


def check_unseen_start(path: Path | None, split: Split) -> None:
    """Raises UsageError where the weights to start from know patients that are to choose (a refit has none), or to be
    the last test.

    That is known of a model with its manifest, and of weights beside the record of their run.
    """
    training = training_of(path)
    for subset in ("val", "test"):
        if seen := seen_cases(training, split, subset):
            raise UsageError(
                f"{path} was trained on the cases {', '.join(seen)} of '{subset}', so figures on them would say "
                "nothing about new patients; start from earlier weights, from random ones (compress: '--start none'), "
                "or choose another split."
            )
    if path and split.kind == "patient":
        warn_of_names(
            str(path), training, (case.ct for subset in ("val", "test") for case in split.cases.get(subset, []))
        )


def load_start(model, path: Path) -> None:
    """Fill the layers of a network that have the same name and shape in the file; the others stay as they are.

    An exported model has batch norms folded into what is before them. They become the identity plus its bias; see
    `reestimate_batch_norm`, which makes them trainable.

    Raises:
        UsageError: no layer matches.
    """
    if not is_tflite(path):
        _fill_by_name(model, path)
        return
    from ..networks.tflite_file import keras_weights

    layers = {layer.name: layer for layer in model.layers if hasattr(layer, "use_bias")}
    filled = 0
    for name, (kernel, bias) in keras_weights(path.read_bytes()).items():
        # Such as "mobilenet_v2/quant_Conv1/Conv2D;mobilenet_v2/quant_Conv1/LastValueQuant/…".
        parts = [part.removeprefix("quant_") for part in name.replace(";", "/").split("/")]
        layer = next((layers[part] for part in parts if part in layers), None)
        filled += layer is not None and _fill(layer, kernel, bias)
    if not filled:
        raise UsageError(
            f"No layer of {path} matches one of this network; start from a model of the same architecture."
        )


def _fill_by_name(model, path: Path) -> None:
    """From the weights of a run. Their file knows layers by kind and order only, so the network that it is of is built
    again."""
    run = run_of(path)
    if not is_run(run):
        raise InputError(
            f"{path} has no {RECORD} beside it, which says what network its weights are of; give the file in its run's "
            "folder."
        )
    try:
        source = {layer.name: layer.get_weights() for layer in _network_of(run, path).layers}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} holds no weights of the run in {run}: it is damaged, or of another run.") from error
    alike = 0
    for layer in model.layers:
        weights = source.get(layer.name, [])
        if weights and [values.shape for values in weights] == [values.shape for values in layer.get_weights()]:
            layer.set_weights(weights)
            alike += layer.name not in HEAD_LAYERS and weights[0].ndim == 4
    if not alike:
        raise UsageError(
            f"No layer of {path} matches one of this network; start from weights of the same architecture."
        )


def _network_of(run: Path, path: Path):
    """The float network of a run with the weights of one of its files, those of its quantization among them."""
    from ..networks.build import build_network
    from ..networks.quantization import copy_float_weights, quantization_aware

    network = build_network(config_from_dict(read_record(run)["config"]))
    if run == path.parent:
        network.load_weights(path)
    else:
        aware = quantization_aware(network)
        aware.load_weights(path)
        copy_float_weights(aware, network)
    return network


def _fill(layer, kernel: np.ndarray, bias: np.ndarray | None) -> bool:
    """Whether a layer, and the batch norm behind it where it has no bias itself, took these values."""
    if layer.get_weights()[0].shape != kernel.shape:
        return False
    bias = np.zeros(layer.output_shape[-1], np.float32) if bias is None else bias
    if layer.use_bias:
        layer.set_weights([kernel, bias])
        return True
    layer.set_weights([kernel])
    norm = layer.outbound_nodes[0].outbound_layer
    norm.set_weights(folded_batch_norm(norm, bias))
    return True
