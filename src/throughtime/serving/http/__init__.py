"""What is asked by HTTP, a file a kind of request."""

from throughtime.serving.http.models import router as models
from throughtime.serving.http.state import router as state

ROUTERS = (state, models)
