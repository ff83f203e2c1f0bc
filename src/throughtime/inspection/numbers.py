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


LEAST = 1e-4
"""A factor that is as good as nothing: how much smaller one is, is a matter of rounding."""


def show_factor(value: float) -> str:
    """A singular value.

    Example:
        >>> show_factor(2.904), show_factor(9.1e-10)
        ('2.9', '<0.0001')
    """
    return f"<{LEAST}" if value < LEAST else show_number(value)


def show_reach(reach: float, distance: int) -> str:
    """Steps after which little is left of a gradient, where that many were looked at.

    Example:
        >>> show_reach(13.0, 99), show_reach(math.inf, 99), show_reach(math.nan, 99)
        ('13', 'over 99', '–')
    """
    return f"over {distance:,}" if reach == math.inf else show_number(reach, ",.0f")


def layers_of(owner: str) -> str:
    """The layers that a model keeps under a name, for people.

    Example:
        >>> layers_of("stack"), layers_of("encoder")
        ('all layers', 'encoder')
    """
    return "all layers" if owner == "stack" else owner
