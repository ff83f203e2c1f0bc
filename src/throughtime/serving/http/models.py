"""Which models there are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from throughtime.serving.house import Hosted
from throughtime.serving.http.asking import told
from throughtime.serving.http.parts import Models

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def models(house: Models) -> dict[str, Any]:
    """All models, in OpenAI's form, with the task of each."""
    return {"object": "list", "data": [_told(each) for each in house.models.values()]}


@router.get("/v1/models/{name}")
async def model(name: str, house: Models) -> dict[str, Any]:
    """One of them."""
    return _told(house[name])


def _told(hosted: Hosted) -> dict[str, Any]:
    return {
        "id": hosted.name,
        "object": "model",
        "created": hosted.created,
        "owned_by": "throughtime",
        "task": hosted.task,
        "cautions": list(hosted.run.cautions),
        "throughtime": told(hosted),
    }
