"""What may be asked of a model that is served: its uses, what it takes, its options without those that name places."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from throughtime.applications.options import Options
from throughtime.applications.settings import option
from throughtime.applications.text_model import TextModel
from throughtime.engine import WeightsName
from throughtime.errors import listed
from throughtime.serving.bounds import LANGUAGE, TEXT, bounded
from throughtime.serving.house import Hosted, House
from throughtime.serving.http.bodies import only, shown
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings
from throughtime.tasks.text.task import TrainedText

SPEECH = "speech"
"""A task whose models OpenAI's clients may ask, as those of :data:`TEXT`."""


class ScoreOptions(Options):
    """Of scores: what may be asked of them."""

    tokens: bool = option(False, "The log-probability of every token, too.", "Results")
    weights: WeightsName = option("float32", "What matrices are kept in: float32, bfloat16, int8.", "Results")


def check_use(hosted: Hosted, use: str) -> None:
    """Refuses what a model is not for.

    Raises:
        RefusedError: Says what it is for.
    """
    uses = hosted.run.trained.uses
    if use not in uses:
        instead = listed(f"POST /{other}/{hosted.name}" for other in uses) or "GET /v1/models"
        raise RefusedError(400, f"a model of task {hosted.task!r} has nothing to {use}; see: {instead}")


def askable(hosted: Hosted, use: str) -> dict[str, Any]:
    """The options of a use as JSON schemas, by name."""
    declared = ScoreOptions if use == "score" else hosted.options[use]
    schemas = declared.model_json_schema()["properties"]
    found = {}
    for name, field in declared.model_fields.items():
        schema = {key: value for key, value in schemas[name].items() if key not in ("group", "title")}
        if name == LANGUAGE:
            schema = {"type": "string", "description": "A language model that helps: its name on this server."}
        if name != "prompt" and (name == LANGUAGE or not _is_place(field.annotation)):
            found[name] = schema
    return found


def chosen(house: House, hosted: Hosted, use: str, given: Any, limits: ServeSettings) -> dict[str, Any]:
    """Options that a request names, as the run takes them.

    Raises:
        RefusedError: If one is unknown, names no model, or asks for too much.
    """
    if not isinstance(given, Mapping):
        raise RefusedError(400, f"options: expected an object, got {shown(given)}")
    only(given, askable(hosted, use), "an option")
    return bounded(house, given, limits)


def text_model(hosted: Hosted) -> TextModel | None:
    """The model of a language model of text; None of any other."""
    trained = hosted.run.trained
    return trained.text if isinstance(trained, TrainedText) else None


def told(hosted: Hosted) -> dict[str, Any]:
    """What a client needs to know of a model, to build a form for it, say."""
    trained, found = hosted.run.trained, dict[str, Any]()
    for use in trained.uses:
        asked: dict[str, Any] = {"path": f"/{use}/{hosted.name}"}
        if use == "predict":
            asked |= {"takes": list(trained.takes), "suffixes": list(trained.uploads)}
            asked |= {"numbers": trained.numbers} if trained.numbers else {}
        asked["options"] = askable(hosted, use)
        found[use] = asked
    openai = {TEXT: "/v1/completions", SPEECH: "/v1/audio/transcriptions"}
    return {"uses": found, **({"openai": openai[hosted.task]} if hosted.task in openai else {})}


def _is_place(annotation: Any) -> bool:
    return annotation is Path or Path in get_args(annotation)
