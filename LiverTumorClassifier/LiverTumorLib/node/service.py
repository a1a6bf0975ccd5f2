"""All parts of a node together: made, checked, started, watched, ended."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import uvicorn

from ..cluster.single import count_workers, load_dask
from ..errors import BusyError, LiverTumorError, OutputError, RequirementError, UsageError
from ..models.catalogue import get_bundle
from .commitment import Committer
from .configuration import Configuration, Target
from .delivery import Deliverer
from .figures import Figures
from .logs import log, log_unforeseen, quiet_others
from .page import Page
from .queue import Queue
from .receiver import Receiver, address_error
from .retention import delete_past
from .store import Store
from .targets import Away, Sender, sender_for
from .tls import server_context
from .viewer import Viewer
from .workers import Worker, results_folder

_IDLE_S = 0.5  # between two looks at the queue
_RETENTION_S = 600.0
_AFTER_ERROR_S = 5.0
_WATCH_S = 1.0


class Node:
    """A node, from `open` to `close`.

    Raises (by `open`) what `check` raises.
    """

    def __init__(self, configuration: Configuration) -> None:
        quiet_others()
        self._configuration = configuration
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock_file: TextIO | None = None
        self._receiver: Receiver | None = None
        self._server: uvicorn.Server | None = None
        self._viewer: Viewer | None = None

    def open(self) -> None:
        """Take the folder and the ports, and begin to work."""
        chosen = self._configuration
        check_models(chosen)
        if chosen.analysis.scheduler is not None:
            load_dask()
            quiet_others()
        senders = _senders(chosen)
        self._lock_file = hold_folder(chosen.folder)
        self._queue = Queue(chosen.folder / "queue.sqlite")
        self._store, self._figures = Store(chosen.folder / "objects"), Figures()
        try:
            self._store.prepare(self._queue.has_object)
            results_folder(chosen.folder).mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(chosen.folder, error) from error
        again = self._queue.recover()
        self._queue.forget_targets([target.name for target in chosen.targets])
        log("opened", series=self._queue.counts(), begun_again=again)
        self._figures.watch(self._gauges)
        self._receiver = Receiver(chosen, self._store, self._queue, self._figures)
        self._receiver.start()
        if chosen.page.port:
            if chosen.page.viewer is not None:
                self._viewer = Viewer(chosen.page.viewer, chosen.page)
            self._serve_page(Page(chosen, self._store, self._queue, self._figures, self.troubles, self._viewer))
        worker = Worker(chosen, self._store, self._queue, self._figures)
        self._repeat("completion", self._complete)
        for number in range(chosen.analysis.workers):
            self._repeat(f"worker {number + 1}", worker.step)
        for target, sender in senders:
            self._repeat(
                f"target {target.name}", Deliverer(target, sender, chosen.folder, self._queue, self._figures).step
            )
        self._repeat("storage commitment", Committer(chosen.dicom, self._store, self._queue).step)
        self._repeat("retention", lambda: delete_past(chosen, self._store, self._queue) > 0, idle_s=_RETENTION_S)

    def serve(self) -> None:
        """Until somebody interrupts, or a part ends that must not; raises LiverTumorError then."""
        while not self._ended.wait(_WATCH_S):
            for thread in self._threads:
                if not thread.is_alive():
                    raise LiverTumorError(f"A part of the node has ended ({thread.name}); it must be started again.")

    def close(self) -> None:
        """Give the ports back. What runs is begun again by the next start."""
        self._ended.set()
        if self._receiver is not None:
            self._receiver.stop()
        if self._server is not None:
            self._server.should_exit = True
        if self._viewer is not None:
            self._viewer.close()
        log("closed")

    def troubles(self) -> list[str]:
        """What is wrong at the moment, in sentences."""
        found = []
        free, least = self._store.free_bytes(), self._configuration.dicom.min_free_gb * 1e9
        if free < least:
            found.append(
                f"The disk is nearly full ({free / 1e9:.1f} GB free), so objects are refused until there are"
                f" {least / 1e9:g} GB."
            )
        found += [f"A part of the node has ended: {thread.name}." for thread in self._threads if not thread.is_alive()]
        return found

    def _complete(self) -> bool:
        for id in self._queue.complete():
            log("complete", series=id)
        return False

    def _repeat(self, name: str, step: Callable[[], bool], idle_s: float = _IDLE_S) -> None:
        """A thread that does a step after the other, and waits where there is nothing to do; an error ends no
        thread."""

        def work() -> None:
            while not self._ended.is_set():
                try:
                    wait = 0.0 if step() else idle_s
                # The disk, or a fault of ours: what it concerns stays as it is and is looked at again.
                except Exception as error:
                    log_unforeseen(name, error)
                    wait = _AFTER_ERROR_S
                self._ended.wait(wait)

        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve_page(self, page: Page) -> None:
        chosen = self._configuration.page
        bound = _bind("The page's port", "page", chosen.address, chosen.port)
        settings = uvicorn.Config(
            page.app(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            limit_concurrency=64,
            ssl_certfile=chosen.certificate,
            ssl_keyfile=chosen.key,
        )
        server = self._server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="page", daemon=True)
        thread.start()
        self._threads.append(thread)
        log("page", address=chosen.address, port=chosen.port, tls=chosen.certificate is not None)

    def _gauges(self) -> Iterator[tuple[str, str, dict[str, str], float]]:
        for state, count in self._queue.counts().items():
            yield "livertumor_series", "Series by state.", {"state": state}, count
        for target, (files, _) in self._queue.pending().items():
            yield "livertumor_results_waiting", "Result objects that wait to be sent.", {"target": target}, files
        yield "livertumor_disk_free_bytes", "Room on the node's disk.", {}, self._store.free_bytes()
        yield (
            "livertumor_associations",
            "DICOM associations.",
            {},
            self._receiver.associations if self._receiver is not None else 0,
        )
        with contextlib.suppress(OSError, ValueError, IndexError):  # Linux
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            yield "livertumor_resident_bytes", "Memory of the node itself.", {}, pages * os.sysconf("SC_PAGE_SIZE")
            yield (
                "livertumor_open_files",
                "Open files and connections of the node itself.",
                {},
                len(os.listdir("/proc/self/fd")),
            )


def check(configuration: Configuration) -> list[str]:
    """See that a node could start with this configuration, without starting one; returns what is to be said of it.

    Raises BusyError (a port or the folder is in use), UsageError (an address, TLS, a token), OutputError (the folder
    cannot be written) or ModelError.
    """
    quiet_others()
    check_models(configuration)
    senders = _senders(configuration)
    hold_folder(configuration.folder).close()
    for what, section, chosen in (
        ("The DICOM port", "dicom", configuration.dicom),
        ("The page's port", "page", configuration.page),
    ):
        if chosen.port:
            _bind(what, section, chosen.address, chosen.port).close()
    if configuration.dicom.tls is not None:
        server_context(configuration.dicom.tls)
    said = []
    if (address := configuration.analysis.scheduler) is not None:
        said.append(_say_of_scheduler(address))
    for target, sender in senders:
        try:
            sender.check()
            said.append(f"{target.name} answers.")
        except Away as away:
            said.append(f"{target.name} is away: {away}. Results would wait for it.")
    if not senders:
        said.append("There are no targets; results stay in the node's folder.")
    return said


def _say_of_scheduler(address: str) -> str:
    """Raises RequirementError."""
    try:
        return f"The scheduler {address} answers and has {count_workers(address)} workers."
    except UsageError as error:
        return f"{error} Series would wait for it."


def check_models(configuration: Configuration) -> None:
    """Have the models verified before the first series needs them. Raises ModelError, or RequirementError where the
    picture has none."""
    from importlib.util import find_spec

    options = configuration.run_options
    for id in [options.liver_model, *[options.tumor_model] * options.tumor, *[options.slice_model] * options.slices]:
        get_bundle(id).verify()
    if find_spec("matplotlib") is None:
        raise RequirementError("The node needs matplotlib for its pictures: pip install 'livertumor[files,node]'.")


def hold_folder(folder: Path) -> TextIO:
    """The lock of a node's folder, which is made where it is missing; it lasts as long as the returned file is open.

    Raises BusyError where another node has it, OutputError where it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / "node.lock", "w")  # noqa: SIM115 - as long as the node
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows, where the ports alone tell two nodes from each other
        pass
    except OSError as error:
        file.close()
        raise BusyError(f"Another node works in {folder}; end that one, or choose another folder.") from error
    return file


def _bind(what: str, section: str, address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
        bound.listen()  # on Linux a port in use shows only now, where both reuse addresses
    except OSError as error:
        bound.close()
        raise address_error(what, section, address, port, error) from error
    return bound


def _senders(configuration: Configuration) -> list[tuple[Target, Sender]]:
    chosen = configuration.dicom
    return [(target, sender_for(target, chosen.ae_title, chosen.timeout_s)) for target in configuration.targets]


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The folder {folder} cannot be written: {error.strerror or error}; mend that, or choose another."
    )
