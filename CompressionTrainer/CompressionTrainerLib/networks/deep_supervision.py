"""Deep supervision (Lee et al., "Deeply-Supervised Nets", AISTATS 2015): while it trains, the Mobile U-Net also answers
from the coarser levels of its decoder, so that these learn where a structure lies before its outline is drawn.
"""

from __future__ import annotations

from .heads import rare_start
from .keras_module import keras

# The decoder's features at 1/4 and 1/8 resolution.
_LEVELS = {4: "decoder_1_pointwise_relu", 8: "decoder_0_pointwise_relu"}


class DeeplySupervised(keras.Model):
    """A network that is trained with coarser outputs beside its own; made by `deeply_supervised`.

    The compiled loss and metrics, and so what is logged, are those of the network's own output. Saved and loaded
    weights are the network's alone.
    """

    def supervise(self, network, weights: tuple[float, ...]) -> None:
        """Name the network, and what the loss at 1/4 and at 1/8 resolution weighs beside its own."""
        self.network, self.weights_of_levels = network, weights

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        own = super().compute_loss(x, y, y_pred[..., :1], sample_weight)
        coarse = [
            weight * self.loss(y, y_pred[..., channel : channel + 1])
            for channel, weight in enumerate(self.weights_of_levels, start=1)
        ]
        return sum(coarse, own) / (1 + sum(self.weights_of_levels))

    def compute_metrics(self, x, y, y_pred, sample_weight):
        return super().compute_metrics(x, y, y_pred[..., :1], sample_weight)

    def save_weights(self, *args, **kwargs) -> None:
        self.network.save_weights(*args, **kwargs)

    def load_weights(self, *args, **kwargs):
        return self.network.load_weights(*args, **kwargs)


def deeply_supervised(network, weights: tuple[float, ...]) -> DeeplySupervised:
    """A model to compile and fit in place of a Mobile U-Net, which shares its layers.

    Args:
        network: with one output (n, rows, columns, 1).
        weights: what the loss at 1/4 and at 1/8 resolution weighs, the network's own being 1.

    Returns:
        a model with the outputs (n, rows, columns, 3): the network's, then those at 1/4 and at 1/8, brought to its
        size.
    """
    layers, outputs = keras.layers, [network.output]
    for factor, name in _LEVELS.items():
        features = network.get_layer(name).output
        x = layers.Conv2D(1, 1, bias_initializer=rare_start(keras), name=f"coarse_{factor}")(features)
        x = layers.UpSampling2D(factor, interpolation="bilinear", name=f"coarse_{factor}_up")(x)
        outputs.append(layers.Activation("sigmoid", dtype="float32", name=f"coarse_{factor}_probability")(x))
    model = DeeplySupervised(network.input, layers.Concatenate(dtype="float32", name="levels")(outputs))
    model.supervise(network, weights)
    return model
