"""What one would write instead: ONNX Runtime in a plain FastAPI loop, a step a call and connection.

python -m serving.peer FOLDER     (an exported folder of a recogniser)
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, WebSocket

import throughtime.runtime
from throughtime.data.speech.filterbank import FilterBank, Frames, FrameStream
from throughtime.runtime.ctc import BestPath
from throughtime.runtime.kinds.speech import SpeechRunner


class Hearing:
    """One stream of sound.

    Args:
        runner: Of the recogniser.
        session: Of ONNX Runtime, one step of it.
    """

    def __init__(self, runner: SpeechRunner, session: onnxruntime.InferenceSession) -> None:
        self.runner, self.session, self.search = runner, session, BestPath()
        self.frames = FrameStream(FilterBank(runner.rate, runner.mels))
        self.state = {
            given.name: np.zeros((given.shape[0], 1, given.shape[2]), np.float32)
            for given in session.get_inputs()
            if given.name != "features"
        }
        self.outputs = [f"next_{name}" for name in self.state]
        self.waiting = np.zeros((0, runner.mels), np.float32)

    def push(self, frames: Frames, last: bool = False) -> None:
        """Reads further frames."""
        joined = self.runner.joined
        waiting = np.concatenate([self.waiting, self.runner.normalise(frames)])
        if last:
            waiting = np.pad(waiting, ((0, -len(waiting) % joined), (0, 0)))
        whole = len(waiting) - len(waiting) % joined
        self.waiting = waiting[whole:]
        for step in waiting[:whole].reshape(-1, 1, joined * self.runner.mels):
            log_probs, *state = self.session.run(["log_probs", *self.outputs], {"features": step, **self.state})
            self.state = dict(zip(self.state, state, strict=True))
            self.search.read(log_probs)

    def finish(self) -> str:
        """What is said."""
        self.push(self.frames.finish(), last=True)
        return self.runner.text(self.search.best()[0].symbols)


def app_of(folder: str) -> FastAPI:
    """The server."""
    runner = throughtime.runtime.open(folder)
    assert isinstance(runner, SpeechRunner)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the loop is one thread; others would wait for it
    session = onnxruntime.InferenceSession(Path(folder, "step.onnx"), options, providers=["CPUExecutionProvider"])
    app = FastAPI()

    @app.websocket("/stream/model")
    async def stream(door: WebSocket) -> None:
        await door.accept()
        await door.receive_text()
        await door.send_json({"model": "model"})
        hearing = Hearing(runner, session)
        while True:
            message = await door.receive()
            if message["type"] != "websocket.receive":
                return
            if message.get("bytes"):
                samples = np.frombuffer(message["bytes"], "<i2").astype(np.float32) / np.float32(32768)
                hearing.push(hearing.frames.push(samples))
            else:
                assert json.loads(message["text"])["end"]
                await door.send_json({"text": hearing.finish(), "final": True})
                await door.close()
                return

    return app


def main() -> None:
    """Serves a folder at a free port, and tells its address."""
    app = app_of(sys.argv[1])
    door = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"serving at http://127.0.0.1:{door.getsockname()[1]}/", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio")
    uvicorn.Server(config).run([door])


if __name__ == "__main__":
    main()
