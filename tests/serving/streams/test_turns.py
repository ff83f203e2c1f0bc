"""Turns by loudness: where they begin and end, whatever the noise, and however the sound is cut."""

from __future__ import annotations

import os
import warnings
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from served import append
from throughtime.serving.ws.samples import FORMATS
from throughtime.serving.ws.turns import Detection, Moment, Turns

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.13 is without it
    import audioop

NAMED = "conversation.item.input_audio_transcription"
DATA = Path(os.environ.get("THROUGHTIME_DATA", Path(__file__).parents[4] / "shared" / "data")) / "waves_yesno"
LONG = 10**9


def decibels(level: float) -> float:
    return float(10 ** (level / 20))


def spoken(rate: int, noise: float, parts: Sequence[tuple[float, float]]) -> npt.NDArray[np.float32]:
    """Noise of so many decibels; after so many seconds of it, tones of so many, loud by 25 decibels more."""
    draws, found = np.random.default_rng(0), []
    for silent, loud in parts:
        tone = decibels(noise + 25) * np.sqrt(2) * np.sin(np.arange(round(loud * rate)) * 2 * np.pi * 300 / rate)
        found += [np.zeros(round(silent * rate)), tone]
    sound = np.concatenate(found)
    return (sound + decibels(noise) * draws.standard_normal(len(sound))).astype(np.float32)


def edges(turns: Turns, pieces: Sequence[npt.NDArray[np.float32]]) -> list[tuple[str, float]]:
    """When turns begin and end, in seconds."""
    moments = [moment for piece in pieces for moment in turns.push(piece)]
    return [(moment.kind, moment.at / turns.rate) for moment in moments if moment.kind != "sound"]


@pytest.mark.parametrize("form", ["g711_ulaw", "g711_alaw"])
def test_a_telephones_bytes_are_what_the_standard_says(form: str) -> None:
    every = bytes(range(256))
    known = audioop.ulaw2lin(every, 2) if form == "g711_ulaw" else audioop.alaw2lin(every, 2)
    assert np.array_equal(FORMATS[form].samples(every), FORMATS["pcm16"].samples(known))


@pytest.mark.parametrize("rate", [8000, 11025, 24000])
@pytest.mark.parametrize("noise", [-80.0, -50.0, -36.0])
def test_a_turn_begins_before_what_is_loud_and_ends_a_while_after(rate: int, noise: float) -> None:
    sound = spoken(rate, max(noise, -55.0), [(1.0, 0.8), (0.3, 0.4), (1.5, 0.6), (1.0, 0.0)])
    if noise < -55:  # digital silence
        sound[np.abs(sound) < decibels(-35)] = 0
    found = edges(Turns(rate, Detection(), LONG), [sound])
    assert [kind for kind, _ in found] == ["began", "ended"] * 2
    expected = [1.0 - 0.3, 2.5 + 0.5, 4.0 - 0.3, 4.6 + 0.5]
    assert [at for _, at in found] == pytest.approx(expected, abs=0.1)


def test_what_is_asked_for_counts() -> None:
    sound = spoken(8000, -50.0, [(1.0, 0.8), (0.3, 0.4), (1.5, 0.0)])
    assert len(edges(Turns(8000, Detection(silence=100), LONG), [sound])) == 4
    assert edges(Turns(8000, Detection(threshold=0.95), LONG), [sound]) == []
    ((_, begun), _) = edges(Turns(8000, Detection(prefix=0), LONG), [sound])
    assert begun == pytest.approx(1.0, abs=0.03)
    whole = edges(Turns(8000, Detection(), 4000), [sound])
    assert all(0.2 < end - begin < 0.501 for (_, begin), (_, end) in zip(whole[::2], whole[1::2], strict=True))


def test_noise_that_comes_and_stays_is_soon_noise() -> None:
    draws = np.random.default_rng(0)
    loud = (decibels(-25) * draws.standard_normal(8 * 8000)).astype(np.float32)
    quiet = (decibels(-60) * draws.standard_normal(3 * 8000)).astype(np.float32)
    (_, (kind, at)) = edges(Turns(8000, Detection(), LONG), [quiet, loud])
    assert kind == "ended"
    assert at < 3 + 3


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 20_000), max_size=8), st.integers(0, 3))
def test_turns_are_the_same_however_sound_is_cut_and_have_all_of_it(cuts: list[int], seed: int) -> None:
    draws = np.random.default_rng(seed)
    loud = np.repeat(draws.choice([decibels(-70), decibels(-20)], 20), 1000)
    sound = (loud * draws.standard_normal(20_000)).astype(np.float32)

    def merged(pieces: Sequence[npt.NDArray[np.float32]]) -> list[tuple[str, int, bytes]]:
        turns, found = Turns(8000, Detection(silence=150, prefix=100), 9000), list[tuple[str, int, bytes]]()
        moments = [moment for piece in pieces for moment in turns.push(piece)]
        if turns.speaking:
            at = turns.heard
            moments.append(Moment("sound", at, turns.stop()))
        for moment in moments:
            if moment.kind == "sound" and found[-1][0] == "sound":
                kind, at, content = found[-1]
                found[-1] = kind, at, content + moment.samples.tobytes()
            else:
                found.append((moment.kind, moment.at, moment.samples.tobytes()))
        return found

    whole = merged([sound])
    assert merged(np.split(sound, sorted(cuts))) == whole
    for kind, at, content in whole:
        if kind == "sound":
            assert np.array_equal(np.frombuffer(content, np.float32), sound[at : at + len(content) // 4])


@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data is not at {DATA}; set THROUGHTIME_DATA")
def test_a_recording_of_words_is_mostly_one_turn_with_all_of_them() -> None:
    counts = []
    for path in sorted(DATA.glob("*.wav"))[:20]:
        with wave.open(str(path)) as file:
            sound = FORMATS["pcm16"].samples(file.readframes(LONG))
            turns = Turns(file.getframerate(), Detection(), LONG)
        moments = list(turns.push(sound))
        heard = np.concatenate([moment.samples for moment in moments])
        assert (heard**2).sum() > 0.99 * (sound**2).sum()
        assert len(heard) < len(sound)  # it begins and ends in silence
        counts.append(sum(moment.kind == "began" for moment in moments))
    assert sum(count == 1 for count in counts) >= 18


Serving = Callable[..., TestClient]
TELEPHONE = {"type": "audio/pcmu"}


def told(socket: Any, last: str, count: int = 1) -> list[dict[str, Any]]:
    """Events but deltas, up to one of a kind, for so many times."""
    found: list[dict[str, Any]] = []
    while sum(event["type"] == last for event in found) < count:
        event = socket.receive_json()
        assert event["type"] != "error", event
        found += [event] if not event["type"].endswith(".delta") else []
    return found


@pytest.mark.parametrize("old", [False, True])
def test_turns_commit_themselves_and_are_heard_as_a_stream_of_them_is(serving: Serving, old: bool) -> None:
    http = serving()
    sound = spoken(8000, -45.0, [(0.7, 0.4)] + [(0.6, 0.2)] * 9 + [(0.6, 0)])
    whole = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    asked = {"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 100, "silence_duration_ms": 200}
    with http.websocket_connect("/v1/realtime?model=speech") as socket:
        told(socket, "session.created")
        if old:
            kind, audio = "transcription_session", audioop.lin2alaw(whole, 2)
            session: dict[str, Any] = {"input_audio_format": "g711_alaw", "turn_detection": asked}
        else:
            kind, audio = "session", audioop.lin2ulaw(whole, 2)
            session = {"type": "transcription", "audio": {"input": {"format": TELEPHONE, "turn_detection": asked}}}
        socket.send_json({"type": f"{kind}.update", "session": session})
        (updated,) = told(socket, f"{kind}.updated")
        inner = updated["session"] if old else updated["session"]["audio"]["input"]
        assert inner["turn_detection"] == asked
        assert inner["input_audio_format" if old else "format"] == ("g711_alaw" if old else TELEPHONE)
        half = len(audio) // 2 + 7
        socket.send_json(append(audio[:half]))
        socket.send_json(append(audio[half:]))
        events = told(socket, f"{NAMED}.completed", 10)
    begun, ended, committed, completed = (
        [event for event in events if event["type"] == kind]
        for kind in (
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            f"{NAMED}.completed",
        )
    )
    names = [event["item_id"] for event in begun]
    assert [event["item_id"] for event in ended] == [event["item_id"] for event in committed] == names
    assert [event["previous_item_id"] for event in committed] == [None, *names[:-1]]
    assert {event["item_id"] for event in completed} == set(names)
    assert (begun[0]["audio_start_ms"], ended[0]["audio_end_ms"]) == pytest.approx((600, 1300), abs=60)
    form = FORMATS["g711_alaw" if old else "g711_ulaw"]
    for first, last in zip(begun, ended, strict=True):
        part = audio[8 * first["audio_start_ms"] : 8 * last["audio_end_ms"]]
        with http.websocket_connect("/stream/speech") as socket:
            socket.send_json({"open": {"format": "float32"}})
            socket.send_bytes(form.samples(part).tobytes())
            socket.send_json({"end": True})
            while not (final := socket.receive_json()).get("final"):
                pass
        (found,) = [event for event in completed if event["item_id"] == first["item_id"]]
        assert found["transcript"] == final["text"]
        assert found["usage"]["seconds"] == final["seconds"]
    assert len(http.app.state.desk) == 0  # type: ignore[attr-defined]


def test_a_client_commits_and_clears_within_turns_too(serving: Serving) -> None:
    tone = (np.clip(spoken(24000, -45.0, [(0.4, 1.2)]), -1, 1) * 32767).astype("<i2").tobytes()
    with serving(audio=0.6).websocket_connect("/v1/realtime?model=speech") as socket:
        session = {"audio": {"input": {"turn_detection": {"type": "server_vad", "create_response": True}}}}
        socket.send_json({"type": "session.update", "session": session})
        socket.send_json(append(tone[:30_000]))
        events = told(socket, "input_audio_buffer.speech_started")
        socket.send_json({"type": "input_audio_buffer.clear"})
        told(socket, "input_audio_buffer.cleared")
        socket.send_json(append(tone[30_000:40_000]))
        (again,) = told(socket, "input_audio_buffer.speech_started")
        assert again["item_id"] != events[-1]["item_id"]
        assert again["audio_start_ms"] == 625
        socket.send_json({"type": "input_audio_buffer.commit"})
        found = told(socket, f"{NAMED}.completed")
        assert [event["item_id"] for event in found] == [again["item_id"]] * 2
        socket.send_json(append(tone[40_000:]))  # a turn that lasts longer than a buffer may
        events = told(socket, "input_audio_buffer.committed")
        assert [event["type"].split(".")[-1] for event in events] == ["speech_started", "speech_stopped", "committed"]
        assert events[1]["audio_end_ms"] - events[0]["audio_start_ms"] <= 600
