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
        if number_in(value) > most:
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


def number_in(value: Any) -> float:
    """The number that an option takes a value for, be it written as a text; 0 for what its own schema refuses.

    Example:
        >>> number_in("40"), number_in(4.0), number_in(None)
        (40.0, 4.0, 0.0)
    """
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
