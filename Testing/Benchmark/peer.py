"""One engine in a process of its own, asked again and again so that engines can take turns.

peer.py ENGINE MODEL THREADS SLICES prints {"missing": why} or {"ready": true}, then for each line on stdin the time of
one pass over the slices. Engines that are not installed are missing. Networks that are only there to be timed have
random weights.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from LiverTumorLib.models.bundle import ONNX, Bundle
from LiverTumorLib.models.catalogue import get_bundle
from LiverTumorLib.models.runtimes import LiteRT, OnnxRuntime, from_gray
from LiverTumorLib.models.session import Session

OURS, PLAIN, ONNX_RUNTIME = "LiteRT with XNNPACK", "LiteRT without XNNPACK", "ONNX Runtime"
OPENVINO, KERAS = "OpenVINO", "Keras predict"
UNET_2D, UNET_3D = "nnU-Net-shaped 2-D", "nnU-Net-shaped 3-D"
# Of nnU-Net's plans for LiTS (Isensee et al., Nature Methods 2021): features of each stage, and what is looked at.
FEATURES_2D, PATCH_2D = (32, 64, 128, 256, 512, 512, 512, 512), (512, 512)
FEATURES_3D, PATCH_3D = (32, 64, 128, 256, 320, 320), (128, 128, 128)
KERNEL = 3

Run = Callable[[np.ndarray], np.ndarray]


def open_session(bundle: Bundle, threads: int) -> Run:
    """As the pipelines run it."""
    return Session(bundle, LiteRT, threads).predict


def open_plain(bundle: Bundle, threads: int) -> Run:
    """The same with LiteRT's own kernels, one network with `threads` threads."""
    network = LiteRT(bundle.model.read_bytes(), threads, delegates=False)
    order = sorted(range(len(network.output_shapes)), key=lambda place: len(network.output_shapes[place]))
    main = order[0] if bundle.manifest.task == "slice" else order[-1]
    return lambda images: np.stack([network.run(image)[main] for image in images])


def open_onnx(bundle: Bundle, threads: int) -> Run:
    """The twin in ONNX Runtime, as the pipelines run it where there is no LiteRT."""
    return Session(bundle, OnnxRuntime, threads).predict


def open_openvino(bundle: Bundle, threads: int) -> Run:
    """The twin in OpenVINO."""
    import openvino

    compiled = openvino.Core().compile_model(
        str(bundle.folder / ONNX), "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    )
    rank = 2 if bundle.manifest.task == "slice" else 4
    main = next(output for output in compiled.outputs if len(output.partial_shape) == rank)
    return lambda images: np.stack([compiled(from_gray(image)[None])[main][0] for image in images])


def open_keras(bundle: Bundle, threads: int) -> Run:
    """A float network of the same kind by `model.predict` on one slice at a time, as the papers timed it."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    import tf_keras

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    size = (*bundle.manifest.input.size, 3)
    if bundle.manifest.task == "slice":
        model = tf_keras.applications.MobileNetV2(size, weights=None, classes=2)
    else:
        from CompressionTrainerLib.networks.mobile_unet import mobile_unet

        model = mobile_unet(tf_keras, size[:2])
    return lambda images: np.concatenate([model.predict(from_gray(image)[None], verbose=0) for image in images])


def open_unet(bundle: Bundle, threads: int, features: tuple[int, ...], patch: tuple[int, ...]) -> Run:
    """A U-Net as nnU-Net makes it from its plans, on PyTorch: two convolutions a stage, instance norm, leaky ReLU."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    solid = len(patch) == 3
    conv, up, norm = (
        (nn.Conv3d, nn.ConvTranspose3d, nn.InstanceNorm3d)
        if solid
        else (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d)
    )

    def stage(before: int, after: int, stride: int = 1) -> nn.Sequential:
        layers: list[nn.Module] = []
        for channels, step in ((before, stride), (after, 1)):
            layers += [
                conv(channels, after, KERNEL, step, KERNEL // 2),
                norm(after, affine=True),
                nn.LeakyReLU(0.01, True),
            ]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pairs = list(zip(features, features[1:], strict=False))
            self.down = nn.ModuleList([stage(1, features[0]), *(stage(a, b, 2) for a, b in pairs)])
            self.up = nn.ModuleList([up(b, a, 2, 2) for a, b in reversed(pairs)])
            self.joined = nn.ModuleList([stage(2 * a, a) for a, _ in reversed(pairs)])
            self.last = conv(features[0], 3, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            passed = []
            for down in self.down:
                image = down(image)
                passed.append(image)
            for up_, joined, beside in zip(self.up, self.joined, passed[-2::-1], strict=True):
                image = joined(torch.cat([up_(image), beside], 1))
            return self.last(image)

    network = UNet().eval()
    shown = torch.zeros((1, 1, *patch))

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.stack([network(shown)[0, :, 0].numpy() for _ in images])

    return run


ENGINES: dict[str, Callable[[Bundle, int], Run]] = {
    OURS: open_session,
    PLAIN: open_plain,
    ONNX_RUNTIME: open_onnx,
    OPENVINO: open_openvino,
    KERAS: open_keras,
    UNET_2D: lambda bundle, threads: open_unet(bundle, threads, FEATURES_2D, PATCH_2D),
    UNET_3D: lambda bundle, threads: open_unet(bundle, threads, FEATURES_3D, PATCH_3D),
}


def main(engine: str, model: str, threads: int, slices: int) -> None:
    bundle = get_bundle(model)
    images = np.random.default_rng(1).integers(0, 256, (slices, *bundle.manifest.input.size, 3), np.uint8)
    try:
        run = ENGINES[engine](bundle, threads)
    except Exception as error:  # not installed, or it cannot run this network: the other engines are measured
        print(json.dumps({"missing": f"{type(error).__name__}: {str(error).strip()[-300:]}"}), flush=True)
        return
    first = run(images[:1])  # also warms up
    print(json.dumps({"ready": True, "first": first.ravel().tolist()[:100_000]}), flush=True)
    for _ in sys.stdin:
        begin, cpu = time.perf_counter(), time.process_time()
        run(images)
        peak = re.search(r"^VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
        figures = {
            "ms": (time.perf_counter() - begin) / slices * 1000,
            "cpu_ms": (time.process_time() - cpu) / slices * 1000,
            "peak_mb": int(peak[1]) / 1024 if peak else None,
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
