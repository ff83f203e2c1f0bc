"""Streams side by side: sessions, the pools whose rounds step them in one batch, and where idle ones are kept."""

from throughtime.serving.live.desk import Desk
from throughtime.serving.live.pool import Pool
from throughtime.serving.live.session import Session
from throughtime.serving.live.stream import Stream

__all__ = ["Desk", "Pool", "Session", "Stream"]
