"""Figures of the inside of a network file: its repeating block, and where its zeros are."""

from __future__ import annotations

from ..networks.tflite_file import Kernel
from .drawing import BLUE, GRAY, VERMILION, new_figure, svg_uri

DEPTHWISE = "DEPTHWISE_CONV_2D"
_BOX = {"boxstyle": "round,pad=0.6", "facecolor": "#eef4f9", "edgecolor": BLUE}
_HATCHED = {"color": "white", "edgecolor": GRAY, "hatch": "////", "label": "depthwise\nconvolutions"}


def plot_block(block: list[Kernel]) -> str:
    """A block with a shortcut: its layers from left to right, and what compression has done to each."""
    with new_figure(3.0 * len(block) + 1.6, 2.4) as figure:
        axes = figure.subplots()
        axes.set(xlim=(-0.75, len(block) + 0.15), ylim=(-0.7, 1.3))
        axes.axis("off")
        arrow = {"arrowstyle": "->", "color": GRAY, "linewidth": 1.5}
        axes.annotate("", (-0.42, 0), (-0.75, 0), arrowprops=arrow)
        for place, kernel in enumerate(block):
            text = _words(kernel, place == len(block) - 1)
            axes.text(place, 0, text, ha="center", va="center", fontsize=9.5, linespacing=1.5, bbox=_BOX)
            axes.annotate("", (place + 0.61, 0), (place + 0.39, 0), arrowprops=arrow)
        last = len(block) - 0.35
        axes.text(
            last,
            0,
            "+",
            ha="center",
            va="center",
            fontsize=15,
            bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": BLUE},
        )
        axes.plot([-0.6, -0.6, last, last], [0, 1.1, 1.1, 0.2], color=VERMILION, linewidth=1.5)
        axes.text((last - 0.6) / 2, 1.16, "shortcut", ha="center", va="bottom", fontsize=9, color=VERMILION)
        axes.annotate("", (len(block) + 0.1, 0), (last + 0.1, 0), arrowprops=arrow)
        return svg_uri(figure)


def plot_zeros(kernels: list[Kernel]) -> str:
    """The share of zeros in each layer, from the input to the output; depthwise layers, which pruning leaves alone,
    hatched."""
    with new_figure(9, 3) as figure:
        axes = figure.subplots()
        for kind, style in ((False, {"color": BLUE, "label": "convolutions,\ndense layers"}), (True, _HATCHED)):
            places = [place for place, kernel in enumerate(kernels, start=1) if (kernel.operator == DEPTHWISE) is kind]
            axes.bar(places, [100 * kernels[place - 1].sparsity for place in places], **style)
        axes.set(xlabel="layer, from the input to the output", ylabel="zeros (%)", title="Zeros in each layer")
        axes.grid(axis="x", visible=False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return svg_uri(figure)


def _words(kernel: Kernel, last: bool) -> str:
    outputs, rows, columns, inputs = kernel.shape
    depthwise = kernel.operator == DEPTHWISE
    channels = f"{inputs} channels, each by itself" if depthwise else f"{inputs} to {outputs} channels"
    zeros = "never pruned" if depthwise else f"{kernel.sparsity:.0%} zeros"
    return "\n".join(
        [
            f"{rows} x {columns} {'depthwise ' if depthwise else ''}convolution",
            channels,
            f"{kernel.weights} weights, {kernel.dtype}",
            zeros,
            "with batch norm" if last else "with batch norm, ReLU",
        ]
    )
