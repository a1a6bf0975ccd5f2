"""A digital abdomen with liver and lesions, made from a seed: sample data, installation check, tests, and extra
training cases."""

from .scan import make_phantom
from .seeds import FIRST_TRAINING_SEED, RESERVED_SEEDS, check_training_seed, training_seeds

__all__ = ["FIRST_TRAINING_SEED", "RESERVED_SEEDS", "check_training_seed", "make_phantom", "training_seeds"]
