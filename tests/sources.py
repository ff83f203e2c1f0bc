"""Source as trees: many tests look at the same modules."""

from __future__ import annotations

import ast
from functools import cache


@cache
def parsed(source: str) -> ast.Module:
    """The tree of a source, made once, to be looked at alone."""
    return ast.parse(source)
