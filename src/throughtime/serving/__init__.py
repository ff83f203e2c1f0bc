"""Models behind a port: requests, streams side by side, and a page. Needs the extra ``serve``."""

from throughtime.serving.app import create_app
from throughtime.serving.house import House
from throughtime.serving.settings import ServeSettings

__all__ = ["House", "ServeSettings", "create_app"]
