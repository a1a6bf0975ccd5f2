"""`python -m LiverTumorLib.cli`, the same as `livertumor`."""

import sys

from . import main

sys.exit(main())
