"""Compression of networks, in memory: channels taken out, zeros held, number formats, a teacher's answers."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer's tests need TensorFlow")

from CompressionTrainerLib.export.tflite import VARIANTS, tflite
from CompressionTrainerLib.networks.channels import channel_paths, strongest_channels, with_channels, without_channels
from CompressionTrainerLib.networks.distillation import distiller, soft_loss
from CompressionTrainerLib.networks.keras_module import keras, tf
from CompressionTrainerLib.networks.magnitude import (
    HoldZeros,
    check_sparsity,
    gradually_pruned,
    layer_sparsity,
    schedule_callbacks,
    stripped,
)
from CompressionTrainerLib.networks.mobile_unet import mobile_unet
from CompressionTrainerLib.networks.mobilenet_v2 import mobilenet_v2_classifier
from CompressionTrainerLib.networks.quantization import quantization_aware, start_ranges
from CompressionTrainerLib.networks.tflite_file import float_tensors, kernels, sparsity
from LiverTumorLib.errors import ModelError, UsageError

IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32)


def small_network():
    """A convolution, depthwise and pointwise convolutions, and a classifier, for 64 x 64 images; kernels of 1024
    weights are the smallest that "dynamic" stores in int8."""
    layers = keras.layers
    image = x = keras.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, strides=4, use_bias=False, name="expand")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(x))
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(x))
    x = layers.Conv2D(64, 1, use_bias=False, name="project")(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.5)(x)))
    return keras.Model(image, layers.Softmax()(layers.Dense(4, name="logits")(x)))


def train(model, callbacks, epochs=4):
    """Eight steps on made-up labels."""
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(8) % 4, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks)


@pytest.fixture(scope="module", params=["mobile_unet", "mobilenet_v2"])
def network(request):
    """A network whose every weight, batch norms' statistics too, has a value of its own."""
    small = {"size": (64, 64), "width": 0.35}
    model = (
        mobile_unet(keras, **small, decoder=(16, 16, 16))
        if request.param == "mobile_unet"
        else mobilenet_v2_classifier(keras, **small)
    )
    rng = np.random.default_rng(1)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [rng.uniform(0.5, 1.5, value.shape) for value in values]
        layer.set_weights(values)
    return model


def answers(model):
    """The network's map for IMAGES; the classifier's probability follows from it."""
    return tf.nest.flatten(model(IMAGES))[-1].numpy()


def test_without_channels_that_nobody_reads_a_network_answers_the_same(network):
    model = keras.models.clone_model(network)
    model.set_weights(network.get_weights())
    kept = strongest_channels(model, 0.5)
    for chain in channel_paths(model):
        if chain.maker.name in kept:
            kernel, *rest = chain.reader.get_weights()
            gone = np.setdiff1d(np.arange(kernel.shape[-2]), kept[chain.maker.name])
            kernel[..., gone, :] = 0
            chain.reader.set_weights([kernel, *rest])
    smaller = without_channels(model, strongest_channels(model, 0.5))
    assert smaller.count_params() < 0.75 * model.count_params()
    tolerance = 0.01 * float(answers(model).std())
    assert answers(smaller) == pytest.approx(answers(model), abs=tolerance)
    others = without_channels(model, {name: np.arange(len(numbers)) for name, numbers in kept.items()})
    assert answers(others) != pytest.approx(answers(model), abs=tolerance), "the channels that stayed matter"


def test_expansions_lose_channels_and_bottlenecks_do_not(network):
    kept = strongest_channels(network, 0.3)
    expansions = [layer.name for layer in network.layers if layer.name.endswith("_expand")]
    assert set(expansions) <= set(kept)
    assert not any("project" in name for name in kept)
    assert all(len(numbers) % 8 == 0 and len(numbers) == len(set(numbers)) for numbers in kept.values())


def test_a_slim_network_is_built_again_from_its_numbers_of_channels(network):
    kept = strongest_channels(network, 0.5)
    smaller = without_channels(network, kept)
    again = with_channels(network, {name: len(numbers) for name, numbers in kept.items()})
    again.set_weights(smaller.get_weights())
    assert answers(again) == pytest.approx(answers(smaller))
    with pytest.raises(UsageError, match="'blok_1_expand'"):
        with_channels(network, {"blok_1_expand": 8})


def test_gradual_pruning_ends_at_the_asked_sparsity_and_zeros_are_held():
    pruned = gradually_pruned(small_network(), 0.4, steps=8)
    train(pruned, schedule_callbacks())
    model = stripped(pruned, 0.4)
    assert [name for name, _, _ in layer_sparsity(model)] == ["expand", "project", "logits"]
    assert [zeros / weights for _, weights, zeros in layer_sparsity(model)] == pytest.approx([0.4] * 3, abs=0.01)
    before = {layer.name: [value.copy() for value in layer.get_weights()] for layer in model.layers}
    train(model, [HoldZeros(model)])
    kernel = model.get_layer("project").get_weights()[0]
    assert ((kernel == 0) == (before["project"][0] == 0)).all() and (kernel != before["project"][0]).any()
    train(model, [])
    with pytest.raises(ModelError, match="of the weights are zero, not 40.0%"):
        check_sparsity(model, 0.4)


def test_a_schedule_that_was_not_run_to_its_end_is_refused():
    pruned = gradually_pruned(small_network(), 0.4, steps=100)
    train(pruned, schedule_callbacks(), epochs=1)
    with pytest.raises(ModelError, match="not 40.0% as asked for"):
        stripped(pruned, 0.4)


@pytest.fixture(scope="module")
def half_zero():
    """A small network with half of one kernel zero, as on a checkerboard: every channel continues learning."""
    model = small_network()
    kernel = model.get_layer("project").get_weights()[0]
    kernel[..., ::2, ::2] = kernel[..., 1::2, 1::2] = 0
    model.get_layer("project").set_weights([kernel])
    return model


@pytest.fixture(scope="module")
def files(half_zero):
    """That network in every number format."""
    return {variant: tflite(half_zero, variant, IMAGES) for variant in VARIANTS}


def test_zeros_survive_quantization_aware_training_where_they_are_held(half_zero):
    """Half of one kernel is zero in the int8 file, as before; where nothing holds them, the zeros go."""
    model = keras.models.clone_model(half_zero)
    model.set_weights(half_zero.get_weights())
    train(model, [HoldZeros(model)])  # batch norms with statistics of their own, or all activations would be clipped
    for held in (False, True):
        aware = quantization_aware(model)
        start_ranges(aware, model, IMAGES)
        train(aware, [HoldZeros(aware)] if held else [])
        zeros = {name: count for name, _, count in layer_sparsity(aware)}
        assert zeros["project"] == (512 if held else 0)
    content = tflite(aware, "int8")
    assert float_tensors(content) == []
    assert 0.5 <= kernels(content)[2].sparsity < 0.6


def run_file(content, images):
    """Outputs of a TFLite file, dequantized, by LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    ends = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (scale_in, zero_in), (scale_out, zero_out) = (end["quantization"] for end in ends)
    outputs = []
    for image in images:
        limits = np.iinfo(ends[0]["dtype"]) if scale_in else None
        x = (
            np.rint(image / scale_in + zero_in).clip(limits.min, limits.max).astype(ends[0]["dtype"])
            if scale_in
            else image
        )
        interpreter.set_tensor(ends[0]["index"], x[None])
        interpreter.invoke()
        y = interpreter.get_tensor(ends[1]["index"])[0].astype(np.float32)
        outputs.append((y - zero_out) * scale_out if scale_out else y)
    return np.stack(outputs)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_number_format_answers_as_the_network(files, half_zero, variant):
    assert run_file(files[variant], IMAGES) == pytest.approx(half_zero.predict(IMAGES, verbose=0), abs=0.02)


def test_a_file_tells_its_floats_its_number_formats_and_its_zeros(files):
    assert float_tensors(files["int8"]) == []
    for variant in ("int8-float-io", "int16x8"):
        assert float_tensors(files[variant], ends=False) == []
    assert len(float_tensors(files["int8-float-io"])) == 2
    formats = {
        "float32": "float32",
        "float16": "float16",
        "dynamic": "int8",
        "int16x8": "int8",
        "int8-float-io": "int8",
        "int8": "int8",
    }
    for variant, content in files.items():
        found = kernels(content)
        assert [kernel.operator for kernel in found] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED"]
        assert [kernel.weights for kernel in found] == [432, 144, 1024, 256]
        assert found[2].dtype == formats[variant]
        assert found[2].sparsity == pytest.approx(0.5, abs=0.02)
        assert sparsity(found) == pytest.approx(512 / 1712, abs=0.02)
        assert sparsity(found, depthwise=True) < sparsity(found)


def test_the_soft_loss_is_least_for_the_teachers_own_answers():
    taught = np.array([[0.9, 0.1], [0.3, 0.7]], np.float32)
    softened = np.sqrt(taught) / np.sqrt(taught).sum(axis=1, keepdims=True)  # temperature 2
    entropy = -(softened * np.log(softened)).sum(axis=1).mean()
    assert soft_loss(tf.constant(taught), tf.constant(taught), None, 2.0).numpy() == pytest.approx(
        4 * entropy, rel=1e-4
    )
    assert soft_loss(tf.constant(taught), tf.constant(taught[::-1]), None, 2.0).numpy() > 4 * entropy


def test_pixels_that_do_not_count_teach_nothing():
    taught, learned = (tf.constant(value, tf.float32, (1, 2, 2, 1)) for value in (0.8, 0.5))
    counts = np.zeros((1, 2, 2, 2), np.float32)
    assert soft_loss(taught, learned, counts, 1.0).numpy() == 0
    counts[..., 1] = 1
    assert soft_loss(taught, learned, counts, 1.0).numpy() == pytest.approx(4 * np.log(2) / 5, rel=1e-4)


def test_a_student_of_half_the_size_learns_its_teachers_answers(tmp_path):
    """The teacher sees full images, the student averaged ones; without labels (share 1) it still learns."""

    def network(size, seed):
        keras.utils.set_random_seed(seed)
        image = keras.Input((size, size, 3))
        x = keras.layers.ReLU()(keras.layers.Conv2D(8, 3, padding="same")(image))
        return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))

    teacher, student = network(32, 1), network(16, 2)
    teacher.set_weights([weights * 4 for weights in teacher.get_weights()])
    images = np.repeat(np.repeat(IMAGES[:, :16, :16], 2, axis=1), 2, axis=2)
    target = np.ones((8, 32, 32, 2), np.float32)
    model = distiller(student, teacher, temperature=2.0, share=1.0)
    model.compile(keras.optimizers.Adam(0.02), lambda target, predicted: tf.reduce_mean(predicted))
    before = np.abs(model.predict(images, verbose=0) - teacher.predict(images, verbose=0)).mean()
    log = model.fit(images, target, batch_size=4, epochs=12, verbose=0).history
    assert log["soft_loss"][-1] < log["soft_loss"][0]
    after = np.abs(model.predict(images, verbose=0) - teacher.predict(images, verbose=0)).mean()
    assert model.output_shape == teacher.output_shape and after < 0.6 * before
    model.save_weights(tmp_path / "student.weights.h5")
    other = network(16, 3)
    other.load_weights(tmp_path / "student.weights.h5")
    assert other.predict(images[:, ::2, ::2], verbose=0) == pytest.approx(
        student.predict(images[:, ::2, ::2], verbose=0)
    )
