"""Pictures show what data says, and take none of it for maths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import cycle, repeat
from pathlib import Path
from typing import Any

import pytest

from throughtime.pictures import line_style, new_figure, plain_power, save_figure

HOSTILE = ("$x^$", r"$\frac$", "a$b", "$$", "\x1b[31m$x^$", "\x9b\u202e", "\ud800", "猫 שלום \U0001f600", "<b>&amp;--")


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def figure_of(words: Iterable[str]) -> Any:
    """A figure with a word wherever one may stand, ten in all."""
    word = iter(words)
    figure = new_figure(4, 4)
    above, below = figure.subplots(2, 1, sharex=True)
    image = above.imshow([[1, 2], [3, 4]])
    figure.colorbar(image, ax=above, label=next(word))
    figure.suptitle(next(word))
    above.set_title(next(word))
    above.text(0, 0, next(word))
    above.annotate(next(word), (0, 0))
    below.plot([0, 1], [1, 1000], label=next(word), **line_style(0))
    below.set_xlabel(next(word))
    below.set_xticks([0, 1], [next(word), "other"])
    below.legend(title=next(word))
    below.set_yticks([1, 10, 1000], [next(word), "b", "c"], minor=True)
    return figure


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_word_is_drawn_as_it_stands_wherever_it_is(tmp_path: Path, suffix: str) -> None:
    figure = figure_of(repeat("\x1b$x^$"))
    save_figure(figure, tmp_path / f"picture{suffix}")
    assert (tmp_path / f"picture{suffix}").stat().st_size > 1000
    assert texts(figure).count("␛$x^$") >= 9
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", "".join(texts(figure)))


def test_any_word_is_drawn_as_it_stands(tmp_path: Path) -> None:
    figure = figure_of(cycle(HOSTILE))
    save_figure(figure, tmp_path / "picture.png")
    shown = {"\x1b[31m$x^$": "␛[31m$x^$", "\x9b\u202e": r"\x9b\u202e", "\ud800": r"\ud800"}
    assert {shown.get(word, word) for word in HOSTILE} <= set(texts(figure))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", "".join(texts(figure)))


def test_powers_of_a_logarithmic_axis_stand_without_maths(tmp_path: Path) -> None:
    figure = new_figure(4, 4)
    wide, narrow = figure.subplots(2, 1)
    wide.plot([0, 1], [1e-3, 1e4])
    narrow.plot([0, 1], [1, 3])
    for axes in (wide, narrow):
        axes.set_yscale("log")
    save_figure(figure, tmp_path / "one.png")
    save_figure(figure, tmp_path / "again.png")
    assert {"0.01", "1", "10,000"} <= {label.get_text() for label in wide.get_yticklabels()}
    assert "2" in [label.get_text() for label in narrow.get_yticklabels(minor=True)]
    assert not any("$" in text for text in texts(figure))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_a_power_by_hand() -> None:
    assert plain_power(r"$\mathdefault{-10^{12}}$") == "-10¹²"
    assert plain_power("3.5") == "3.5"
