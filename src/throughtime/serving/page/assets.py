"""The page's files: read once, each served at an address of its own, under a policy that lets it ask nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Response

from throughtime.plain import read_bytes

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Media types by suffix."""

FOLDER = Path(__file__).parent / "static"

FILES = {
    "/" if file.name == "index.html" else f"/page/{file.name}": file
    for file in sorted(FOLDER.iterdir())
    if file.suffix in KINDS
}
"""Every address with its file."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


def _serving(content: bytes, kind: str) -> Callable[[], Response]:
    def served() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return served


for address, file in FILES.items():
    router.add_api_route(address, _serving(read_bytes(file), KINDS[file.suffix]), methods=["GET"])
