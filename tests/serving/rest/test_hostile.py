"""Whatever a request brings, it is answered with a status and a line: no traceback, no path, no file of ours."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_data import MAKERS
from served import Served

JSON_ROUTES = (
    "/v1/completions",
    *(
        f"/{use}/{task}"
        for use in ("predict", "score", "sample")
        for task in ("text", "translation", "music", "video", "dna")
    ),
)
FORM_ROUTES = (
    "/v1/audio/transcriptions",
    *(f"/predict/{task}" for task in ("speech", "music", "dna", "video", "sentiment")),
)

BODIES: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "no UTF-8": b'{"inputs": ["\xff\xfe"]}',
    "half": b'{"inputs": ["a"',
    "a list": b"[1, 2]",
    "a text": b'"inputs"',
    "NaN": b'{"inputs": [[[NaN, 1, 60]]], "temperature": NaN, "model": "text"}',
    "infinity": b'{"inputs": [[[1e999, 1, 60]]], "temperature": -1e999, "model": "text"}',
    "digits": b'{"inputs": [[[' + b"9" * 5000 + b', 1, 60]]], "model": "text", "seed": ' + b"9" * 5000 + b"}",
    "huge": b'{"inputs": [[[9e307, 9e307, 9e307]]], "model": "text", "max_tokens": 9007199254740993}',
    "nested": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"inputs": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "surrogate": b'{"inputs": ["\\ud800"], "prompt": "\\udfff", "model": "text"}',
    "control": b'{"inputs": ["\\u001b[31m\\u0000"], "prompt": "\\u0000\\u001b", "model": "text", "\\u001b\\n": 1}',
    "types": b'{"inputs": [null, true, {}], "prompt": {}, "model": 5, "options": []}',
    "options": b'{"inputs": ["a"], "model": "text", "prompt": "a", "options": {"picture": "/a.png", "out": "/a.csv"}}',
    "wrong ones": json.dumps({"model": "text", "prompt": [[0.5] * 50_000] * 2, "inputs": [0.5] * 50_000}).encode(),
    "many": json.dumps({"inputs": ["a"] * 5000, "prompt": ["a"] * 5000, "model": "text"}).encode(),
    "long": json.dumps({"inputs": ["a" * 10**6], "prompt": "a" * 10**6, "model": "text"}).encode(),
}


PLACES = ("Traceback", str(Path(__file__).parents[3]), sys.prefix, f"{tempfile.gettempdir()}/throughtime-")
"""What no answer holds."""


def check(served: Served, answer: Any) -> None:
    """A success, or a status and a line that tells no place."""
    assert answer.status_code != 500, served.events[-3:]
    if answer.status_code >= 400:
        message = answer.json()["error"]["message"]
        assert message
        assert message.isprintable(), message
        for place in (*PLACES, str(served.house["text"].run.folder.parent)):
            assert place not in answer.text


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", "multipart/form-data", ""]
)
def test_no_body_is_answered_with_more_than_a_line(served: Served, body: bytes, kind: str) -> None:
    routes = JSON_ROUTES if kind == "application/json" else (JSON_ROUTES[0], *FORM_ROUTES[:2])
    for route in routes:
        check(served, served.client.post(route, content=body, headers={"Content-Type": kind}))


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("inputs", "options", "prompt", "n", "model", "stop", "logprobs", "seed", "stream", "max_tokens", "temperature")


@given(st.sampled_from(JSON_ROUTES), st.dictionaries(st.sampled_from(NAMES), plain, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_field_is_answered_with_more_than_a_line(served: Served, route: str, fields: dict[str, Any]) -> None:
    if route == JSON_ROUTES[0]:
        fields = {"model": "text", **fields}
    body = json.dumps(fields).encode()
    check(served, served.client.post(route, content=body, headers={"Content-Type": "application/json"}))


@given(
    st.sampled_from(FORM_ROUTES),
    st.sampled_from([".wav", ".mp3", ".mid", ".abc", ".json", ".fa", ".gb", ".csv", ".avi"]),
    st.binary(max_size=60),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_is_answered_with_more_than_a_line(served: Served, route: str, suffix: str, content: bytes) -> None:
    fields = {"model": "speech"} if route == FORM_ROUTES[0] else {}
    check(served, served.client.post(route, files={"file": (f"a{suffix}", content)}, data=fields))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/etc/passwd", "a\x00.wav", "a\r\nb.wav", ".wav", "a" * 5000 + ".wav", "é\u202e.wav", "C:\\a.wav"],
)
def test_no_name_of_a_file_is_more_than_a_name(served: Served, name: str) -> None:
    with opened() as files:
        answer = served.client.post("/predict/speech", files={"file": (name, b"RIFF")})
    check(served, answer)
    assert answer.status_code in (400, 415)
    assert not [file for file in files if "passwd" in file or "a.wav" in file]


@contextmanager
def opened() -> Iterator[list[str]]:
    """The names of files that are opened in the block."""
    found: list[str] = []
    listening = True

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if listening and event == "open" and isinstance(given[0], str | bytes | os.PathLike):
            found.append(os.fsdecode(given[0]))

    sys.addaudithook(hear)
    try:
        yield found
    finally:
        listening = False


def test_no_path_of_a_request_opens_a_file(served: Served, tmp_path: Path) -> None:
    """Of every task, wherever a text of the request could be taken for a file's name."""
    secrets = {}
    for suffix in (".txt", ".csv", ".jsonl", ".mid", ".wav", ".fa", ".json", ".abc", ".avi"):
        secrets[suffix] = tmp_path / f"secret{suffix}"
        secrets[suffix].write_bytes(served.file("music").read_bytes() if suffix == ".mid" else b"secret")
    with opened() as files:
        for task in filter(lambda name: served.house[name].run.trained.uses, MAKERS):
            read = [suffix for suffix in served.house[task].run.trained.suffixes if suffix in secrets]
            for suffix in read or [".txt"]:
                name = str(secrets[suffix])
                asked: list[tuple[str, Any]] = [
                    (f"/predict/{task}", {"inputs": [name]}),
                    (f"/predict/{task}", {"inputs": [[name]]}),
                    (f"/predict/{task}", {"inputs": [{"path": name}]}),
                    (f"/sample/{task}", {"prompt": name, "options": {"length": 2}}),
                    (f"/score/{task}", {"inputs": [name]}),
                    (f"/predict/{task}", {"inputs": ["a"], "options": {"lm": name, "picture": name, "out": name}}),
                ]
                for route, body in asked:
                    check(served, served.client.post(route, json=body))
                for inside in ("a.csv", "a.jsonl", "a.tsv"):
                    rows = {
                        "a.csv": f"audio,path,text\n{name},{name},{name}\n",
                        "a.jsonl": json.dumps({"path": name, "audio": name, "text": name}) + "\n",
                    }
                    content = rows.get(inside, f"audio\tpath\ttext\n{name}\t{name}\t{name}\n")
                    check(served, served.client.post(f"/predict/{task}", files={"file": (inside, content.encode())}))
    assert not [file for file in files if str(tmp_path) in file]
    music = served.client.post("/sample/music", json={"prompt": str(secrets[".mid"]), "options": {"length": 2}})
    assert music.status_code == 400
    assert "send its content" in music.json()["error"]["message"]


def test_nothing_of_a_request_stays_on_the_disk(served: Served) -> None:
    def left() -> set[str]:
        return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("throughtime-")}

    before = left()
    served.send("/predict/speech", ("a.wav", served.file("speech").read_bytes()))
    served.client.post("/predict/speech", files={"file": ("a.wav", b"RIFF")})
    assert left() <= before
