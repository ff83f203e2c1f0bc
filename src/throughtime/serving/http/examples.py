"""Requests that work as they stand, for the models that a server has."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from throughtime.serving.bounds import TEXT
from throughtime.serving.house import Hosted
from throughtime.serving.http.asking import SPEECH

LINE = "A fine old film, made in Berlin by Anna Smith."
LINES = {
    "sentiment-trees": "(3 (2 good) (2 film))",
    "pronunciation": "language",
    "dna": "ACGTACGTTGCAACGTGGTAAGT",
}
"""Of tasks that read no English."""

NOTES = [[0, 1, 60], [1, 1, 64], [2, 2, 67]]
"""Start and length in beats, and pitch."""

RATE, SECONDS = 8000, 0.25
"""Of a tone."""

DATA = "data:{kind};name={name};base64,{content}"
"""A file in an example: what follows is its content."""

Examples = dict[str, Mapping[str, Any]]


def examples(path: str, models: Iterable[Hosted]) -> tuple[Examples, Examples]:
    """Bodies in JSON, and forms, by the name of the model that they go with.

    Args:
        path: Of the route, such as ``/predict/{model}``.
        models: That are served.
    """
    bodies: Examples = {}
    forms: Examples = {}
    for hosted in models:
        uses, name = hosted.run.trained.uses, hosted.name
        if path.startswith("/predict/") and "predict" in uses:
            bodies |= {name: {"inputs": inputs}} if (inputs := _inputs(hosted)) else {}
            forms |= {name: {"file": file, "options": "{}"}} if (file := _file(hosted)) else {}
        elif path.startswith("/score/") and "score" in uses:
            bodies[name] = {"inputs": ["the cat sat", "sat cat the"], "options": {"tokens": True}}
        elif path.startswith("/sample/") and "sample" in uses:
            bodies[name] = {"prompt": "", "n": 2, "options": {"length": 20, "temperature": 0.8, "seed": 1}}
        elif path == "/v1/completions" and hosted.task == TEXT:
            asked = {"model": name, "prompt": "the", "max_tokens": 20, "temperature": 0.8, "seed": 1}
            bodies |= {name: asked, f"{name} as a stream": {**asked, "stream": True, "stop": ["\n"]}}
        elif path == "/v1/audio/transcriptions" and hosted.task == SPEECH:
            forms[name] = {"file": tone(), "model": name, "response_format": "verbose_json"}
    return bodies, forms


def _inputs(hosted: Hosted) -> list[Any]:
    trained = hosted.run.trained
    if "lines" in trained.takes:
        return [LINES.get(hosted.task, LINE)]
    if "numbers" not in trained.takes:
        return []
    width = re.search(r"\[T, (\d+)\]", trained.numbers)
    if hosted.task == "music" or width is None:
        return [NOTES]
    return [[[float(step + number) for number in range(int(width[1]))] for step in range(4)]]


def _file(hosted: Hosted) -> str:
    """A file of a kind that can be written down here; empty where there is none."""
    if hosted.task == SPEECH:
        return tone()
    if hosted.task == "dna":
        return as_data("one.fa", "text/plain", f">one\n{LINES['dna']}\n".encode())
    if "lines" in hosted.run.trained.takes:
        return as_data("lines.txt", "text/plain", f"{LINES.get(hosted.task, LINE)}\n".encode())
    return ""


def tone() -> str:
    """A recording: RIFF's head of 16-bit samples of one channel, and the samples."""
    times = range(round(RATE * SECONDS))
    samples = b"".join(struct.pack("<h", round(9000 * math.sin(0.35 * time))) for time in times)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(samples),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE,
        2 * RATE,
        2,
        16,
        b"data",
        len(samples),
    )
    return as_data("tone.wav", "audio/wav", head + samples)


def as_data(name: str, kind: str, content: bytes) -> str:
    """A file as an example writes it."""
    return DATA.format(kind=kind, name=name, content=base64.b64encode(content).decode())
