"""The kinds of objects, made with highdicom: only `results` imports these, and only where it writes them."""
