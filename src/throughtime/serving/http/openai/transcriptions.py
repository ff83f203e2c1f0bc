"""``/v1/audio/transcriptions``: recordings as text, as OpenAI's clients ask for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from starlette.responses import PlainTextResponse, Response

from throughtime.plain import confined
from throughtime.serving.bounds import LANGUAGE
from throughtime.serving.house import Hosted, House
from throughtime.serving.http.answers import Answer, refusing
from throughtime.serving.http.asking import SPEECH, chosen
from throughtime.serving.http.bodies import parsed, read_form, shown, validated
from throughtime.serving.http.openai.captions import Caption, Word, captions, srt, vtt
from throughtime.serving.http.parts import Limits, Models, Working
from throughtime.serving.http.uploads import FILE, Upload, check_length, uploads_of, written
from throughtime.serving.http.uses import gathered
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.tasks.speech.pictures import Said, words_of

router = APIRouter(tags=["openai"])

GRANULARITIES = "timestamp_granularities"

UNDETERMINED = "und"
"""The language that a model does not tell (ISO 639)."""


class Transcription(BaseModel):
    """What is asked beside the file; a field that is empty counts as left out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: str = Field(description="A recogniser of speech.")
    response_format: Literal["json", "verbose_json", "text", "srt", "vtt"] = Field(
        "json", description="verbose_json tells segments and words with their times."
    )
    language: str = Field(
        UNDETERMINED, max_length=40, description="Told again in verbose_json; a model hears what it was trained on."
    )
    temperature: float = Field(0.0, description="Must be 0: nothing is drawn.")
    prompt: str = Field("", description="Must be empty: these models read none.")
    stream: bool = Field(False, description="Must be false: see /stream and /v1/realtime.")
    chunking_strategy: Literal["auto"] = Field("auto", description="Taken and not used: length is no matter.")
    options: str = Field("{}", description="Of the task, as JSON: beam, lm, lm_weight; see /v1/models.")


@router.post("/v1/audio/transcriptions")
async def transcriptions(request: Request, house: Models, limits: Limits, work: Working) -> Response:
    """What is said in a recording."""
    async with read_form(request, 2) as form:
        asked, wanted = _asked(form)
        hosted = _recogniser(house, asked.model)
        uploads = await uploads_of(form, hosted.run.trained.uploads)
    if len(uploads) != 1:
        raise RefusedError(400, f"{FILE}: expected one file, got {len(uploads)}")
    options = chosen(house, hosted, "predict", parsed(asked.options, "options"), limits)
    options = {"weights": "float32", **options, "explain": True}
    (heard,) = await gathered(request, work, hosted, _hear(hosted, uploads[0], options, limits))
    words = _words(hosted, heard["symbols"])
    found = captions(words)
    if asked.response_format in ("text", "srt", "vtt"):
        texts = {"text": heard["text"] + "\n", "srt": srt(found), "vtt": vtt(found)}
        kind = "text/vtt" if asked.response_format == "vtt" else "text/plain"
        return PlainTextResponse(texts[asked.response_format], media_type=kind)
    usage = {"type": "duration", "seconds": math.ceil(heard["seconds"])}
    if asked.response_format == "json":
        return Answer({"text": heard["text"], "usage": usage})
    told: dict[str, Any] = {"task": "transcribe", "language": asked.language, "duration": heard["seconds"]}
    told["text"] = heard["text"]
    if "segment" in wanted:
        told["segments"] = [_segment(number, each, heard["symbols"]) for number, each in enumerate(found)]
    if "word" in wanted:
        told["words"] = [asdict(word) for word in words]
    return Answer({**told, "usage": usage})


def _asked(form: FormData) -> tuple[Transcription, Sequence[str]]:
    """The fields, and what times are wanted of: both, where nothing is said."""
    fields = {name: value for name, value in form.items() if name != FILE and value != ""}
    wanted = [value for name in (GRANULARITIES, f"{GRANULARITIES}[]") for value in form.getlist(name)]
    for name in (GRANULARITIES, f"{GRANULARITIES}[]"):
        fields.pop(name, None)
    if wrong := [value for value in wanted if value not in ("word", "segment")]:
        raise RefusedError(400, f"{GRANULARITIES}: expected word or segment, got {shown(wrong[0])}")
    if any(isinstance(value, UploadFile) for value in fields.values()):
        raise RefusedError(400, f"expected one file, in the field {FILE!r}, got another")
    asked = validated(Transcription, fields)
    for name, why in (
        ("temperature", "nothing is drawn"),
        ("prompt", "these models read none"),
        ("stream", "not here"),
    ):
        if getattr(asked, name):
            raise RefusedError(400, f"{name}: not supported, as {why}; leave it out, got {shown(getattr(asked, name))}")
    return asked, [str(value) for value in wanted] or ["segment", "word"]


def _recogniser(house: House, name: str) -> Hosted:
    hosted = house[name]
    if hosted.task != SPEECH:
        instead = f"POST /predict/{name}" if "predict" in hosted.run.trained.uses else "GET /v1/models"
        raise RefusedError(400, f"expected a recogniser of speech, got {name!r}, one of {hosted.task}; see: {instead}")
    return hosted


def _hear(
    hosted: Hosted, upload: Upload, options: Mapping[str, Any], limits: ServeSettings
) -> Iterator[dict[str, Any]]:
    others = [options[LANGUAGE]] if LANGUAGE in options else []
    with (
        written([upload]) as places,
        refusing(hosted, places.named),
        confined(hosted.run.folder, places.folder, *others),
    ):
        ((path, name),) = places.names.items()
        check_length(Path(path), name, hosted.task, limits)
        for _, prediction in hosted.run.answers(path, **options):
            yield prediction.data


def _words(hosted: Hosted, symbols: Sequence[Mapping[str, Any]]) -> list[Word]:
    said = [Said(**symbol) for symbol in symbols]
    unit = getattr(hosted.run.trained.settings, "unit", "")
    return [
        Word(each.symbol, each.start, each.end, each.probability)
        for each in (words_of(said) if unit == "characters" else said)
    ]


def _segment(number: int, caption: Caption, symbols: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of a segment what is known; ``avg_logprob`` is the mean of its symbols'."""
    within = [each["probability"] for each in symbols if caption.start <= each["start"] and each["end"] <= caption.end]
    mean = sum(math.log(max(each, 1e-6)) for each in within) / max(1, len(within))
    times = {"id": number, "start": caption.start, "end": caption.end}
    return {**times, "text": caption.text, "temperature": 0.0, "avg_logprob": round(mean, 4)}
