"""What is asked by WebSocket, a file a protocol."""

from throughtime.serving.ws.realtime import router as realtime
from throughtime.serving.ws.stream import router as stream

STREAMS = (stream, realtime)
