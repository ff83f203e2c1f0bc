"""What is asked by HTTP, a file a kind of request."""

from throughtime.serving.http.docs import router as docs
from throughtime.serving.http.models import router as models
from throughtime.serving.http.openai import ROUTERS as OPENAI
from throughtime.serving.http.state import router as state
from throughtime.serving.http.uses import router as uses

ROUTERS = (state, models, uses, *OPENAI, docs)
