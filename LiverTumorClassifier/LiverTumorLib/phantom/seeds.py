"""Which phantom seeds may enter training: demonstrations and tests must show patients no network has seen."""

from __future__ import annotations

from ..errors import UsageError

RESERVED_SEEDS = range(1, 100)
FIRST_TRAINING_SEED = 1000


def training_seeds(count: int, start: int = FIRST_TRAINING_SEED) -> range:
    """`count` consecutive seeds that training may use, from `start` on.

    Raises:
        UsageError: `start` lies below FIRST_TRAINING_SEED.
    """
    check_training_seed(start)
    return range(start, start + count)


def check_training_seed(seed: int) -> int:
    """Give `seed` back if training may use it.

    Raises:
        UsageError: the seed is reserved for demonstration, installation checks and tests.
    """
    if seed < FIRST_TRAINING_SEED:
        raise UsageError(f"Phantom seed {seed} is not for training; use seeds from {FIRST_TRAINING_SEED} on.")
    return seed
