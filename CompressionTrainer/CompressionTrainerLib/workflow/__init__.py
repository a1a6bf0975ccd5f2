"""The whole chain from labelled CT to a compressed, measured model, as one command whose stages go on where they were stopped."""
