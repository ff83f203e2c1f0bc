"""What each task keeps in ``vocabulary.json``, as schemas that a folder's file is held against."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from throughtime.data.vocabulary import UNKNOWN

LARGEST = 1e30
"""Of the numbers that are learnt of data."""


def _differ(symbols: list[str]) -> list[str]:
    if len(set(symbols)) < len(symbols):
        raise ValueError("expected symbols that differ")
    return symbols


def _open(symbols: list[str]) -> list[str]:
    if symbols[:1] != [UNKNOWN]:
        raise ValueError(f"expected {UNKNOWN} first")
    return _differ(symbols)


def _even(rows: list[list[float]]) -> list[list[float]]:
    if len({len(row) for row in rows}) > 1:
        raise ValueError("expected rows of one length")
    return rows


Open = Annotated[list[str], AfterValidator(_open)]
"""Symbols of an open vocabulary."""
Closed = Annotated[list[str], Field(min_length=1), AfterValidator(_differ)]
"""Symbols of a closed one, such as labels."""
Different = Annotated[list[str], AfterValidator(_differ)]
"""Symbols that differ, or none."""
Count = Annotated[int, Field(ge=0)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
"""A number that single precision holds, and some sums of it."""
Rows = Annotated[list[list[Real]], AfterValidator(_even)]


class Nothing(TypedDict):
    """Of a task that makes its data."""


Anything = dict[str, Any]
"""Of a task that declares nothing."""
