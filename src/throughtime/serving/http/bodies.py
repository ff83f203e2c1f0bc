"""What a request brings: JSON, or a form with files; anything else is refused in a line."""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from throughtime.errors import UserError, listed, nearest
from throughtime.plain import parse_object
from throughtime.serving.refusal import RefusedError

BodyT = TypeVar("BodyT", bound=BaseModel)

JSON, FORM = "application/json", "multipart/form-data"

LARGE = 1 << 16
"""Bytes of JSON from which on it is read beside the loop that answers."""

FIELDS = 64
"""Most fields of a form."""


def kind_of(request: Request, *kinds: str) -> str:
    """Which of some kinds of body it brings.

    Raises:
        RefusedError: If it is none of them.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise RefusedError(415, f"expected a body of {' or '.join(kinds)}, got {kind[:80] or 'one of no kind'}")
    return kind


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        RefusedError: If it is none.
    """
    kind_of(request, JSON)
    body = await request.body()
    return parsed(body) if len(body) < LARGE else await asyncio.to_thread(parsed, body)


def parsed(body: bytes | str, where: str = "body") -> dict[str, Any]:
    """The object that JSON holds.

    Raises:
        RefusedError: If it holds none.
    """
    try:
        return parse_object(body if isinstance(body, str) else body.decode(), where)
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"{where}: expected text in UTF-8, got other bytes at {error.start:,}") from error
    except UserError as error:
        raise RefusedError(400, str(error).removesuffix("; the file is damaged")) from error


_GLIMPSE = reprlib.Repr()
_GLIMPSE.maxlevel, _GLIMPSE.maxstring, _GLIMPSE.maxother = 3, 60, 60


def shown(value: object) -> str:
    """A value as a message quotes it; of a large one the beginning alone is looked at.

    Example:
        >>> shown("a"), shown([0] * 1_000_000)
        ("'a'", '[0, 0, 0, 0, 0, 0, ...]')
    """
    found = _GLIMPSE.repr(value)
    return found if len(found) <= 60 else f"{found[:57]}..."


@asynccontextmanager
async def read_form(request: Request, files: int) -> AsyncIterator[FormData]:
    """The form of a body, whose files are there inside the block.

    Args:
        request: With the body.
        files: Most of them.

    Raises:
        RefusedError: If it is none; what is wrong with one is refused by the reader itself.
    """
    kind_of(request, FORM)
    async with request.form(max_files=files, max_fields=FIELDS) as form:
        yield form


def only(given: Iterable[str], known: Iterable[str], what: str = "a field") -> None:
    """Refuses names that are none.

    Raises:
        RefusedError: Names the nearest.
    """
    known = list(known)
    for name in given:
        if name not in known:
            has = listed(known, 40) or "none"
            raise RefusedError(400, f"expected {what} of these: {has}; got {name[:80]!r}{nearest(name[:80], known)}")


def validated(kind: type[BodyT], given: Mapping[str, Any]) -> BodyT:
    """Fields held against what is declared of them.

    Raises:
        RefusedError: If one is unknown, missing, or out of its bounds.
    """
    only(given, [field.alias or name for name, field in kind.model_fields.items()])
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise refused(error) from error


def refused(error: ValidationError) -> RefusedError:
    """The first thing that is wrong, in a line."""
    first = error.errors(include_url=False, include_context=False)[0]
    place, message = str(first["loc"][0]) if first["loc"] else "", first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return RefusedError(400, f"expected the field {place!r}, got none")
    got = f", got {shown(first['input'])}" if place else ""
    return RefusedError(400, f"{place + ': ' if place else ''}{message[:1].lower()}{message[1:]}{got}")
