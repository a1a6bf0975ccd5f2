"""Start the viewer's web server."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequirementError, UsageError

if TYPE_CHECKING:
    from .case import ShownCase

LEAST_TOKEN = 16  # characters


def require_viewer() -> None:
    """Raises RequirementError where the packages of the extra `view` are not installed."""
    if find_spec("trame_slicer") is None:
        raise RequirementError(
            "The viewer needs trame-slicer: pip install 'livertumor[view]', in an environment of its own (Python 3.12)."
        )


def serve(cases: Sequence[ShownCase], host: str, port: int, token_file: Path | None, idle_minutes: float = 0) -> None:
    """Show cases until the process is stopped; prints the address, which holds the token.

    Args:
        cases: at least one.
        host: address to listen at.
        port: 0 takes a free one.
        token_file: file with the token that a browser needs; None makes a new one.
        idle_minutes: end when no browser has been connected for so long; 0 never ends.

    Raises:
        UsageError: a host or port that cannot be had, or a token that is too short.
    """
    token = _token(token_file)
    port = _free_port(host, port)
    # trame reads this in place of the process's own arguments, which every user of the computer can see.
    seconds = round(60 * idle_minutes)
    os.environ["TRAME_ARGS"] = f"--server --host={host} --port={port} --authKey={token} --timeout={seconds}"
    _silence()
    from .page import ViewerApp

    app = ViewerApp(cases)
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
    app.server.controller.on_server_ready.add(lambda **_: print(f"http://{shown}:{port}/?secret={token}", flush=True))
    app.server.start(open_browser=False, show_connection_info=False)


def _silence() -> None:
    """VTK's warnings about displays, and what asyncio says of pages that are closed, mean nothing to a user."""
    from vtkmodules.vtkCommonCore import vtkLogger, vtkObject

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    vtkObject.GlobalWarningDisplayOff()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def _token(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(24)
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as a token: {error}.") from error
    if len(token) < LEAST_TOKEN or not token.isascii():
        raise UsageError(f"The token in {file} needs at least {LEAST_TOKEN} ASCII characters.")
    return token


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return probe.getsockname()[1]
    except (OSError, OverflowError) as error:
        raise UsageError(f"{host}:{port} cannot be listened at ({error}); choose another --host or --port.") from error
