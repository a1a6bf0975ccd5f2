"""What is inside each model's file: the block that it is built of, its layers and their zeros, all read from the
file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..networks.tflite_file import Kernel, kernels, residual_block
from .inputs import Inputs
from .page import Figure, Section, Table, Text, slug
from .plots_network import DEPTHWISE, plot_block, plot_zeros

_KINDS = {
    "CONV_2D": "convolutions",
    DEPTHWISE: "depthwise convolutions",
    "TRANSPOSE_CONV": "transposed convolutions",
    "FULLY_CONNECTED": "dense layers",
}
_BLOCK = (
    "The first block with a shortcut, as it stands in the file: batch norms and activations have become part of the "
    "convolutions. Pruning makes weights of ordinary convolutions zero and leaves depthwise ones alone; "
    "quantization-aware training rounds the weights and what each layer gives to 8 bits and keeps the zeros."
)


def network_section(inputs: Inputs) -> Section | None:
    """A figure and a table for each model; none where LiteRT, which reads them, does not exist."""
    if find_spec("ai_edge_litert") is None:
        return None
    blocks = [block for name, path in inputs.models.items() for block in _model(name, path)]
    return Section("Inside the models", blocks) if blocks else None


def _model(name: str, path: Path) -> list[Text | Figure | Table]:
    content = path.read_bytes()
    found = kernels(content)
    block = residual_block(content)
    blocks: list[Text | Figure | Table] = []
    if block:
        blocks.append(Figure(f"block-{slug(name)}", f"{name}: {_BLOCK}", plot_block(block)))
    blocks.append(
        Figure(f"zeros-{slug(name)}", f"{name}: the share of zeros in each layer of the file.", plot_zeros(found))
    )
    blocks.append(Table(f"layers-{slug(name)}", f"Layers of {name}", _rows(found)))
    return blocks


def _rows(found: list[Kernel]) -> list[dict]:
    rows = []
    for operator, kind in _KINDS.items():
        of = [kernel for kernel in found if kernel.operator == operator]
        if of:
            weights, zeros = sum(kernel.weights for kernel in of), sum(kernel.zeros for kernel in of)
            stored = ", ".join(dict.fromkeys(kernel.dtype for kernel in of))
            rows.append(
                {
                    "kind": kind,
                    "layers": len(of),
                    "weights": weights,
                    "zeros": f"{zeros / weights:.1%}",
                    "stored as": stored,
                }
            )
    return rows
