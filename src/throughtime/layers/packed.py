"""The steps of a PackedSequence as a padded batch has them, and back.

Shapes::

    B  rows        T  steps        N  real steps of all rows        k, m  features
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from throughtime.engine import real_steps


class PackedSteps:
    """The steps of a PackedSequence: N real ones among T × B.

    Args:
        sizes: Rows still running at each step, ``[T]``, never rising.
    """

    def __init__(self, sizes: Tensor) -> None:
        self.shape = (len(sizes), int(sizes[0]))
        real = real_steps(sizes, self.shape[1])  # of every step the rows, not of every row the steps
        ragged = not bool(real[-1].all())
        self.lengths = real.sum(0) if ragged else None
        self.at = real.flatten().nonzero().squeeze(1) if ragged else None

    def pad(self, data: Tensor) -> Tensor:
        """``[N, k]`` to ``[T, B, k]``, zeros past a row's length."""
        if self.at is not None:
            data = data.new_zeros(self.shape[0] * self.shape[1], data.shape[1]).index_copy(0, self.at, data)
        return data.view(*self.shape, -1)

    def unpad(self, padded: Tensor) -> Tensor:
        """``[T, B, k]`` to ``[N, k]``."""
        flat = padded.flatten(0, 1)
        return flat if self.at is None else flat.index_select(0, self.at)

    def like(self, packed: PackedSequence, padded: Tensor) -> PackedSequence:
        """``[T, B, k]`` packed as another sequence of these steps is."""
        return PackedSequence(self.unpad(padded), packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def run_packed(
    inputs: PackedSequence,
    states: Sequence[Tensor],
    run: Callable[[Tensor, list[Tensor], PackedSteps], tuple[Tensor, Sequence[Tensor]]],
) -> tuple[PackedSequence, list[Tensor]]:
    """Runs a PackedSequence as a padded batch.

    Args:
        inputs: The sequence, its N steps of k features.
        states: Initial states ``[runs, B, width]``, rows in the user's order; or none.
        run: Takes inputs ``[T, B, k]``, states with their rows sorted as the inputs are, and the steps; gives outputs
            ``[T, B, m]`` and final states.

    Returns:
        Outputs packed alike, and the final states in the user's order.
    """
    steps = PackedSteps(inputs.batch_sizes)
    if inputs.sorted_indices is not None:
        states = [state.index_select(1, inputs.sorted_indices) for state in states]
    outputs, finals = run(steps.pad(inputs.data), list(states), steps)
    if inputs.unsorted_indices is not None:
        finals = [final.index_select(1, inputs.unsorted_indices) for final in finals]
    return steps.like(inputs, outputs), list(finals)


def dropped(outputs: Tensor, share: float, steps: PackedSteps | None) -> Tensor:
    """Zeros and ``1 / (1 - share)``, shaped as ``outputs [T, B, m]``, drawn as PyTorch draws them: real steps only."""
    if steps is None:
        return F.dropout(outputs.new_ones(outputs.shape), share)
    real = outputs.shape[0] * outputs.shape[1] if steps.at is None else len(steps.at)
    return steps.pad(F.dropout(outputs.new_ones(real, outputs.shape[2]), share))
