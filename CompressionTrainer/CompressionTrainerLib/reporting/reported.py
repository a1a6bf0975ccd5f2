"""What the two papers that this software follows report, and what the numbers are when made again.

Which ones: CLASSIFIER_PAPER, SEGMENTATION_PAPER.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reported:
    """A model of the classifier paper as reported. Slices were divided slice-wise.

    Attributes:
        mib: the size, which it calls MB.
        accuracy to f1: recalculated from its confusion matrix of `test_slices` slices.
        remark: what the size really is; `speed_remark` of the speed.
    """

    name: str
    mib: float
    sparsity: float
    fps: float
    accuracy: float
    precision: float
    recall: float
    specificity: float
    f1: float
    test_slices: int
    remark: str
    speed_remark: str


@dataclass(frozen=True)
class Baseline:
    """A network that the classifier paper compares its own with; `remark` says where the accuracy comes from."""

    name: str
    accuracy: float
    remark: str


STAGES = (
    Reported(
        "fine-tuned MobileNetV2", 26.10, 0.0, 8.00, 0.9955, 0.9956, 0.9971, 0.9930, 0.9963, 3336,
        "A Keras file with Adam's state; the weights alone are 9.1 MiB.",
        "not stated; the speed of Keras' predict, one slice a call",
    ),
    Reported(
        "pruned", 8.91, 0.2, 31.57, 0.9475, 0.9624, 0.9517, 0.9407, 0.9570, 1751,
        "Saved without Adam's state; the zeros are still stored, so pruning itself saved nothing.",
        "not stated; the speed of TensorFlow Lite without XNNPACK",
    ),
    Reported(
        "pruned and quantized", 8.46, 0.2, 31.42, 0.9452, 0.9640, 0.9461, 0.9436, 0.9550, 1751,
        "Called 8-bit, but exactly the size of the float32 TFLite file; a real int8 one is 2.6 MiB.",
        "not stated; as before quantization",
    ),
)  # fmt: skip
BASELINES = (
    Baseline(
        "ResNet50",
        0.62,
        "Copied from another paper; calling every slice tumor gives 0.615 on these data.",
    ),
    Baseline("VGG16", 0.911, "Copied from another paper, not run on these data."),
    Baseline("MobileNetV1", 0.941, "Copied from another paper, not run on these data."),
)
CLASSIFIER_PAPER = (
    "Classifier paper: Jaafaru et al., 'Quantization-Aware Pruned MobileNetV2 for Real-Time Liver Tumor Classification "
    "on CT Images'."
)
SEGMENTATION_PAPER = "Segmentation paper: the Mobile U-Net for liver and tumor segmentation on LiTS17."
TUMOR_SLICES, OTHER_SLICES = 10770, 6736
SPLIT_REMARK = (
    "The classifier paper divided slices, not patients: neighboring slices of one patient, which look alike, trained "
    "and tested. Its accuracy says little about new patients. The fine-tuned network was tested on 3336 slices, the "
    "two others on 1751."
)
BEST_LIVER_DICE = 0.9426
DICE_REMARK = (
    "The segmentation paper gives the liver's Dice by epoch only, on validation data of an unstated split, between "
    "0.32 and 0.94 from epoch to epoch; its best is 0.9426 in epoch 20. It has no tumor Dice and no test set."
)
