"""How predictions look in a notebook, whose ground may be light or dark."""

from __future__ import annotations

import re

import pytest
from rich.color import ANSI_COLOR_NAMES
from rich.text import Text

from throughtime.applications.prediction import as_html

COLOURS = ("red", "green", "yellow", "blue", "magenta", "cyan")


def contrast(one: str, other: str) -> float:
    """Of two colours such as ``#112233``, as WCAG has it: 1 is none, 21 the most."""
    light = []
    for colour in (one, other):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        light.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("style", [*COLOURS, *(f"bold {colour}" for colour in COLOURS), "dim"])
@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_colours_are_read_on_light_and_dark_ground(style: str, ground: str) -> None:
    (colour,) = re.findall(r"color: (#[0-9a-f]{6})", as_html(Text("a", style)))[:1]
    assert contrast(colour, ground) > 3.9, "WCAG asks for 3 of large letters, 4.5 of small ones on one ground"


def test_colours_differ() -> None:
    assert len({as_html(Text("a", colour)) for colour in COLOURS}) == len(COLOURS)
    assert set(COLOURS) < set(ANSI_COLOR_NAMES)
