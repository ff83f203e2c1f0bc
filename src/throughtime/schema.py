"""Plain data held against a schema, in one line where it differs."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from throughtime.errors import UserError, shown

T = TypeVar("T")


def checked(kind: TypeAdapter[T], value: Any, where: str) -> T:
    """Plain data held against its schema.

    Args:
        kind: The schema; make it once, it takes a while.
        value: The data.
        where: What an error calls it.

    Raises:
        UserError: If it is not as the schema says; names the first place that differs.
    """
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError as error:
        raise _differs(error, where) from error


def checked_json(kind: TypeAdapter[T], text: str, where: str) -> T:
    """As :func:`checked`, of data that are still JSON: an object there stands for a dataclass, a list for a tuple."""
    try:
        return kind.validate_json(text, strict=True)
    except ValidationError as error:
        raise _differs(error, where) from error


def _differs(error: ValidationError, where: str) -> UserError:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    told = f"{place}: {message}" if place else message
    return UserError(f"{where}: {told}, got {shown(first['input'])}; the file is damaged")
