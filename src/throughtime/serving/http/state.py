"""Whether the server lives, is ready, and what it does."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from throughtime.serving.http.parts import Watching, Working
from throughtime.serving.refusal import RefusedError

router = APIRouter(tags=["state"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(request: Request) -> dict[str, str]:
    """Whether it takes requests: not while it starts or stops."""
    if not request.app.state.ready:
        raise RefusedError(503, "the server starts or stops; try again later", after=1)
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def metrics(watch: Watching, work: Working) -> Response:
    """What it does, in Prometheus's format."""
    watch.waiting.set(work.count)
    return Response(watch.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
