"""Numbers as people read them: a measurement may be infinite, or missing."""

from __future__ import annotations

import math


def show_number(value: float, form: str = ".3g") -> str:
    """A number in a form that :func:`format` knows; in words of its own where it is none.

    Example:
        >>> [show_number(value, ",.1f") for value in (1234.56, -0.25, math.inf, -math.inf, math.nan)]
        ['1,234.6', '-0.2', '∞', '-∞', '–']
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return format(value, form)
