"""Coding regions of whole genomes: what a model makes of windows; see :mod:`throughtime.runtime.dna.coding`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from throughtime.data.progress import report
from throughtime.models import Letters
from throughtime.runtime.dna.bases import Codes
from throughtime.runtime.dna.coding import CORE, HALO, Array, Computed, in_windows


def compute_windows(
    log_probs: Callable[[Letters], Tensor],
    sequences: Sequence[Codes],
    core: int = CORE,
    halo: int = HALO,
) -> Iterator[Computed]:
    """What a model makes of sequences of any length, some windows at a time; tells how far it has come.

    Args:
        log_probs: Of a model: ``[B, L, K]`` of a batch.
        sequences: ``[L]`` each.
        core: As of :func:`throughtime.runtime.dna.coding.in_windows`.
        halo: The same.
    """

    def of_rows(rows: Sequence[Codes]) -> Array:
        found: Array = log_probs(Letters.of(rows)).float().cpu().numpy()
        return found

    done, total = 0, sum(map(len, sequences))
    for computed in in_windows(of_rows, sequences, core, halo):
        yield computed
        done += sum(window.last - window.first for window in computed.windows)
        report(done, total, "bases")
