"""Training runs: configuration, losses, loop, checkpoints."""
