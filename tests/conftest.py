"""What holds for every test."""

from __future__ import annotations

import torch

# Sizes here are small: more threads only wait for each other, all the more beside a second worker.
torch.set_num_threads(1)
