"""Training by several processes, and a batch in parts."""

from throughtime.training.processes.clock import Clock
from throughtime.training.processes.ranks import Ranks, acting_as, ranks
from throughtime.training.processes.shared import Found, Shared

__all__ = ["Clock", "Found", "Ranks", "Shared", "acting_as", "ranks"]
