"""Transcription by OpenAI's events: both forms of a session, and what is refused without an end of the connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from served import append, noise

Serving = Callable[..., TestClient]
NAMED = "conversation.item.input_audio_transcription"


def until(socket: Any, kind: str) -> dict[str, Any]:
    while (event := socket.receive_json())["type"] != kind:
        assert event["type"].endswith(".delta"), event
    return event  # type: ignore[no-any-return]


COMMIT = {"type": "input_audio_buffer.commit"}


def test_a_buffer_at_the_models_own_rate_is_heard_as_a_stream_is(serving: Serving) -> None:
    http, audio = serving(), noise(0.6, 8000)
    with http.websocket_connect("/stream/speech") as socket:
        socket.send_json({"open": {}})
        socket.receive_json()
        socket.send_bytes(audio)
        socket.send_json({"end": True})
        while not (final := socket.receive_json()).get("final"):
            pass
    with http.websocket_connect("/v1/realtime") as socket:
        told = until(socket, "session.created")["session"]
        assert told["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        form = {"type": "audio/pcm", "rate": 8000}
        socket.send_json({"type": "session.update", "session": {"audio": {"input": {"format": form}}}})
        assert until(socket, "session.updated")["session"]["audio"]["input"]["format"] == form
        for start in range(0, len(audio), 1234):
            socket.send_json(append(audio[start : start + 1234]))
        socket.send_json(COMMIT)
        committed = until(socket, "input_audio_buffer.committed")
        found = until(socket, f"{NAMED}.completed")
    assert found["transcript"] == final["text"]
    assert found["item_id"] == committed["item_id"]
    assert found["usage"] == {"type": "duration", "seconds": 0.6}


def test_the_older_form_of_a_session(serving: Serving) -> None:
    with serving().websocket_connect("/v1/realtime?intent=transcription") as socket:
        until(socket, "session.created")
        asked = {
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "speech"},
            "turn_detection": None,
        }
        socket.send_json({"type": "transcription_session.update", "session": asked})
        told = until(socket, "transcription_session.updated")["session"]
    assert {name: told[name] for name in asked} == asked


REFUSED: list[tuple[Any, str]] = [
    ({"type": "response.create"}, "type: expected one of session.update, input_audio_buffer.append"),
    (COMMIT, "expected sound in the buffer to commit, got none"),
    ({"type": "input_audio_buffer.append", "audio": "?"}, "audio: expected whole samples of 16 bits"),
    ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "audio: expected whole samples of 16 bits"),
    ({"type": "session.update"}, "session: expected an object"),
    ({"type": "session.update", "session": {"type": "realtime"}}, "session.type: expected transcription"),
    *[
        ({"type": "session.update", "session": {"turn_detection": asked}}, f"turn_detection{line}")
        for asked, line in (
            ({"type": "semantic_vad"}, ".type: expected server_vad, got 'semantic_vad'"),
            ({"type": "server_vad", "threshold": 1.5}, ".threshold: expected 0 to 1, got 1.5"),
            ({"type": "server_vad", "silence_duration_ms": 1e9}, ".silence_duration_ms: expected 0 to 10,000, got"),
            ({"type": "server_vad", "prefix_padding_ms": True}, ".prefix_padding_ms: expected 0 to 10,000, got True"),
            ({"type": "server_vad", "idle_timeout_ms": 5}, ": expected one of threshold, prefix_padding_ms, silence"),
            ("server_vad", ": expected an object, got 'server_vad'"),
        )
    ],
    ({"type": "session.update", "session": {"noise_reduction": {"type": "near_field"}}}, "noise_reduction: expected"),
    ({"type": "session.update", "session": {"input_audio_format": "mp3"}}, "input_audio_format: expected pcm16, g711"),
    (
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/opus"}}}}},
        "format.type: expected audio/pcm, audio/pcmu, audio/pcma, got 'audio/opus'",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}}},
        "format.rate: expected",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}},
        "expected a model that is served, got 'whisper-1'",
    ),
    (append(bytes(40_000)), "expected at most 0.5 s of sound in a buffer"),
]


def test_as_many_buffers_as_one_likes_one_after_the_other(serving: Serving) -> None:
    http = serving()
    with http.websocket_connect("/v1/realtime?model=speech") as socket:
        until(socket, "session.created")
        for _ in range(12):
            socket.send_json(append(noise(0.05, 24000)))
            socket.send_json(COMMIT)
            until(socket, "input_audio_buffer.committed")
            until(socket, f"{NAMED}.completed")


def test_what_is_refused_names_the_event_and_the_session_goes_on(serving: Serving) -> None:
    http = serving(audio=0.5)
    with http.websocket_connect("/v1/realtime?model=speech") as socket:
        until(socket, "session.created")
        for number, (event, line) in enumerate(REFUSED):
            socket.send_json({**event, "event_id": f"mine {number}"})
            told = socket.receive_json()
            assert (told["type"], told["error"]["event_id"]) == ("error", f"mine {number}"), told
            assert line in told["error"]["message"]
        socket.send_json({"type": "input_audio_buffer.clear"})
        until(socket, "input_audio_buffer.cleared")
        socket.send_json(append(noise(0.2, 24000)))
        socket.send_json(COMMIT)
        until(socket, "input_audio_buffer.committed")
        until(socket, f"{NAMED}.completed")
    assert len(http.app.state.desk) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "sent", "code", "line"),
    [
        ("/v1/realtime?model=nobody", None, 1008, "expected a model that is served"),
        ("/v1/realtime", b"\0\0", 1007, "append sound in base64"),
        ("/v1/realtime", "{", 1007, "message: expected JSON"),
    ],
)
def test_what_ends_a_connection_is_told_first(serving: Serving, path: str, sent: Any, code: int, line: str) -> None:
    with serving().websocket_connect(path) as socket:
        if isinstance(sent, bytes):
            socket.send_bytes(sent)
        elif sent:
            socket.send_text(sent)
        assert line in until_error(socket)["error"]["message"]
        assert socket.receive()["code"] == code


def until_error(socket: Any) -> dict[str, Any]:
    while (event := json.loads(socket.receive_text()))["type"] != "error":
        pass
    return event  # type: ignore[no-any-return]
