"""What is said before hours are spent on a training that cannot succeed. Needs no TensorFlow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from CompressionTrainerLib.training.checks import check_canvas, check_classes, check_imagenet
from CompressionTrainerLib.training.config import config_from_dict, load_config
from LiverTumorLib.errors import InputError, UsageError
from tiny_fit import tiny_config, tiny_slices
from tiny_training import TINY


def with_flags(slices, **flags):
    return [
        replace(case, **{name: np.full(len(case.image), value) for name, value in flags.items()}) for case in slices
    ]


@pytest.mark.parametrize("task", ["liver", "tumor", "slice"])
def test_data_of_both_classes_pass(task):
    check_classes(replace(tiny_config(), task=task), tiny_slices())


@pytest.mark.parametrize(
    ("task", "flags", "missing"),
    [
        ("slice", {"has_tumor": False}, "no slice of the liver with tumor"),
        ("slice", {"has_tumor": True}, "no slice of the liver without tumor"),
        ("tumor", {"has_tumor": False}, "no slice with tumor"),
        ("liver", {"has_liver": False}, "no slice with liver"),
    ],
)
@pytest.mark.parametrize("subset", ["train", "val"])
def test_data_of_one_class_are_refused(subset, task, flags, missing):
    slices = tiny_slices()
    slices[subset] = with_flags(slices[subset], **flags)
    with pytest.raises(InputError, match=f"The {subset} patients have {missing}"):
        check_classes(replace(tiny_config(), task=task), slices)


def test_imagenet_weights_that_are_missing_cut_short_or_of_another_network_are_refused(tmp_path):
    config, path = tiny_config(), tmp_path / "weights.npz"
    with pytest.raises(
        InputError, match="weights.npz, which should hold the ImageNet weights, is missing; .* leave out --imagenet"
    ):
        check_imagenet(config, path)
    np.savez(path, kernel=np.zeros(10_000))
    check_imagenet(config, path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match="interrupted download"):
        check_imagenet(config, path)
    with pytest.raises(UsageError, match="not vgg16 of width 1.0"):
        check_imagenet(replace(config, task="slice", network=replace(config.network, architecture="vgg16")), path)
    with pytest.raises(UsageError, match="freeze holds the layers with ImageNet weights"):
        check_imagenet(replace(config, network=replace(config.network, freeze=True)), None)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"task": "tumor"}, "task is 'liver' and the student's 'tumor'"),
        (
            {"input": {"size": [32, 32], "spacing_mm": 5.0}},
            "canvas is 160.0 mm .32 pixels. where the teacher's is 320.0 mm",
        ),
        ({"input": {"size": [128, 128], "spacing_mm": 2.5}}, "no more pixels"),
        ({"input": {"size": [64, 64], "spacing_mm": 5.0, "window_hu": [0.0, 100.0]}}, "student's window_hu is"),
        ({"network": {"head": "average"}}, "head is 'cells' and the student's 'average'"),
    ],
)
def test_a_student_unlike_its_teacher_is_refused(tmp_path, changed, sentence):
    (tmp_path / "tiny.toml").write_text(TINY.format(task="liver", region="body"))
    teacher = load_config(tmp_path / "tiny.toml")
    with pytest.raises(UsageError, match=sentence):
        check_canvas(teacher, config_from_dict({**teacher.to_dict(), **changed}))
