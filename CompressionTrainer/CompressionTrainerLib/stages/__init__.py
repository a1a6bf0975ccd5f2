"""The stages of the trainer: one file a command, with its arguments, its settings and its run."""
