"""Long work in a child process: one protocol for the panels, the Python console and the command line.

`protocol` is what travels (job file, event lines, result files), `worker` is the child, `process` starts it with subprocess.
Slicer starts the same child by QProcess and reads it with the same `JobState`.
"""

from .process import Job, start_job
from .protocol import JobState, load_output, worker_command, worker_environment, write_job

__all__ = ["Job", "JobState", "load_output", "start_job", "worker_command", "worker_environment", "write_job"]
