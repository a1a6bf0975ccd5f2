"""TensorFlow's words about itself stay from users, a real error does not."""

import os
import subprocess
import sys

import pytest
from CompressionTrainerLib.networks import tensorflow_noise

NOISE = """
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795882788.968847    8764 port.cc:153] oneDNN custom operations are on. You may see different results
E0000 00:00:1795882788.968847    8764 cuda_executor.cc:1228] INTERNAL: Failed call to cudaGetRuntimeVersion
2026-11-28 16:20:01.123456: E external/local_xla/xla/cuda/cuda_platform.cc:51] failed call to cuInit: CUDA error: (303)
E0000 00:00:1795882788.968847    8764 cuda_dnn.cc:8579] Unable to register cuDNN factory: one is registered already
""".strip().splitlines()
ERRORS = """
F0000 00:00:1795882788.968847    8764 cpu_feature_guard.cc:47] The library was compiled to use AVX, which isn't here.
E0000 00:00:1795882788.968847    8764 allocator.cc:7] out of memory
ImportError: libsomething.so: cannot open shared object file
""".strip().splitlines()
WRITE = """
import os
from CompressionTrainerLib.networks import tensorflow_noise
tensorflow_noise._has_nvidia_driver = lambda: {driver}
with tensorflow_noise.without_noise():
    os.write(2, {text!r}.encode())
    {end}
os.write(2, b"after it\\n")
"""


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    return done.stderr.splitlines()


def test_loading_tensorflow_says_nothing():
    pytest.importorskip("tensorflow")
    assert (
        said("from CompressionTrainerLib.networks.keras_module import tf; print(tf.config.list_physical_devices())")
        == []
    )


@pytest.mark.parametrize(("end", "after"), [("pass", ["after it"]), ("os.abort()", [])])
def test_errors_are_passed_on_to_the_last_word(end, after):
    text = "".join(f"{line}\n" for lines in zip(NOISE, [*ERRORS, "", ""], strict=True) for line in lines if line)
    assert said(WRITE.format(driver=False, text=text, end=end)) == ERRORS + after


def test_where_cuda_should_work_its_errors_are_said():
    text = "".join(f"{line}\n" for line in NOISE)
    assert said(WRITE.format(driver=True, text=text, end="pass")) == [*NOISE[2:4], "after it"]


def test_without_a_console_nothing_is_filtered(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with tensorflow_noise.without_noise():
        os.getpid()
