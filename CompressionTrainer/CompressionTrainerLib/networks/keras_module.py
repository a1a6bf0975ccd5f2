"""The one place that imports TensorFlow's Keras: tf_keras (Keras 2), since tfmot knows no other.

The networks themselves take the keras module as an argument, so that they can be built with Keras 3 (JAX, say) too.
"""

import contextlib
import ctypes
import os
import sys

from .tensorflow_noise import without_noise


def _keep_freed_memory() -> None:
    """Let the process keep what it frees, where its C library is glibc.

    That gives each large block back to the system and asks for it again, which then clears it page by page: a third of
    the time of a training on CPUs. (TensorFlow's own TF_CPU_ALLOCATOR_USE_BFC saves as much for its tensors, nothing
    for NumPy's arrays.)
    """
    arena_max, mmap_max, top_pad, trim_threshold = -8, -4, -2, -1  # malloc.h
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((arena_max, 1), (mmap_max, 0), (top_pad, 1 << 28), (trim_threshold, (1 << 31) - 1)):
            mallopt(option, value)


if sys.platform == "linux":
    _keep_freed_memory()
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # must stand before the first import of TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

with without_noise():
    import tensorflow as tf
    import tf_keras as keras

    tf.config.list_physical_devices()  # looks for GPUs, and says that there are none

__all__ = ["keras", "tf"]
