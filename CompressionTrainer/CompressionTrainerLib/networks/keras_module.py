"""The one place that imports TensorFlow's Keras: tf_keras (Keras 2), since tfmot knows no other."""

import os

# All three must stand before the first import of TensorFlow. The second lets it keep the memory it frees: the C library gives each large
# block back to the system, which clears it page by page when it is asked for again, for a third of the time of a training on CPUs.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf  # noqa: E402  the environment must be set first
import tf_keras as keras  # noqa: E402

__all__ = ["keras", "tf"]
