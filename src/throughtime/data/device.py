"""What a batch holds, where its model lies."""

from __future__ import annotations

import torch
from torch import Tensor


def onto(values: Tensor, device: torch.device) -> Tensor:
    """Values on a device; a copy to a GPU begins in pinned memory, so that the processor need not wait for it.

    Example:
        >>> onto(torch.ones(2), torch.device("meta")).device
        device(type='meta')
    """
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
