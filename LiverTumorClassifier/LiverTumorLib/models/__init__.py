"""Model bundles: what they are, where they lie, and how their networks are run."""
