"""Tables as text: on a terminal every row is one line of its width, and no figure is ever cut; piped, nothing is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from throughtime.applications.task import Report, Table
from throughtime.console import as_lines, as_text, cut
from throughtime.figures import counted, duration, figure, number, unit_of
from throughtime.visible import in_line

SIGNS = [
    "a",
    "b ",
    "é",
    "e\u0301",
    "न्दी",
    "猫",
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "\t",
    "\n",
    "\x1b[31m",
    "\u202e",
    "",
    "long" * 20,
]
TEXT = st.lists(st.sampled_from(SIGNS), max_size=12).map("".join)
NUMBER = st.one_of(st.floats(), st.integers(-(10**12), 10**12))
NAMES = st.sampled_from(
    ["F1", "nats a frame", "right %", "taken for another word", "words", "seconds", "balanced accuracy"]
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Texts and figures in any order."""
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=12))
    names = [f"{draw(NAMES if kind else TEXT)}" for kind in kinds]
    rows = st.tuples(*(NUMBER if kind else TEXT for kind in kinds)).map(list)
    return Table(draw(TEXT), names, draw(st.lists(rows, min_size=1, max_size=4)))


@settings(max_examples=40, deadline=None)
@given(tables(), st.integers(40, 200))
def test_a_table_fits_and_keeps_its_figures(table: Table, width: int) -> None:
    lines = [line.plain for line in as_lines(table.headings(), table.text(), table.numbers(), width)]
    assert all(cell_len(line) <= width for line in lines)
    assert not any(set("\n\t\x1b\u202e") & set(line) for line in lines)
    shown = [word for line in lines for word in line.split("  ")]
    for row, told in zip(table.rows, table.text(), strict=True):
        for value, cell in zip(row, told, strict=True):
            if isinstance(value, int | float):
                assert cell in {word.strip() for word in shown}, (cell, lines)


@settings(max_examples=30, deadline=None)
@given(tables())
def test_a_pipe_gets_all_of_it_a_line_a_row(table: Table) -> None:
    lines = as_text(table.headings(), table.text(), table.numbers()).split("\n")
    assert len(lines) == 1 + len(table.rows)
    for line, row in zip(lines[1:], table.text(), strict=True):
        assert all(in_line(cell).replace("\t", "␉").strip() in line for cell in row)


def test_a_row_is_filled_up_to_forty_columns_and_no_further() -> None:
    lines = as_text(["a", "b"], [["x" * 900, "1"], ["y", "2"]]).split("\n")
    assert lines == ["a" + " " * 41 + "b", "x" * 900 + "  1", "y" + " " * 41 + "2"]


def test_columns_without_room_follow_below_the_first() -> None:
    rows = [["gru", *"1234567"], ["lstm", *"7654321"]]
    names = [f"heading {n}" for n in range(7)]
    lines = [line.plain for line in as_lines(["cell", *names], rows, names, 40)]
    assert lines[2:4] == ["gru         1        2        3        4", "lstm        7        6        5        4"]
    assert [line.split()[0] for line in lines if line.startswith(("gru", "lstm"))] == ["gru", "lstm"] * 2


def test_a_path_keeps_its_end() -> None:
    lines = as_lines(["nats", "tune"], [["1.5", "/data/" + "deep/" * 20 + "last.mid: train 12"]], ["nats"], 40)
    assert lines[1].plain.endswith("/last.mid: train 12")
    assert cell_len(lines[1].plain) == 40


def test_signs_are_never_cut_in_two() -> None:
    family = "👩\u200d👩\u200d👧"
    for width in range(1, 12):
        kept = cut(f"ne\u0301{family}नि" * 5, width)
        assert cell_len(kept) <= width
        assert kept.endswith("…")
        assert not kept[:-1].endswith(("e", "\u200d", "न"))


@pytest.mark.parametrize(
    ("name", "value", "among", "shown"),
    [
        ("accuracy", 63.1579, 19, "63 %"),
        ("accuracy", 63.1579, 500, "63.2 %"),
        ("accuracy", 63.1579, 20_000, "63.16 %"),
        ("accuracy_without_time", 10.0, 50, "10 %"),
        ("balanced_accuracy", 0.8125, None, "81.2 %"),
        ("clipped_share", 0.0, None, "0.0 %"),
        ("squared_error", 0.16789, 500, "0.168"),
        ("nats_per_frame", 8.71834, 500, "8.718"),
        ("perplexity", 110.4321, 82_430, "110.43"),
        ("loss", 0.51234, None, "0.512 nats"),
        ("seconds", 80.2, None, "1 min 20 s"),
        ("bleu", 31.2345, 1000, "31.23"),
        ("mcc", 0.71234, 100, "0.712"),
        ("examples", 1200, 1200, "1,200"),
        ("picture", "a.png", None, "a.png"),
    ],
)
def test_a_figure_has_its_unit_and_the_digits_that_mean_something(
    name: str, value: float | str, among: int | None, shown: str
) -> None:
    assert figure(name, value, among) == shown


@given(st.floats())
def test_a_number_stays_short_and_near(value: float) -> None:
    shown = number(value)
    assert len(shown) <= 18
    if abs(value) < 1e9:
        assert float(shown.replace(",", "")) == pytest.approx(value, rel=5e-3, abs=1e-300)


def test_a_report_says_what_its_figures_are_in() -> None:
    rows = [["a", 66.66667, 0.25, 1.234, 3]]
    table = Table("", ["label", "F1", "sensitivity", "nats a frame", "words"], rows)
    assert table.headings() == ["label", "F1 %", "sensitivity %", "nats a frame", "words"]
    assert table.text() == [["a", "66.7", "25.0", "1.23", "3"]]
    shown = Report({"word_error": 12.345, "chance": 50.0, "words": 40, "beam": 8}).shown()[0]
    assert [row[1] for row in shown.rows] == ["12 %", "50 %", "40", "8"]
    assert counted({"beam": 500, "words": 40}) == 40
    assert unit_of("root_error_share") == "share"
    assert duration(59.6) == "1 min 0 s"
