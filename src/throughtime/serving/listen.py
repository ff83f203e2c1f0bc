"""A server that listens until it is stopped."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI

from throughtime.api import Run
from throughtime.errors import UserError
from throughtime.serving.app import create_app
from throughtime.serving.connections import Sockets, bound_unread, requests_within
from throughtime.serving.guard import LOOPBACK
from throughtime.serving.house import House
from throughtime.serving.settings import ServeSettings

PING = 20.0
"""Seconds after which the other end of a WebSocket is asked whether it is there, and in which it must answer."""


def listen(
    folders: Sequence[str],
    open_run: Callable[[Path], Run],
    settings: ServeSettings,
    tell: Callable[[str], None],
) -> None:
    """Serves models until a signal stops it.

    Args:
        folders: Model folders.
        open_run: Opens one.
        settings: Address and limits.
        tell: Takes a line for the user.

    Raises:
        UserError: If a folder cannot be opened, the address is taken, or others reach it without a key.
    """
    if settings.host not in LOOPBACK and settings.api_key is None and not settings.open:
        raise UserError(
            f"--host {settings.host}: expected a key where others than this machine may ask; pass --api-key KEY, or "
            "--open to let whoever reaches the address use the models"
        )
    torch.set_num_threads(settings.threads)
    house = House(folders, open_run)
    door = _bound(settings)
    host, port = door.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    for name, model in house.models.items():
        for caution in model.run.cautions:
            tell(f"{name}: {caution}")
    tell(f"serving {len(house.models)} models at http://{shown}:{port}/ ; stop with Ctrl-C")
    if settings.api_key is None and host not in LOOPBACK:
        tell("whoever reaches this address may use the models; pass --api-key KEY to serve those alone who know it")
    app = create_app(house, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=settings.header,
        http=requests_within(settings.patience, settings.header, lambda target: app.state.desk.turned_away(target)),
        ws=Sockets,
        ws_max_size=settings.message,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,  # much memory for each connection, and a few bytes may become many
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(settings.grace) or None,
        lifespan="on",
    )
    with door, suppress(KeyboardInterrupt):  # the signal that stopped it, raised again when all is done
        _Server(config, app, settings.grace).run([door])


class _Server(uvicorn.Server):
    """Lets streams come to their ends before it closes their connections.

    Args:
        config: Of the server.
        app: What it runs.
        grace: Seconds that streams have.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, grace: float) -> None:
        super().__init__(config)
        self.app, self.grace = app, grace
        app.state.crowd = lambda: len(self.server_state.connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops; a second signal hurries it."""
        self.app.state.ready = False
        await self.app.state.desk.finish(self.grace, lambda: self.force_exit)
        await super().shutdown(sockets)


def _bound(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound_unread(door, settings.patience)
    try:
        door.bind((settings.host, settings.port))
        door.listen(1024)
    except OSError as error:
        door.close()
        raise UserError(
            f"--host {settings.host} --port {settings.port}: cannot listen there: {error.strerror}; pass another "
            "--port, 0 for one that is free"
        ) from error
    return door
