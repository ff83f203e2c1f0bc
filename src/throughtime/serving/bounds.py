"""Options that a client names, within the server's bounds: none of them names a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from throughtime.errors import shown
from throughtime.serving.house import Hosted, House
from throughtime.serving.refusal import RefusedError
from throughtime.serving.settings import ServeSettings

LANGUAGE = "lm"
"""The option that names a folder of a language model; here it names another model that is served."""

TEXT = "text"
"""The task of language models of text."""


def bounded(house: House, given: Mapping[str, Any], limits: ServeSettings) -> dict[str, Any]:
    """Options as a run takes them: a model by the folder of its name, numbers that the server allows.

    Raises:
        RefusedError: If one names no model, or asks for too much.
    """
    options = dict(given)
    for name, most in (("length", limits.tokens), ("nbest", limits.results), ("beam", limits.results)):
        value = options.get(name)
        if isinstance(value, int | float | str) and _number(value) > most:
            raise RefusedError(413, f"{name}: expected at most {most:,}, got {shown(value)}")
    if LANGUAGE in options:
        options[LANGUAGE] = language_model(house, options[LANGUAGE]).run.folder
    return options


def language_model(house: House, name: Any) -> Hosted:
    """A model of text by its name.

    Raises:
        RefusedError: If there is none.
    """
    if not isinstance(name, str):
        raise RefusedError(400, f"expected the name of a model that is served, got {shown(name)}")
    hosted = house[name]
    if hosted.task != TEXT:
        instead = f"POST /predict/{name}" if "predict" in hosted.run.trained.uses else "GET /v1/models"
        raise RefusedError(
            400, f"expected a language model of text, got {name!r}, one of {hosted.task}; see: {instead}"
        )
    return hosted


def _number(value: float | str) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return 0.0  # the option's own schema refuses it
