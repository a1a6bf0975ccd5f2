"""Making trained networks smaller."""
