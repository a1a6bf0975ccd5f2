"""The command line with two small tasks of job_tasks.py in place of the networks' (they run in a child as those do)."""

import sys

from LiverTumorLib.cli import main
from LiverTumorLib.jobs.protocol import TASKS

if __name__ == "__main__":
    TASKS.update(segment="job_tasks:segment", classify="job_tasks:classify")
    sys.exit(main())
