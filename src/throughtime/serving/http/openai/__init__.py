"""What clients of OpenAI's interface ask."""

from throughtime.serving.http.openai.completions import router as completions

ROUTERS = (completions,)
"""Which routes there are."""
