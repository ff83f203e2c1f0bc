"""The page that shows what a recurrent network does with an input, and what it asks for."""

from throughtime.serving.page.assets import FILES
from throughtime.serving.page.assets import router as assets
from throughtime.serving.page.text import router as text

ROUTERS = (assets, text)

__all__ = ["FILES", "ROUTERS"]
