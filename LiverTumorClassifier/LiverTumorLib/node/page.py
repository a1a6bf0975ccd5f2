"""The page for people: what waits, what has come of it, and why not; rendered here, without scripts, so that any
browser shows it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from .. import __version__
from ..batch.folder import read_summary
from ..errors import WorkerError
from .configuration import Configuration, read_token
from .figures import Figures
from .logs import log
from .queue import Queue
from .rows import OVER, STATES
from .store import Store
from .viewer import Viewer
from .workers import case_folder

_COOKIE = "livertumor"
_ROWS = 100
_LONGEST_FORM = 4096  # bytes
_WRONG_TOKEN_S = 1.0  # a guess takes so long
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers do not say which page a form is from
    "Cache-Control": "no-store",
}


class Page:
    """What the page knows.

    Args:
        troubles: sentences that say what is wrong with the node at the moment.
        viewer: shows series in Slicer's views.
    """

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        queue: Queue,
        figures: Figures,
        troubles: Callable[[], list[str]],
        viewer: Viewer | None = None,
    ) -> None:
        self._configuration, self._store, self._queue, self._figures = configuration, store, queue, figures
        self._troubles, self._viewer = troubles, viewer
        chosen = configuration.page
        self._token = read_token(chosen.token_file) if chosen.token_file is not None else None
        loader = FileSystemLoader(Path(__file__).parent / "templates")
        self._templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._templates.filters |= {"clock": _clock, "size": _size}

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self._guarded(self._list)),
            Route("/series/{id:int}", self._guarded(self._series)),
            Route("/series/{id:int}/report.png", self._guarded(self._picture)),
            Route("/series/{id:int}/retry", self._guarded(self._retry), methods=["POST"]),
            Route("/series/{id:int}/view", self._guarded(self._view), methods=["POST"]),
            Route("/metrics", self._guarded(self._metrics)),
            Route("/healthz", self._health),
            Route("/login", self._login, methods=["GET", "POST"]),
        ]
        hosts = ["*"]
        if self._token is None:  # another site's name that leads to this machine must not open what needs no token
            hosts = ["localhost", "127.0.0.1", "[::1]", self._configuration.page.address]
        return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)])

    def _guarded(self, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """What only who has the token may see; what changes something is taken from this page's own forms only."""

        def guarded(request: Request) -> Response:
            if not self._is_let_in(request):
                if request.url.path == "/" or request.url.path.startswith("/series/"):
                    return RedirectResponse("/login", 303)
                return PlainTextResponse(
                    "A token is needed: Authorization: Bearer …\n", 401, {"WWW-Authenticate": "Bearer"}
                )
            origin = request.headers.get("origin")
            if request.method == "POST" and origin != f"{request.url.scheme}://{request.headers.get('host')}":
                return PlainTextResponse("This can be asked for on the node's own page only.\n", 403)
            return answer(request)

        return guarded

    def _is_let_in(self, request: Request) -> bool:
        if self._token is None:
            return True
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        cookie = request.cookies.get(_COOKIE, "")
        return _same(shown, self._token) or _same(cookie, _pass(self._token))

    async def _login(self, request: Request) -> Response:
        wrong = False
        if request.method == "POST":
            body = (
                await request.body()
                if int(request.headers.get("content-length") or _LONGEST_FORM + 1) <= _LONGEST_FORM
                else b""
            )
            shown = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
            if self._token is None or _same(shown, self._token):
                response = RedirectResponse("/", 303)
                if self._token is not None:
                    secure = self._configuration.page.certificate is not None
                    response.set_cookie(
                        _COOKIE, _pass(self._token), max_age=12 * 3600, httponly=True, samesite="strict", secure=secure
                    )
                return response
            log("wrong token", level="warning", address=request.client.host if request.client else None)
            wrong = True
            await asyncio.sleep(_WRONG_TOKEN_S)
        return self._show("login.html.j2", 403 if wrong else 200, wrong=wrong)

    def _list(self, request: Request) -> Response:
        state = request.query_params.get("state")
        state = state if state in STATES else None
        before = _number(request.query_params.get("before"))
        rows = self._queue.latest(state, _ROWS + 1, before)
        return self._show(
            "list.html.j2",
            rows=rows[:_ROWS],
            older=rows[_ROWS - 1].changed if len(rows) > _ROWS else None,
            state=state,
            counts=self._queue.counts(),
            pending=self._queue.pending(),
            free=self._store.free_bytes(),
            troubles=self._troubles(),
        )

    def _series(self, request: Request) -> Response:
        series = self._queue.get(request.path_params["id"])
        if series is None:
            return self._show("login.html.j2", 404, missing=True)
        folder = case_folder(self._configuration.folder, series.id)
        summary = read_summary(folder)
        can_retry = series.state in ("skipped", "failed") and series.purged is None
        deliveries = self._queue.deliveries(series.id)
        can_retry |= series.state == "failed" and any(each.state == "refused" for each in deliveries)
        return self._show(
            "series.html.j2",
            series=series,
            deliveries=deliveries,
            case=summary["case"] if summary is not None else None,
            folder=folder,
            picture=(folder / "report.png").is_file(),
            is_current=series.state in ("sending", "done", "failed"),
            can_retry=can_retry,
            over=series.state in OVER,
            keep=self._configuration.keep,
            has_viewer=self._viewer is not None,
        )

    def _picture(self, request: Request) -> Response:
        path = case_folder(self._configuration.folder, request.path_params["id"]) / "report.png"
        return (
            FileResponse(path, headers=_HEADERS) if path.is_file() else PlainTextResponse("There is no picture.\n", 404)
        )

    def _retry(self, request: Request) -> Response:
        id = request.path_params["id"]
        if not self._queue.retry(id):
            return PlainTextResponse("There is nothing to try again; reload the page of this series.\n", 409)
        log("retry asked", series=id)
        return RedirectResponse(f"/series/{id}", 303)

    def _view(self, request: Request) -> Response:
        id, address, error = request.path_params["id"], "", ""
        if self._viewer is None:
            return PlainTextResponse("This node has no viewer.\n", 404)
        try:
            place = self._viewer.show(case_folder(self._configuration.folder, id))
            address = f"http://{request.url.hostname}:{place}"
        except WorkerError as failed:
            error = str(failed)
        log("viewer asked", series=id, shown=not error)
        return self._show("viewer.html.j2", 200 if address else 409, id=id, address=address, error=error)

    def _metrics(self, request: Request) -> Response:
        return Response(self._figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _health(self, request: Request) -> Response:
        troubles = self._troubles()
        return PlainTextResponse("".join(f"{trouble}\n" for trouble in troubles) or "ok\n", 503 if troubles else 200)

    def _show(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        names = self._configuration.page.names
        text = self._templates.get_template(template).render(
            version=__version__,
            ae_title=self._configuration.dicom.ae_title,
            names=names,
            states=STATES,
            now=time.time(),
            **values,
        )
        return HTMLResponse(text, status, _HEADERS)


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(shown.encode(), right.encode())


def _pass(token: str) -> str:
    """What the cookie holds in place of the token."""
    return hashlib.sha256(f"livertumor page {token}".encode()).hexdigest()


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _clock(seconds: float | None) -> str:
    """A time as people here read it."""
    return "" if not seconds else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
