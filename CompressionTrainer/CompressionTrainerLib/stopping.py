"""Ctrl-C and SIGTERM that take effect at once, also while TensorFlow computes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator

from LiverTumorLib.errors import Cancelled

GRACE_S = 1.0


@contextlib.contextmanager
def stops_promptly() -> Iterator[None]:
    """Within the block a stop from outside ends the process in little more than GRACE_S, whatever is going on.

    Python handles a signal only when the main thread is back from TensorFlow's step, which may take many seconds. So
    another thread is told of it too, and ends the process where the main thread has not left the block in time. That is
    safe where files are written whole or not at all (`LiverTumorLib.atomic`): what stays is what was complete.
    """
    listener, teller = socket.socketpair()
    teller.setblocking(False)
    try:
        before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    except ValueError:  # only the main thread hears signals
        listener.close()
        teller.close()
        yield
        return
    left = threading.Event()

    def watch() -> None:
        with listener:
            while numbers := listener.recv(64):
                if {signal.SIGINT, signal.SIGTERM}.isdisjoint(numbers):
                    continue
                if not left.wait(GRACE_S):
                    print("livertumor: Stopped.", file=sys.stderr, flush=True)
                    os._exit(Cancelled.exit_code)
                return

    threading.Thread(target=watch, name="stop watcher", daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        teller.close()


@contextlib.contextmanager
def stops_at_once() -> Iterator[None]:
    """Within the block a stop from outside ends the process there and then, without a word.

    For calls that keep Python's lock for long, as TensorFlow's converter does, so that no other thread can act, and
    only where nothing is being written.
    """
    before = {}
    with contextlib.suppress(ValueError):  # only the main thread hears signals
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
