"""``/v1/completions``: texts, as OpenAI's clients ask for them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.responses import Response

from throughtime.applications.options import Drawing
from throughtime.applications.text_model import TextModel
from throughtime.decoding import Sampling
from throughtime.serving.bounds import language_model
from throughtime.serving.house import Hosted
from throughtime.serving.http.answers import Answer, Events, refusing
from throughtime.serving.http.asking import text_model
from throughtime.serving.http.bodies import read_json, refused, shown, validated
from throughtime.serving.http.openai.drawing import Piece, Plan, Prompt, Said, complete
from throughtime.serving.http.parts import Limits, Models, Working
from throughtime.serving.http.uses import check_drawn, gathered
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings

router = APIRouter(tags=["openai"])

NEUTRAL: Mapping[str, Sequence[Any]] = {
    "suffix": [""],
    "logit_bias": [{}],
    "presence_penalty": [0],
    "frequency_penalty": [0],
}
"""Fields that would change what is drawn and that these models do not have, with the values that change nothing."""


STOP = 200
"""Most letters of a text that ends a draw."""


class StreamOptions(BaseModel):
    """Of an answer that comes in pieces."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool = False
    include_obfuscation: bool = False


class Completion(BaseModel):
    """What is asked; a field that is null counts as left out."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str = Field(description="A language model of text.")
    prompt: str | list[Any] = Field("", description="A text, several, ids of its tokens, or several lists of them.")
    max_tokens: int = Field(16, ge=0, description="Most tokens to draw.")
    temperature: float = Field(1.0, ge=0, description="Below 1 bolder, above 1 more even; 0: the likeliest.")
    top_p: float = Field(1.0, gt=0, le=1, description="Draw from the likeliest tokens with this share of probability.")
    top_k: int | None = Field(None, ge=1, description="Draw from the k likeliest tokens.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="Of the first choice; the next has one more.")
    stop: str | list[Any] = Field([], description="Up to four texts that end it.")
    n: int = Field(1, ge=1, description="Choices of each prompt.")
    best_of: int | None = Field(None, ge=1, description="As many as n.")
    logprobs: int | None = Field(None, ge=0, le=20, description="Likeliest tokens that are told in place of each.")
    echo: bool = Field(False, description="The prompt comes first.")
    stream: bool = Field(False, description="As server-sent events, as it is drawn.")
    stream_options: StreamOptions | None = None
    user: str = Field("", description="Taken and not used.")
    suffix: str = Field("", description="Must be empty.")
    logit_bias: dict[str, Any] = Field({}, description="Must be empty.")
    presence_penalty: float = Field(0.0, description="Must be 0.")
    frequency_penalty: float = Field(0.0, description="Must be 0.")

    @field_validator("prompt")
    @classmethod
    def _of_one_kind(cls, given: str | list[Any]) -> str | list[Any]:
        if isinstance(given, str) or _all(given, str) or _all(given, int) or all(_all(each, int) for each in given):
            return given
        raise ValueError("expected a text, a list of texts, ids of tokens, or a list of lists of them")

    @property
    def stops(self) -> list[Any]:
        """Texts that end it."""
        return [self.stop] if isinstance(self.stop, str) else self.stop


@router.post("/v1/completions")
async def completions(request: Request, house: Models, limits: Limits, work: Working) -> Response:
    """Texts that go on from prompts."""
    asked = validated(
        Completion, {name: value for name, value in (await read_json(request)).items() if value is not None}
    )
    _check(asked)
    hosted = language_model(house, asked.model)
    text = text_model(hosted)
    assert text is not None
    prompts = _prompts(text, asked.prompt, limits)
    check_drawn(len(prompts) * asked.n, asked.max_tokens, limits)
    plan = Plan(_settings(hosted, asked), asked.stops, asked.logprobs, asked.echo)
    head = {"id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time())}
    head |= {"model": hosted.name}

    def pieces() -> Any:
        with refusing(hosted):
            yield from complete(text, prompts, plan)

    read = sum(len(prompt.ids) for prompt in prompts)
    if not asked.stream:
        found = await gathered(request, work, hosted, pieces())
        choices = [_joined(index, found, asked.logprobs) for index in range(len(prompts) * asked.n)]
        return Answer({**head, "choices": choices, "usage": _usage(read, found)})
    usage = asked.stream_options is not None and asked.stream_options.include_usage

    async def events() -> AsyncGenerator[dict[str, Any]]:
        drawn: list[Piece] = []
        async with aclosing(work.pieces(pieces(), hosted)) as groups:
            async for group in groups:
                drawn += [Piece(piece.index, tokens=piece.tokens) for piece in group]
                for index in dict.fromkeys(piece.index for piece in group):
                    choice = _joined(index, group, asked.logprobs)
                    yield {**head, "choices": [choice], **({"usage": None} if usage else {})}
        if usage:
            yield {**head, "choices": [], "usage": _usage(read, drawn)}

    return await Events.begun(events(), limits.patience)


def _all(given: Any, kind: type) -> bool:
    """Whether it is a list with values of one kind alone; a truth is no number."""
    return isinstance(given, list) and all(type(each) is kind for each in given)


def _check(asked: Completion) -> None:
    """Refuses what would change what is drawn, and is not there."""
    for name, neutral in NEUTRAL.items():
        if getattr(asked, name) not in neutral:
            raise RefusedError(400, f"{name}: not supported; leave it out, got {shown(getattr(asked, name))}")
    if asked.best_of not in (None, asked.n):
        raise RefusedError(400, f"best_of: expected as many as n, {asked.n}, got {asked.best_of}; ask for more with n")
    if len(asked.stops) > 4 or not all(asked.stops) or not _all(asked.stops, str):
        raise RefusedError(400, f"stop: expected up to four texts that are not empty, got {shown(asked.stop)}")
    if any(len(stop) > STOP for stop in asked.stops):
        raise RefusedError(413, f"stop: expected at most {STOP} letters, got more; shorten it")
    if asked.stream_options is not None and not asked.stream:
        raise RefusedError(400, "stream_options: expected with stream alone; set stream, or leave them out")


def _prompts(text: TextModel, given: Any, limits: ServeSettings) -> list[Prompt]:
    """Prompts, each with its tokens.

    Raises:
        RefusedError: If there is none, there are too many, or one is too long, or no text of the model's.
    """
    alone = isinstance(given, str) or (given and isinstance(given[0], int))
    found = [given] if alone else given
    if not 1 <= len(found) <= limits.inputs:
        raise RefusedError(
            400 if not found else 413, f"prompt: expected from 1 to {limits.inputs:,}, got {len(found):,}"
        )
    return [_prompt(text, each, limits.tokens) for each in found]


def _prompt(text: TextModel, given: str | list[int], most: int) -> Prompt:
    vocabulary = len(text.tokenizer)
    if isinstance(given, list):
        wrong = next((token for token in given if not 0 <= token < vocabulary), None)
        if wrong is not None:
            raise RefusedError(400, f"prompt: expected tokens from 0 to {vocabulary - 1:,}, got {wrong}")
    elif len(given) > 64 * most:
        raise RefusedError(413, f"prompt: expected at most {most:,} tokens, got {len(given):,} letters")
    ids = text.begin(given) if isinstance(given, str) else given
    if len(ids) > most:
        raise RefusedError(413, f"prompt: expected at most {most:,} tokens, got {len(ids):,}")
    return Prompt(given if isinstance(given, str) else text.text_of(ids), ids)


def _settings(hosted: Hosted, asked: Completion) -> list[Sampling]:
    """How each choice of a prompt is drawn: as the command line draws samples with these options."""
    if not asked.max_tokens:
        return []
    given = {"temperature": asked.temperature, "top_p": asked.top_p, "top_k": asked.top_k, "seed": asked.seed}
    try:
        options = hosted.options["sample"].model_validate({**given, "length": asked.max_tokens})
    except ValidationError as error:
        raise refused(error) from error
    assert isinstance(options, Drawing)
    return [options.sampling(number) for number in range(asked.n)]


def _joined(index: int, pieces: Sequence[Piece], log_probs: int | None) -> dict[str, Any]:
    """What several pieces tell of a choice."""
    own = [piece for piece in pieces if piece.index == index]
    said = [each for piece in own for each in piece.said]
    return {
        "text": "".join(piece.text for piece in own),
        "index": index,
        "logprobs": None if log_probs is None else _log_probs(said),
        "finish_reason": next((piece.finish for piece in own if piece.finish), None),
    }


def _log_probs(said: Sequence[Said]) -> dict[str, Any]:
    return {
        "tokens": [each.text for each in said],
        "token_logprobs": [each.log_prob for each in said],
        "top_logprobs": None if any(each.top is None for each in said) else [each.top for each in said],
        "text_offset": [each.at for each in said],
    }


def _usage(read: int, pieces: Sequence[Piece]) -> dict[str, int]:
    drawn = sum(piece.tokens for piece in pieces)
    return {"prompt_tokens": read, "completion_tokens": drawn, "total_tokens": read + drawn}
