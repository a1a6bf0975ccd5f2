"""The one place that imports TensorFlow's Keras: tf_keras (Keras 2), since tfmot knows no other."""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # must stand before the first import of TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
import tf_keras as keras

__all__ = ["keras", "tf"]
