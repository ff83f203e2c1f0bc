"""What clients of OpenAI's interface ask."""

from throughtime.serving.http.openai.completions import router as completions
from throughtime.serving.http.openai.transcriptions import router as transcriptions

ROUTERS = (completions, transcriptions)
"""Which routes there are."""
