"""Cells by name, and what a cell says of itself."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from throughtime.cells import CELLS, Cell, LSTMCell, ProjectedLSTMCell, RNNCell, cell_options, find_cell
from throughtime.errors import UserError, listed

OWN = """
from throughtime.cells import LSTMCell

class Mine(LSTMCell):
    pass

class NoCell:
    pass

mine = Mine(1, 1)
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "throughtime_test_own_cells.py").write_text(OWN)
    (tmp_path / "throughtime_test_needy.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "throughtime_test_own_cells"


@pytest.mark.parametrize("name", CELLS)
def test_a_built_in_cell_is_found_and_sized(name: str) -> None:
    cell = find_cell(name)(3, 5)
    assert isinstance(cell, Cell)
    assert (cell.input_size, cell.hidden_size) == (3, 5)
    assert cell.output_size == cell.widths()[cell.state[0]]


def test_options_reach_the_cell() -> None:
    assert find_cell("rnn-relu")(1, 1).options() == {"heads": 1, "nonlinearity": "relu", "gain": 1.0}
    assert find_cell("rnn")(1, 1).options() == {"heads": 1, "nonlinearity": "tanh", "gain": 1.0}
    assert find_cell("lstm-projected")(3, 8, proj_size=3).options() == {"memory": None, "heads": 1, "proj_size": 3}
    assert find_cell("lstm")(3, 8, memory=9, heads=4).options() == {"memory": 9, "heads": 4}


@pytest.mark.parametrize(
    ("wrong", "near"), [("ltsm", "lstm"), ("gru-ful", "gru-full"), ("LSTM", "lstm"), ("lstm_peephole", "lstm-peephole")]
)
def test_an_unknown_name_gets_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        find_cell(wrong)
    message = str(caught.value)
    assert f"unknown cell {wrong!r} (did you mean {near!r}?)" in message
    assert f"; built-in cells: {listed(CELLS)}; " in message
    assert "module:Class" in message
    assert "\n" not in message


def test_a_name_near_nothing_gets_no_guess() -> None:
    with pytest.raises(UserError, match=r"unknown cell 'perceiver'; built-in cells: rnn,"):
        find_cell("perceiver")


def test_a_class_is_loaded_from_its_module(own_module: str) -> None:
    factory = find_cell(f"{own_module}:Mine")
    cell = factory(2, 4)
    assert type(cell).__name__ == "Mine"
    assert isinstance(cell, LSTMCell)
    assert cell.widths() == {"h": 4, "c": 4}


@pytest.mark.parametrize("attribute", ["NoCell", "mine", "Absent", ""])
def test_what_is_no_cell_class_is_refused(own_module: str, attribute: str) -> None:
    with pytest.raises(UserError, match=f"module {own_module} has no Cell subclass named '{attribute}'"):
        find_cell(f"{own_module}:{attribute}")


def test_a_missing_module_says_where_to_put_it() -> None:
    with pytest.raises(UserError, match=r"No module named 'a_module_that_nobody_has'.*PYTHONPATH"):
        find_cell("a_module_that_nobody_has:Cell")


def test_a_module_that_needs_another_names_the_other(own_module: str) -> None:
    with pytest.raises(UserError, match=r"'throughtime_test_needy:X': No module named 'a_module_that_nobody_has'"):
        find_cell("throughtime_test_needy:X")


@pytest.mark.parametrize("name", [":Mine", ".relative:Mine"])
def test_half_a_name_is_the_users_mistake(name: str) -> None:
    with pytest.raises(UserError, match=r"expected module:Class"):
        find_cell(name)


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", None])
def test_sizes_must_be_positive_integers(size: object) -> None:
    with pytest.raises(ValueError, match=f"LSTMCell: expected input_size to be a positive integer, got {size!r}"):
        LSTMCell(size, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"LSTMCell: expected hidden_size to be a positive integer, got {size!r}"):
        LSTMCell(3, size)  # type: ignore[arg-type]


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match='expected nonlinearity "tanh" or "relu", got \'sigmoid\''):
        RNNCell(1, 1, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match="expected proj_size to be a positive integer, got 0"):
        ProjectedLSTMCell(1, 1, proj_size=0)
    with pytest.raises(ValueError, match="expected proj_size to be less than hidden_size 4, got 9"):
        ProjectedLSTMCell(3, 4, proj_size=9)


SAYS_NOTHING = {("memory", None), ("proj_size", None)}
"""The cell decides."""


@pytest.mark.parametrize("wrong", [-1, math.nan, math.inf, "abc", True, None])
@pytest.mark.parametrize("name", CELLS)
def test_options_that_are_no_numbers_in_range_are_refused_in_a_line(name: str, wrong: Any) -> None:
    for option in cell_options(CELLS[name]):
        if (option, wrong) not in SAYS_NOTHING and (option, wrong) != ("beta", -1):
            with pytest.raises(ValueError, match=rf"^\w+Cell: expected .*{option}.*, got .*{wrong}") as caught:
                CELLS[name](2, 3, **{option: wrong})
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("units", "asked", "features"), [(8, None, 4), (7, None, 4), (1, None, 1), (4, 3, 3)])
def test_a_projection_halves_unless_asked(units: int, asked: int | None, features: int) -> None:
    cell = ProjectedLSTMCell(3, units, proj_size=asked)
    assert cell.widths() == {"h": features, "c": units}
    assert cell.output_size == features


def test_a_cell_is_a_value() -> None:
    assert LSTMCell(1, 2) == LSTMCell(1, 2)
    assert RNNCell(1, 2) != RNNCell(1, 2, nonlinearity="relu")
    with pytest.raises(dataclasses.FrozenInstanceError):
        LSTMCell(1, 2).hidden_size = 3  # type: ignore[misc]


def test_a_cell_without_parameters_or_equations_says_what_to_define() -> None:
    class Empty(Cell):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty declares no parameters: define parameters\(self\)"):
        Empty(1, 1).parameters()
    with pytest.raises(NotImplementedError, match=r"Empty has no equations: define step\(self, x, s, p\)"):
        Empty(1, 1).step(None, None, None)  # type: ignore[arg-type]
