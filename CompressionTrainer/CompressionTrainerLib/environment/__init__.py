"""The Python that the trainer runs in: which one, whether it has what training needs, and how it gets that."""
