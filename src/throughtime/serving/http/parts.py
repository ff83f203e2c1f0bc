"""What routes are given of the application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from throughtime.serving.house import House
from throughtime.serving.settings import ServeSettings
from throughtime.serving.watch import Watch
from throughtime.serving.work import Work


def _house(request: Request) -> House:
    found: House = request.app.state.house
    return found


def _settings(request: Request) -> ServeSettings:
    found: ServeSettings = request.app.state.settings
    return found


def _watch(request: Request) -> Watch:
    found: Watch = request.app.state.watch
    return found


def _work(request: Request) -> Work:
    found: Work = request.app.state.work
    return found


Models = Annotated[House, Depends(_house)]
Limits = Annotated[ServeSettings, Depends(_settings)]
Watching = Annotated[Watch, Depends(_watch)]
Working = Annotated[Work, Depends(_work)]
