"""What a loss reaches back to: its gradient at each input that the network read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from throughtime.inspection.recording import evaluating
from throughtime.layers import Recurrent
from throughtime.models import Model


def reach(model: Model, batch: Any, at: int = -1) -> Tensor:
    """The norm of ``∂L<at>/∂x<s>`` for what the model's first recurrent layer reads at every step s, ``[B, T]``.

    Nothing is changed by it, and the model runs on its own engine.

    Args:
        model: Its recurrent layers are attributes of its own; it has ``losses``.
        batch: Of the kind that the model reads.
        at: Which of a sequence's losses.

    Raises:
        ValueError: If the model has no recurrent layer.

    Example:
        >>> from throughtime.data import TokenBatch
        >>> from throughtime.models import LanguageModel, LanguageModelConfig
        >>> model = LanguageModel(LanguageModelConfig(vocabulary=10, hidden=8, embedding=4))
        >>> found = reach(model, TokenBatch.of([[3, 1, 4, 1]]), at=1)
        >>> found.shape, (found > 0).tolist()
        (torch.Size([1, 4]), [[True, True, False, False]])
    """
    first = next((layer for layer in model.children() if isinstance(layer, Recurrent)), None)
    if first is None:
        raise ValueError(f"expected a model with a recurrent layer as an attribute, got {type(model).__name__}")
    read: list[Tensor] = []

    def before(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        read.append(arguments[0].detach().requires_grad_())
        return read[-1], *arguments[1:]

    hook = first.register_forward_pre_hook(before)
    try:
        with evaluating(model), torch.enable_grad():
            loss = model.losses(batch)[:, at].sum()
            gradients = torch.autograd.grad(loss, read, allow_unused=True)
    finally:
        hook.remove()
    found = [torch.zeros_like(x) if g is None else g for x, g in zip(read, gradients, strict=True)]
    norms: Tensor = torch.cat(found, 1).norm(dim=2).detach()
    return norms
