"""Results in a browser, drawn by Slicer's own views (trame-slicer), for places without Slicer."""
