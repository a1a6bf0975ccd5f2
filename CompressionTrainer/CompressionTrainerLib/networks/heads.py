"""What ends a network. Outputs are float32 also where the layers before compute in half precision."""

from __future__ import annotations

HEADS = ("cells", "average")


def classifier(keras, base, dropout: float, head: str, name: str):
    """Tumor / no tumor for one slice, from a network `base` whose output is its last feature map.

    Head "cells" also says where: a 1x1 convolution gives each cell of the map its logit of tumor, and the slice's is
    that of its most suspicious cell (multiple-instance pooling), since a small lesion drowns in an average over the
    whole abdomen. The cells can be taught where the tumor is, and are afterwards an exact class activation map. Head
    "average" is the usual one, a dense layer on the average of the map (Lin et al., "Network in Network", ICLR 2014).

    Returns:
        a model with the output "probability" (n, 2), softmax over (no tumor, tumor), and for head "cells" a second one,
        "cell_probability" (n, rows, columns, 1) of that map.
    """
    layers = keras.layers
    # Stateful: its random numbers can be set back to those of a certain epoch.
    drop = layers.Dropout(dropout, rng_type="stateful", name="dropout")
    if head == "average":
        x = drop(layers.GlobalAveragePooling2D(name="average")(base.output))
        outputs = layers.Softmax(dtype="float32", name="probability")(layers.Dense(2, name="logits")(x))
        return keras.Model(base.input, outputs, name=name)
    cells = layers.Conv2D(1, 1, bias_initializer=rare_start(keras), name="cells")(drop(base.output))
    strongest = layers.GlobalMaxPooling2D(name="strongest")(cells)
    # Starts as softmax(-z / 2, z / 2), which is the sigmoid of the strongest cell's logit z.
    kernel = keras.initializers.Constant([[-0.5, 0.5]])
    logits = layers.Dense(2, kernel_initializer=kernel, name="logits")(strongest)
    probability = layers.Softmax(dtype="float32", name="probability")(logits)
    return keras.Model(
        base.input,
        [probability, layers.Activation("sigmoid", dtype="float32", name="cell_probability")(cells)],
        name=name,
    )


def rare_start(keras):
    """A bias that starts at probability 0.1: the first steps are not spent on learning that most of a slice is
    background."""
    return keras.initializers.Constant(-2.2)
