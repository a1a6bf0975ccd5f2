"""Knowledge distillation (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015): a small
network learns from the labels and from what a large one answers, softened.
"""

from __future__ import annotations

from .keras_module import keras, tf


class Distiller(keras.Model):
    """A student that learns from the targets and from its teacher's probabilities; made by `distiller`.

    The compiled loss is the hard one, on the targets; the soft one is the cross-entropy between the outputs of teacher
    and student, both softened. Saved and loaded weights are the student's alone.
    """

    def learn_from(self, student, teacher, temperature: float, share: float) -> None:
        """Name student and teacher.

        Args:
            temperature: by which logits are divided before probabilities are compared; 1 does not soften.
            share: of the soft loss in the whole, 0 to 1.
        """
        self.student, self.temperature, self.share = student, temperature, share
        # Keras would count a model that is an attribute as a part.
        self._teach = lambda images: teacher(images, training=False)
        self._soft_loss = keras.metrics.Mean("soft_loss")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        hard = super().compute_loss(x, y, y_pred, sample_weight)
        pairs = zip(tf.nest.flatten(self._teach(x)), tf.nest.flatten(y_pred), tf.nest.flatten(y), strict=True)
        soft = tf.add_n([soft_loss(taught, learned, target, self.temperature) for taught, learned, target in pairs])
        self._soft_loss.update_state(soft)
        return (1 - self.share) * hard + self.share * soft

    def save_weights(self, *args, **kwargs) -> None:
        self.student.save_weights(*args, **kwargs)

    def load_weights(self, *args, **kwargs):
        return self.student.load_weights(*args, **kwargs)


def distiller(student, teacher, temperature: float, share: float) -> Distiller:
    """A model to compile and fit on the teacher's images and targets, which trains `student`.

    A student with smaller inputs sees the same canvas at its own resolution, averaged as in inference; its maps are
    brought to the teacher's, so that both are compared, and measured, pixel by pixel.
    """
    size = student.input_shape[1:3]
    images = keras.Input(teacher.input_shape[1:])
    outputs = student(images if size == teacher.input_shape[1:3] else _resize(images, size))
    shapes = [output.shape for output in tf.nest.flatten(teacher.output)]
    outputs = [
        output if output.shape == shape else _resize(output, shape[1:3])
        for output, shape in zip(tf.nest.flatten(outputs), shapes, strict=True)
    ]
    model = Distiller(images, outputs if len(outputs) > 1 else outputs[0])
    model.learn_from(student, teacher, temperature, share)
    return model


def soft_loss(taught, learned, target, temperature: float):
    """Cross-entropy between softened probabilities, times temperature squared, so that its gradients keep their size.

    Both are classes (n, classes), softmax, or maps (n, rows, columns, 1), sigmoid; for maps the second channel of
    `target` says which pixels count.
    """
    taught, learned = _logits(taught) / temperature, _logits(learned) / temperature
    if taught.shape.rank == 2:
        entropy = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(taught), learned))
    else:
        counts = target[..., 1:]
        pixels = tf.nn.sigmoid_cross_entropy_with_logits(tf.sigmoid(taught), learned)
        entropy = tf.reduce_sum(pixels * counts) / (tf.reduce_sum(counts) + 1)
    return temperature**2 * entropy


def _logits(probability):
    """Logits that give these probabilities: up to a constant for softmax, exactly for sigmoid."""
    probability = tf.clip_by_value(probability, 1e-6, 1 - 1e-6)
    return (
        tf.math.log(probability)
        if probability.shape.rank == 2
        else tf.math.log(probability) - tf.math.log1p(-probability)
    )


def _resize(images, size):
    # The triangle filter that the network's canvas is resampled with.
    return keras.layers.Lambda(lambda x: tf.image.resize(x, size, antialias=True))(images)
