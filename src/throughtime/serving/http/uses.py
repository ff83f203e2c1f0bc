"""``/predict``, ``/score`` and ``/sample``: what the command line prints with ``--json``, for every task."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from throughtime.applications.prediction import Prediction
from throughtime.errors import listed
from throughtime.plain import confined
from throughtime.runtime.reading.notes import noting
from throughtime.serving.bounds import LANGUAGE, number_in
from throughtime.serving.house import Hosted
from throughtime.serving.http.answers import Answer, refusing
from throughtime.serving.http.asking import check_use, chosen, text_model
from throughtime.serving.http.bodies import FORM, JSON, kind_of, only, parsed, read_form, read_json, shown, validated
from throughtime.serving.http.parts import Limits, Models, Working
from throughtime.serving.http.uploads import FILE, MUSIC, Upload, check_beats, check_length, uploads_of, written
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.serving.work import Work

router = APIRouter(tags=["models"])

T = TypeVar("T")

LETTERS = 8
"""Letters of a text for every token that it may have."""


class Asked(BaseModel):
    """What is asked about inputs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    inputs: list[Any] = Field(min_length=1, description="Lines of text, or rows of numbers, as the model takes them.")
    options: dict[str, Any] = Field({}, description="Of the task: see /v1/models.")


class Drawn(BaseModel):
    """What new sequences are asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str = Field("", description="What they go on from.")
    n: int = Field(1, ge=1, description="How many; each has a seed of its own, one more than that before it.")
    options: dict[str, Any] = Field({}, description="Of the task: see /v1/models.")


@router.post("/predict/{model}")
async def predict(model: str, request: Request, house: Models, limits: Limits, work: Working) -> Answer:
    """What a model makes of inputs: of lines or rows of numbers in JSON, of files in a form."""
    hosted = house[model]
    check_use(hosted, "predict")
    if kind_of(request, JSON, FORM) == JSON:
        asked = validated(Asked, await read_json(request))
        options = chosen(house, hosted, "predict", asked.options, limits)
        answers = _of_inputs(hosted, asked.inputs, options, limits)
    else:
        async with read_form(request, limits.inputs) as form:
            only(form, [FILE, "options"])
            uploads = await uploads_of(form, hosted.run.trained.uploads)
            options = chosen(house, hosted, "predict", parsed(str(form.get("options", "{}")), "options"), limits)
        answers = _of_files(hosted, uploads, options, limits)
    predictions: list[Any] = []
    warnings: list[str] = []
    for found, told in await gathered(request, work, hosted, answers):
        predictions += found
        warnings += told
    return _answer(hosted, predictions=predictions, warnings=warnings)


@router.post("/score/{model}")
async def score(model: str, request: Request, house: Models, limits: Limits, work: Working) -> Answer:
    """The log-probability of every line, by a language model; of every token, too, where ``tokens`` are asked for."""
    hosted = house[model]
    check_use(hosted, "score")
    asked = validated(Asked, await read_json(request))
    lines = _lines(hosted, asked.inputs, limits)
    options = chosen(house, hosted, "score", asked.options, limits)

    def scores() -> Iterator[dict[str, Any]]:
        with refusing(hosted):
            for found in hosted.run.score(lines, **options):
                yield {name: value for name, value in asdict(found).items() if value is not None}

    return _answer(hosted, scores=await gathered(request, work, hosted, scores()))


@router.post("/sample/{model}")
async def sample(model: str, request: Request, house: Models, limits: Limits, work: Working) -> Answer:
    """New texts or tunes."""
    hosted = house[model]
    check_use(hosted, "sample")
    asked = validated(Drawn, await read_json(request))
    (prompt,) = _lines(hosted, [asked.prompt], limits)
    options = chosen(house, hosted, "sample", asked.options, limits)
    length = options.get("length", hosted.options["sample"].model_fields["length"].default)
    check_drawn(asked.n, length, limits)

    def samples() -> Iterator[dict[str, Any] | None]:
        with refusing(hosted), confined(hosted.run.folder):
            for number, drawn in enumerate(hosted.run.samples(asked.n, prompt, **options)):
                for _ in drawn:
                    yield None
                yield {"prompt": prompt, **drawn.data, "seed": drawn.options.sampling(number).seed}

    warnings = list(hosted.run.sampler.warnings(prompt))
    return _answer(hosted, samples=await gathered(request, work, hosted, samples()), warnings=warnings)


def check_drawn(count: int, length: Any, limits: ServeSettings) -> None:
    """Refuses to draw too much.

    Raises:
        RefusedError: If it is.
    """
    if count * (each := number_in(length)) > limits.tokens:
        raise RefusedError(413, f"expected at most {limits.tokens:,} tokens to draw in all, got {count} × {each:,.0f}")


async def gathered(request: Request, work: Work, hosted: Hosted, pieces: Iterator[T | None]) -> list[T]:
    """All that an iterator gives, as long as the client waits for it.

    Raises:
        RefusedError: If it cannot be had, or the client has gone.
    """

    async def gather() -> list[T]:
        async with aclosing(work.pieces(pieces, hosted)) as groups:
            return [piece async for group in groups for piece in group if piece is not None]

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    found, gone = asyncio.create_task(gather()), asyncio.create_task(leave())
    try:
        await asyncio.wait((found, gone), return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise RefusedError(408, "the client has gone")
        return found.result()
    finally:
        found.cancel()
        gone.cancel()


Answered = tuple[Sequence[Any], Sequence[str]]
"""Predictions as plain data, and warnings."""


def _of_inputs(
    hosted: Hosted, inputs: list[Any], options: Mapping[str, Any], limits: ServeSettings
) -> Iterator[Answered]:
    takes = hosted.run.trained.takes
    if all(isinstance(each, str) for each in inputs) and "lines" in takes:
        return _of_lines(hosted, _lines(hosted, inputs, limits), options)
    if all(isinstance(each, list) for each in inputs) and "numbers" in takes:
        _check_count(len(inputs), limits)
        for number, each in enumerate(inputs, 1):
            _check_rows(each, number, hosted, limits)
        return _of_numbers(hosted, inputs, options)
    trained = hosted.run.trained
    known = {"lines": "texts", "numbers": trained.numbers, "files": f"files in the field {FILE!r} of a form"}
    wanted = listed(known[kind] for kind in takes)
    raise RefusedError(400, f"inputs: expected {wanted}; got {shown(inputs[0])}")


def _of_lines(hosted: Hosted, lines: list[str], options: Mapping[str, Any]) -> Iterator[Answered]:
    with refusing(hosted), confined(hosted.run.folder, *_others(options)):
        for name, prediction in hosted.run.answers_to_lines(lines, **options):
            yield [prediction.data], _warnings(name, prediction)


def _of_numbers(hosted: Hosted, inputs: list[Any], options: Mapping[str, Any]) -> Iterator[Answered]:
    with refusing(hosted):
        for number, prediction in enumerate(hosted.run.predict(inputs, **options), 1):
            yield [prediction.data], _warnings(f"input {number}", prediction)


def _of_files(
    hosted: Hosted, uploads: Sequence[Upload], options: Mapping[str, Any], limits: ServeSettings
) -> Iterator[Answered]:
    count = 0
    with written(uploads) as places, refusing(hosted, places.named):
        with confined(hosted.run.folder, places.folder, *_others(options)), noting() as notes:
            for path, name in places.names.items():
                check_length(Path(path), name, hosted.task, limits)
                for where, prediction in hosted.run.answers(path, **options):
                    count += 1
                    _check_count(count, limits)
                    yield [places.named(prediction.data)], places.named(_warnings(where, prediction))
        yield [], places.named(notes.lines())


def _others(options: Mapping[str, Any]) -> list[Path]:
    """Folders of models that help."""
    return [options[LANGUAGE]] if LANGUAGE in options else []


def _lines(hosted: Hosted, inputs: list[Any], limits: ServeSettings) -> list[str]:
    """Inputs as texts that are not too long.

    Raises:
        RefusedError: If one is none, or there are too many.
    """
    _check_count(len(inputs), limits)
    text = text_model(hosted)
    for number, line in enumerate(inputs, 1):
        if not isinstance(line, str):
            raise RefusedError(400, f"inputs: expected texts, got {shown(line)} as number {number}")
        tokens = len(line) / LETTERS if text is None or len(line) > LETTERS * limits.tokens else len(text.begin(line))
        if tokens > limits.tokens:
            raise RefusedError(
                413, f"expected texts of at most {limits.tokens:,} tokens, got {len(line):,} letters as number {number}"
            )
    return inputs


def _check_count(count: int, limits: ServeSettings) -> None:
    if count > limits.inputs:
        raise RefusedError(413, f"expected at most {limits.inputs:,} inputs of a request, got more; send several")


def _check_rows(rows: list[Any], number: int, hosted: Hosted, limits: ServeSettings) -> None:
    if len(rows) > limits.tokens:
        raise RefusedError(413, f"input {number}: expected at most {limits.tokens:,} rows, got {len(rows):,}")
    wrong = next((row for row in rows if not (isinstance(row, list) and all(_is_number(each) for each in row))), None)
    if wrong is not None or not rows:
        raise RefusedError(400, f"input {number}: expected {hosted.run.trained.numbers}, got {shown(wrong or rows)}")
    if hosted.task == MUSIC and all(len(row) == 3 for row in rows):
        check_beats(max(a + long for a, long, _ in rows) - min(row[0] for row in rows), f"input {number}", limits)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _warnings(where: str, prediction: Prediction) -> list[str]:
    return [f"{where}: {warning}" for warning in prediction.warnings]


def _answer(hosted: Hosted, **found: Any) -> Answer:
    return Answer({"model": hosted.name, "task": hosted.task, **found})
