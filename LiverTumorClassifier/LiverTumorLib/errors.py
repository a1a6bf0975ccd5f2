"""The errors a user can meet. Each carries one clear sentence and the exit code the command line returns."""


class LiverTumorError(Exception):
    """Base class: the message is one sentence for the user (which file, what is wrong, what to do)."""

    exit_code = 1


class UsageError(LiverTumorError):
    """The command or the call was put together wrongly."""

    exit_code = 2


class InputError(LiverTumorError):
    """An input image cannot be used: unreadable, not a CT, wrong dimensions, ..."""

    exit_code = 3


class ReaderError(InputError):
    """The process that read an input crashed on it, or ran out of the memory or time that its size explains."""


class OutputError(LiverTumorError):
    """A result cannot be written: no permission, no space, or it exists already."""

    exit_code = 4


class ModelError(LiverTumorError):
    """A model bundle is missing, damaged, or made for another version of this software."""

    exit_code = 5


class RequirementError(LiverTumorError):
    """A Python package that this step needs is not installed."""

    exit_code = 6


class WorkerError(LiverTumorError):
    """The child process that does the work ended without a result."""

    exit_code = 7


class SomeCasesFailed(LiverTumorError):
    """A batch went through, but at least one case has no result."""

    exit_code = 8


class BusyError(LiverTumorError):
    """What only one program can have, a port or a folder, another program has."""

    exit_code = 9


class Cancelled(LiverTumorError):
    """The user stopped the work; nothing half-written is left behind."""

    exit_code = 130
