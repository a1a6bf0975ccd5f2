"""Model files of all formats: where they are, how big they are, and how many of their weights are zero."""

from __future__ import annotations

import gzip
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from LiverTumorLib.errors import InputError, LiverTumorError, ModelError, RequirementError
from LiverTumorLib.models.bundle import MODEL, ONNX
from LiverTumorLib.models.catalogue import get_bundle

from ..networks.tflite_file import Kernel, kernels, sparsity
from ..training.record import RECORD, is_run, read_run

WEIGHTS = "best.weights.h5"


@dataclass(frozen=True)
class ModelFile:
    """One file with a network; `kind` is "keras" (weights of a run, beside its run.json), "tflite" or "onnx"."""

    path: Path
    kind: str

    @property
    def name(self) -> str:
        """The file with its folder, which is what tells one model.tflite from another."""
        return "/".join(self.path.resolve().parts[-2:])


def find_models(places: list[str]) -> list[ModelFile]:
    """The files behind what a user names: a .tflite, .onnx or .weights.h5 file, the folder of a training run, a bundle
    by folder or id.

    Raises:
        InputError: there is no such thing.
    """
    return list(dict.fromkeys(model for place in places for model in _models_at(place)))


def describe(model: ModelFile) -> dict:
    """Sizes in bytes and what the kernels hold, all read from the file.

    "sparsity" is the share of zeros over the kernels that pruning touches, all but the depthwise ones. Of a Keras
    network the size with Adam's state and the size without are given too, which is what most of the "compression" in
    the literature consists of; its
    "gzip_bytes" are those of the weights without Adam's state, whatever the file holds.

    Raises:
        ModelError: the file cannot be read as a network.
        RequirementError: the package that reads the format is missing.
    """
    content = model.path.read_bytes()
    sizes = {"bytes": len(content), "gzip_bytes": len(gzip.compress(content, 9))}
    try:
        if model.kind == "keras":
            found, more = _keras_kernels_and_sizes(model.path)
            sizes |= more
        else:
            found = kernels(content) if model.kind == "tflite" else _onnx_kernels(content)
    except LiverTumorError:
        raise
    except ImportError as error:
        raise RequirementError(
            f"Reading {model.path} needs the package {error.name}: pip install {error.name}."
        ) from error
    except Exception as error:  # h5py, flatbuffers and protobuf each have their own
        raise ModelError(f"{model.path} cannot be read as a network ({str(error).partition(chr(10))[0]}).") from error
    weights: Counter[str] = Counter()
    for kernel in found:
        weights[kernel.dtype] += kernel.weights
    return {
        **sizes,
        "kernel_weights": weights.total(),
        "weights": weights.most_common(1)[0][0],
        "sparsity": sparsity(found),
    }


def _models_at(place: str) -> list[ModelFile]:
    path = Path(place)
    if path.is_file() and path.suffix in (".tflite", ".onnx"):
        return [ModelFile(path, path.suffix[1:])]
    if path.is_file() and path.suffix == ".h5" and is_run(path.parent):
        return [ModelFile(path, "keras")]
    if is_run(path):
        if not (path / WEIGHTS).is_file():
            raise InputError(f"{path} has no {WEIGHTS}; is its training finished?")
        return [ModelFile(path / WEIGHTS, "keras")]
    try:
        bundle = get_bundle(place)
    except ModelError as error:
        raise InputError(
            f"{place} is not a .tflite or .onnx file, no training run (with its {RECORD}) and no model: {error}"
        ) from error
    bundle.verify()
    return [
        ModelFile(bundle.folder / name, kind)
        for name, kind in ((MODEL, "tflite"), (ONNX, "onnx"))
        if name in bundle.manifest.files
    ]


def _onnx_kernels(content: bytes) -> list[Kernel]:
    """The kernels of an ONNX file; those of an int8 file lie behind a DequantizeLinear, whose zero point is their
    zero."""
    import numpy as np
    import onnx

    graph = onnx.load_from_string(content).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    source = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    found = {}
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        behind = source.get(node.input[1])
        names = behind.input if behind else [node.input[1]]
        if names[0] not in stored:
            continue  # a product of two activations
        values = onnx.numpy_helper.to_array(stored[names[0]])
        zero = np.ravel(onnx.numpy_helper.to_array(stored[names[2]]))[0] if len(names) > 2 else 0
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        operator = "DEPTHWISE_CONV_2D" if groups > 1 else node.op_type
        found[names[0]] = Kernel(
            names[0], operator, str(values.dtype), values.size, int(np.count_nonzero(values == zero))
        )
    return list(found.values())


def _keras_kernels_and_sizes(path: Path) -> tuple[list[Kernel], dict[str, int]]:
    from ..requirement import need_trainer_packages

    need_trainer_packages()
    from ..networks.build import build_network
    from ..networks.keras_module import keras
    from ..networks.magnitude import layer_sparsity

    model = build_network(read_run(path.parent))
    model.load_weights(path)
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for key in ("without_optimizer_bytes", "with_optimizer_bytes"):
            saved = Path(folder) / f"{key}.weights.h5"
            model.save_weights(saved)
            sizes[key] = saved.stat().st_size
            if key == "without_optimizer_bytes":
                sizes["gzip_bytes"] = len(gzip.compress(saved.read_bytes(), 9))
            model.compile(keras.optimizers.Adam())
            model.optimizer.build(model.trainable_variables)
    return [Kernel(name, "", "float32", weights, zeros) for name, weights, zeros in layer_sparsity(model)], sizes
