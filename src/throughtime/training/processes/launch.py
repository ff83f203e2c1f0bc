"""What ``torchrun`` says to the processes that it begins: how many there are, where they meet, and whether again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from throughtime.errors import UserError
from throughtime.training.processes.ranks import Ranks

LONGEST = timedelta(days=7)
"""That the others wait for the first process, which reads and judges; one that ends is missed at once."""


@contextmanager
def grouped() -> Iterator[None]:
    """Makes PyTorch's group of the processes that ``torchrun`` began, where it began several, and there is none yet.

    What they tell each other goes by gloo; gradients on GPUs by nccl, each process on a GPU of its own.

    Raises:
        UserError: If they do not meet.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not dist.is_available() or dist.is_initialized():
        yield
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_number())
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, number, count = next(rendezvous("env://"))
        # Each attempt by itself: what an earlier one wrote leads to processes that have ended.
        store = PrefixStore(f"attempt {attempt()}", store)
        dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=LONGEST)
        Ranks().summed([0.0])  # all have met: one that ends from here on is missed at once
    except RuntimeError as error:
        raise UserError(
            f"process {os.environ.get('RANK')} of {os.environ['WORLD_SIZE']}: expected to meet the others at "
            f"{os.environ.get('MASTER_ADDR')}, which it did not ({str(error).splitlines()[0]}); see their messages"
        ) from error
    yield
    dist.destroy_process_group()  # not after an error: the others may have gone


def local_number() -> int:
    """Number of this process on its machine, from 0: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def launcher() -> str | None:
    """What tells a ``torchrun`` from all others, in whichever of its attempts; None: the process was begun without.

    The user's name for it, or else the process that it is.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name is None:
        return None
    return f"process {os.getppid()}" if name == "none" else name


def attempt() -> int:
    """How often ``torchrun`` has begun the processes before."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
