"""Training on several devices or machines by tf.distribute: replicas share each batch and average what they learn from
it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from LiverTumorLib.errors import UsageError

from ..data.slices import CaseSlices
from ..networks.keras_module import tf
from .batches import training_batches, validation_batches, validation_steps
from .config import TrainConfig


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy "none", "mirrored" or "multiworker"; must be made before TensorFlow does anything else.

    Raises:
        UsageError: several workers, but nothing says who they are.
    """
    if name == "multiworker":
        if "TF_CONFIG" not in os.environ:
            raise UsageError(
                "The strategy 'multiworker' needs the environment variable TF_CONFIG in each worker, for example "
                """'{"cluster": {"worker": ["host0:9000", "host1:9000"]}, "task": {"type": "worker", "index": 0}}'."""
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy() if name == "mirrored" else tf.distribute.get_strategy()


def check_batch(strategy: tf.distribute.Strategy, batch: int) -> None:
    """Raises UsageError where replicas cannot share a batch evenly."""
    if batch % strategy.num_replicas_in_sync:
        raise UsageError(
            f"A batch of {batch} slices cannot be shared evenly by {strategy.num_replicas_in_sync} replicas; change "
            "[optimizer] batch."
        )


def writes(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_id


def shared_batches(
    strategy: tf.distribute.Strategy, config: TrainConfig, slices: dict[str, Sequence[CaseSlices]], first_epoch: int
):
    """Training batches, validation batches and the number of these, as `strategy` wants them.

    No batches (None) where nothing validates, as in a refit; None as the number is all there are.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        unshared = validation_batches(config, slices["val"]) if slices["val"] else None
        return training_batches(config, slices["train"], first_epoch), unshared, None

    def training(context):
        here = replicas // context.num_input_pipelines
        return training_batches(
            config, slices["train"], first_epoch, range(replicas)[context.input_pipeline_id * here :][:here], replicas
        )

    def validation(context):  # read on from epoch to epoch, so without an end
        return validation_batches(config, slices["val"], replicas // context.num_input_pipelines).repeat()

    if not slices["val"]:
        return strategy.distribute_datasets_from_function(training), None, None
    steps = validation_steps(config, slices["val"])
    return (
        strategy.distribute_datasets_from_function(training),
        strategy.distribute_datasets_from_function(validation),
        steps,
    )
