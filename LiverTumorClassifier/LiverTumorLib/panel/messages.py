"""What a user reads when something went wrong: one sentence for known errors, details for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Cancelled, LiverTumorError


@contextmanager
def errors_shown(message: str, tell: Callable[[str], None], wait_cursor: bool = False) -> Iterator[None]:
    """Show known errors as their sentence, and unexpected ones with `message` and details; a stop is not an error.

    Args:
        tell: also called with the sentence, for the place in the panel where the user looks.
        wait_cursor: for work in the window's own process.
    """
    import slicer

    known = None
    with slicer.util.tryWithErrorDisplay(message, waitCursor=wait_cursor):
        try:
            yield
        except Cancelled:
            pass
        except LiverTumorError as error:
            known = str(error)
        except Exception:
            tell(message)
            raise
    if known is not None:  # here the cursor is an arrow again, with which the message can be closed
        tell(known)
        slicer.util.errorDisplay(known)


def confirmed(question: str) -> bool:
    """Ask the user before something is lost; True where Slicer runs its own tests."""
    import slicer

    return bool(slicer.util.confirmOkCancelDisplay(question))
