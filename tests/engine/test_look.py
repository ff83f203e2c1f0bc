"""Steps that are shown: in the order of the inputs, the same as the outputs, and by the reference engine alone."""

from __future__ import annotations

import pytest
import torch

from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine import ENGINES, EngineError, Look, unroll
from throughtime.layers import Directed


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", FAMILIAR)
def test_what_is_shown_is_what_comes_out(cell: str, reverse: bool) -> None:
    torch.manual_seed(0)
    directed = Directed(CELLS[cell](3, 4), reverse=reverse)
    inputs, lengths = torch.randn(4, 6, 3), torch.tensor([2, 6, 0, 5])
    look = Look()
    outputs, finals = directed(inputs, None, lengths, look=look)
    first, *_ = directed.cell.state
    torch.testing.assert_close(look.values(first), outputs, rtol=0, atol=0)
    last = [0 if reverse else max(length - 1, 0) for length in lengths.tolist()]
    for name in directed.cell.state:
        shown = look.values(name)[torch.arange(4), torch.tensor(last)]
        torch.testing.assert_close(shown, finals[name], rtol=0, atol=0)
    # Nothing else changes by it.
    torch.testing.assert_close(outputs, directed(inputs, None, lengths, "reference")[0], rtol=0, atol=0)


@pytest.mark.parametrize("engine", [engine.name for engine in ENGINES if engine.name != "reference"])
def test_other_engines_do_not_show_their_steps(engine: str) -> None:
    directed = Directed(CELLS["lstm"](3, 4))
    with pytest.raises(EngineError, match=r"looked at|show their steps"):
        unroll(directed.cell, directed.values(), torch.randn(2, 3, 3), look=Look(), engine=engine)


def test_no_steps_show_nothing() -> None:
    directed, look = Directed(CELLS["gru"](3, 4)), Look()
    directed(torch.randn(2, 0, 3), look=look)
    assert look.names == []
