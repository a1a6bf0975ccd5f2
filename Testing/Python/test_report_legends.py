"""Legends of the report's figures stand beside what is drawn, not on it."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from CompressionTrainerLib.networks.tflite_file import Kernel
from CompressionTrainerLib.reporting import plots_cases, plots_models, plots_network, plots_slices, plots_training
from LiverTumorLib.metrics import precision_recall_curve, roc_curve

RNG = np.random.default_rng(0)
EPOCHS = [
    {"loss": 1 / e, "val_loss": 0.5, "accuracy": 0.5 + e / 30, "val_accuracy": 0.95 - e / 12} for e in range(1, 9)
]
LESIONS = [{"kind": "true", "found": str(k % 2), "touched": "1", "volume_ml": str(2.0**k)} for k in range(8)]
MODELS = [(f"folder/model-{k}", 2.0**k, {"value": 0.9 - k / 50, "low": 0.6, "high": 0.99}) for k in range(9)]
SLICES = [(RNG.uniform(0, 1, 40), RNG.random(40) < 0.4) for _ in range(4)]
CURVES = [
    {f"a network with a long name {k}": curve(SLICES) for k in range(5)}
    for curve in (roc_curve, precision_recall_curve)
]
COUNTS = [{"split": "s", "part": part, "slices": "90", "slices with tumor": "40"} for part in ("train", "val", "test")]
KERNELS = [
    Kernel(f"k{k}", "DEPTHWISE_CONV_2D" if k % 3 == 1 else "CONV_2D", "int8", 100, 10 * k % 90) for k in range(30)
]
FIGURES = {
    "training": (plots_training, lambda: plots_training.plot_training([EPOCHS, EPOCHS], "accuracy")),
    "counts": (plots_training, lambda: plots_training.plot_counts(COUNTS)),
    "lesions": (plots_cases, lambda: plots_cases.plot_lesions(LESIONS)),
    "pareto": (plots_models, lambda: plots_models.plot_pareto(MODELS)),
    "curves": (plots_slices, lambda: plots_slices.plot_curves(*CURVES, 0.4)),
    "zeros": (plots_network, lambda: plots_network.plot_zeros(KERNELS)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_legend_covers_nothing_that_is_drawn(monkeypatch, name):
    module, draw = FIGURES[name]
    drawn = []

    def keep(figure) -> str:
        figure.draw_without_rendering()
        legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
        beside = [text for axes in figure.axes for text in axes.texts if text.get_text() and name == "curves"]
        assert beside == [], "words lie where curves may pass"
        drawn.append(
            (
                [each.get_window_extent() for each in legends],
                [axes.get_window_extent() for axes in figure.axes],
                figure.bbox,
            )
        )
        return ""

    monkeypatch.setattr(module, "svg_uri", keep)
    draw()
    [(legends, panels, whole)] = drawn
    assert legends
    for legend in legends:
        assert not any(legend.overlaps(panel) for panel in panels)
        assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1 and whole.y0 <= legend.y0 and legend.y1 <= whole.y1, (
            "it is cut off"
        )
