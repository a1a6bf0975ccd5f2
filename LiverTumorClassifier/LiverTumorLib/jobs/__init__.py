"""Long work in a child process: one protocol for the panels, the Python console and the command line.

`protocol` is what travels (job file, result files), `events` what the child says, `source` what it reads itself,
`worker` is the child, `process` starts it with subprocess. Slicer starts the same child by QProcess and reads it with
the same `JobState`.
"""

from .events import JobState
from .process import Job, read_apart, start_job
from .protocol import Writer, load_output, worker_command, worker_environment, write_job
from .source import Source
from .warm import WarmJob, WarmWorkers

__all__ = [
    "Job",
    "JobState",
    "Source",
    "WarmJob",
    "WarmWorkers",
    "Writer",
    "load_output",
    "read_apart",
    "start_job",
    "worker_command",
    "worker_environment",
    "write_job",
]
