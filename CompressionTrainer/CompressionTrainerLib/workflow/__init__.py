"""The whole workflow from labeled CT to a compressed, measured model, as one command whose stages continue where they
were stopped."""
