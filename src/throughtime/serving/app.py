"""The application: routes, what guards them, and how it begins and ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from throughtime._version import __version__
from throughtime.errors import UserError
from throughtime.serving.guard import Guard
from throughtime.serving.house import House
from throughtime.serving.http import ROUTERS
from throughtime.serving.live import Desk
from throughtime.serving.page import ROUTERS as PAGE
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.watch import Watch
from throughtime.serving.work import Work
from throughtime.serving.ws import STREAMS
from throughtime.visible import as_json, in_line, say


def create_app(
    house: House, settings: ServeSettings | None = None, log: Callable[[Any], None] | None = None
) -> FastAPI:
    """The server as an ASGI application.

    Args:
        house: The models.
        settings: Limits and the rest.
        log: Takes every event of the access log, as plain data; default: a line of JSON on standard output.
    """
    settings = settings or ServeSettings()
    log = log or (lambda event: say(as_json(event)))
    watch = Watch()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.work = Work(settings.waiting, settings.patience)
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # no main thread, or no such signal
            loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, reload))
        app.state.desk = Desk(house, settings, watch, log)
        app.state.ready = True
        yield
        app.state.ready = False
        await app.state.desk.close()
        app.state.work.close()

    def reload() -> None:
        failed = house.reload()
        log({"event": "reload", "models": list(house.models), "failed": failed})

    app = FastAPI(
        title="Throughtime",
        version=__version__,
        summary="Recurrent models: predictions, texts, streams.",
        lifespan=lifespan,
        openapi_url=None,  # see throughtime.serving.http.docs: the usual pages fetch scripts from elsewhere
    )
    app.state.house, app.state.settings, app.state.watch, app.state.log = house, settings, watch, log
    app.state.ready, app.state.crowd = False, lambda: 0  # connections that there are: whoever listens knows
    for router in (*ROUTERS, *STREAMS, *PAGE):
        app.include_router(router)
    app.add_middleware(Guard, settings=settings, watch=watch, log=log)
    if settings.cors is not None:  # around the guard: a browser asks first without a key, and reads a refusal too
        app.add_middleware(CORSMiddleware, allow_origins=[settings.cors], allow_methods=["*"], allow_headers=["*"])
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    refusal, headers = as_refusal(error), {}
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        refusal = _unrouted(request, error.status_code, headers.get("allow", headers.get("Allow"))) or refusal
    return JSONResponse(refusal.body, refusal.status, headers | refusal.headers)


def _unrouted(request: Request, status: int, allowed: str | None) -> RefusedError | None:
    """What is told where no route fits."""
    path = in_line(request.url.path)[:80]
    if status == 404:
        return RefusedError(404, f"expected an address that is served, got {path!r}; all are at /docs")
    if status == 405 and allowed:
        return RefusedError(405, f"expected {allowed} at {path}, got {request.method[:20]}")
    return None


def as_refusal(error: Exception) -> RefusedError:
    """What a client is told of an error that it can mend."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        return RefusedError(422, in_line(f"{place or 'body'}: {first['msg'][:1].lower()}{first['msg'][1:]}"))
    if isinstance(error, HTTPException):
        return RefusedError(error.status_code, in_line(str(error.detail)))
    return RefusedError(400, in_line(str(error)))
