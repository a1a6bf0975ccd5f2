"""What the tests of the viewer know of its page."""

ROWS = ".lesions tbody tr"
START_S = 120
