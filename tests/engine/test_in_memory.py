"""How outputs lie in memory: what is drawn after a layer, as dropout, is drawn in that order."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from throughtime import Recurrent

CALLS: dict[str, dict[str, Any]] = {
    "whole": {},
    "ragged": {"lengths": [3, 5, 0, 1]},
    "of one length": {"lengths": [5, 5, 5, 5]},
    "reset": {"resets": torch.tensor([[False, True, False, False, True]] * 4)},
    "with holes": {"mask": torch.tensor([[True, True, False, True, False]] * 4)},
}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("given", CALLS.values(), ids=list(CALLS))
def test_engines_lay_outputs_out_alike(given: dict[str, Any], bidirectional: bool) -> None:
    """A seed means the same training whatever engine serves it."""
    layer = Recurrent("gru", 3, 6, num_layers=2, bidirectional=bidirectional, dropout=0.5)
    x = torch.randn(4, 5, 3)
    found = []
    for engine in ("reference", "compiled", "torch"):
        layer.engine = engine
        torch.manual_seed(1)
        outputs, _ = layer(x, **given)
        found.append((outputs, torch.nn.functional.dropout(outputs)))
    for outputs, dropped in found[1:]:
        assert outputs.stride() == found[0][0].stride()
        torch.testing.assert_close(dropped, found[0][1])
