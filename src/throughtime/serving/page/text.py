"""What the page asks of language models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from throughtime.applications.text_model import TextModel
from throughtime.decoding import Sampling
from throughtime.serving.house import Hosted
from throughtime.serving.http.asking import text_model
from throughtime.serving.http.parts import Limits, Models, Working
from throughtime.serving.page.watched import View, draw, reached, read
from throughtime.serving.refusal import RefusedError

T = TypeVar("T")

router = APIRouter(prefix="/page", include_in_schema=False)

SHOWN = 1000
"""Most tokens of a text that is shown: every step of them is told of."""


class Looked(BaseModel):
    """A text to look at, and what of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    text: str = Field("", max_length=100_000)
    layer: int = Field(0, ge=0, le=1000)
    gate: str = Field("", max_length=100)
    temperature: float = Field(1.0, ge=0, le=100)

    @property
    def view(self) -> View:
        """What of the model."""
        return View(self.layer, self.gate, self.temperature)


class Reached(Looked):
    """A token, and what it depends on."""

    at: int = Field(ge=0)


class Drawn(Looked):
    """How a text is to go on."""

    length: int = Field(300, ge=1)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**63)


@router.post("/text/{name}")
async def look(name: str, asked: Looked, house: Models, limits: Limits, work: Working) -> dict[str, Any]:
    """What the model does with a text, step by step."""
    hosted, model = _language(house[name])
    _check_length(model, asked.text, limits.tokens)
    return await work.run(_alone(hosted, lambda: read(model, asked.text, asked.view)))


@router.post("/reach/{name}")
async def back(name: str, asked: Reached, house: Models, limits: Limits, work: Working) -> dict[str, Any]:
    """What one of its tokens depends on."""
    hosted, model = _language(house[name])
    _check_length(model, asked.text, limits.tokens)
    return {"reach": await work.run(_alone(hosted, lambda: reached(model, asked.text, asked.at)))}


@router.post("/draw/{name}")
async def go_on(name: str, asked: Drawn, house: Models, limits: Limits, work: Working) -> StreamingResponse:
    """How the model goes on, a line of JSON a token, as they come."""
    hosted, model = _language(house[name])
    _check_length(model, asked.text, limits.tokens)
    length = min(asked.length, SHOWN, limits.tokens)
    sampling = Sampling(temperature=asked.temperature, top_p=asked.top_p, length=length, seed=asked.seed)
    groups = work.pieces(draw(model, asked.text, sampling, asked.view), hosted)
    first: list[dict[str, Any]] = await anext(groups, [])  # what is wrong shows before anything is sent

    async def lines() -> AsyncIterator[str]:
        async with aclosing(groups):
            for step in first:
                yield json.dumps(step) + "\n"
            async for group in groups:
                for step in group:
                    yield json.dumps(step) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _language(hosted: Hosted) -> tuple[Hosted, TextModel]:
    model = text_model(hosted)
    if model is None:
        raise RefusedError(422, f"expected a language model, got {hosted.name!r}, a model of task {hosted.task!r}")
    return hosted, model


def _check_length(model: TextModel, text: str, most: int) -> None:
    most, tokens = min(most, SHOWN), len(model.begin(text))
    if tokens > most:
        raise RefusedError(413, f"text: expected at most {most:,} {model.tokenizer.unit} to show, got {tokens:,}")


def _alone(hosted: Hosted, function: Callable[[], T]) -> Callable[[], T]:
    """The same while nobody else runs the model."""

    def alone() -> T:
        with hosted.lock:
            return function()

    return alone
