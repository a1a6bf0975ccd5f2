"""Two or more dates of one patient: registration on the liver, pairs of lesions, response by RECIST 1.1, growth."""

from .follow import FollowOptions, follow
from .study import Study, make_study

__all__ = ["FollowOptions", "Study", "follow", "make_study"]
