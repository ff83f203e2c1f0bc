"""OpenAI's own client gets what the recogniser hears."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import openai
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from served import Served
from throughtime.serving.http.openai.captions import LINE, PAUSE, SECONDS, Word, captions, srt, vtt


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=served.client, max_retries=0)


def heard(served: Served, **options: Any) -> dict[str, Any]:
    """What the run itself hears."""
    ((_, found),) = served.house["speech"].run.answers(served.file("speech"), explain=True, **options)
    return found.data


def transcribed(served: Served, client: openai.OpenAI, **asked: Any) -> Any:
    with served.file("speech").open("rb") as file:
        return client.audio.transcriptions.create(model="speech", file=file, **asked)


def test_a_transcript_is_what_the_run_hears(served: Served, client: openai.OpenAI) -> None:
    expected = heard(served)
    assert expected["text"]
    assert transcribed(served, client).text == expected["text"]
    assert transcribed(served, client, response_format="text") == expected["text"] + "\n"


def test_words_stand_where_the_run_hears_them(served: Served, client: openai.OpenAI) -> None:
    expected = heard(served)
    told = transcribed(served, client, response_format="verbose_json", language="en")
    assert (told.text, told.duration, told.language) == (expected["text"], expected["seconds"], "en")
    assert [(w.word, w.start, w.end) for w in told.words] == [
        (each["symbol"], each["start"], each["end"]) for each in expected["symbols"]
    ]
    assert " ".join(segment.text for segment in told.segments) == expected["text"]
    assert all(segment.avg_logprob <= 0 for segment in told.segments)
    times = [time for segment in told.segments for time in (segment.start, segment.end)]
    assert times == sorted(times)


@pytest.mark.parametrize("wanted", ["word", "segment"])
def test_times_are_told_of_what_is_asked_for(served: Served, client: openai.OpenAI, wanted: Any) -> None:
    told = transcribed(served, client, response_format="verbose_json", timestamp_granularities=[wanted])
    assert (told.words is not None, told.segments is not None) == (wanted == "word", wanted == "segment")


def test_captions_hold_the_words(served: Served, client: openai.OpenAI) -> None:
    words = heard(served)["text"].split()
    for kind in ("srt", "vtt"):
        told = transcribed(served, client, response_format=kind)
        lines = [line for line in told.splitlines() if line and "-->" not in line and line != "WEBVTT"]
        assert " ".join(line for line in lines if not line.isdigit()).split() == words


def test_a_language_model_helps(served: Served, client: openai.OpenAI) -> None:
    expected = heard(served, lm=served.house["text"].run.folder, beam=4)
    told = transcribed(served, client, extra_body={"options": '{"lm": "text", "beam": 4}'})
    assert told.text == expected["text"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"temperature": 0.5}, "temperature"),
        ({"prompt": "names"}, "prompt"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"timestamp_granularities": ["letter"]}, "letter"),
        ({"stream": True}, "stream"),
        ({"extra_body": {"lang": "en"}}, "lang"),
        ({"extra_body": {"options": '{"beam": 100}'}}, "beam"),
        ({"extra_body": {"options": "{"}}, "JSON"),
        ({"extra_body": {"options": '{"picture": "/tmp/a.png"}'}}, "picture"),
    ],
)
def test_what_is_wrong_is_the_client_s_own_exception(
    served: Served, client: openai.OpenAI, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(openai.APIStatusError, match=says) as raised:
        transcribed(served, client, **asked)
    assert raised.value.status_code in (400, 413)


def test_what_is_no_recogniser_or_no_sound_is_refused(served: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/models"):
        client.audio.transcriptions.create(model="text", file=("a.wav", b"RIFF"))
    with pytest.raises(openai.BadRequestError, match=r"music of mine\.wav: expected sound"):
        client.audio.transcriptions.create(model="speech", file=("music of mine.wav", b"RIFF" * 20))
    with pytest.raises(openai.APIStatusError, match=r"expected a file that ends in \.wav") as raised:
        client.audio.transcriptions.create(model="speech", file=("list.csv", b"audio\n/etc/passwd\n"))
    assert raised.value.status_code == 415


def test_long_sound_is_refused(served: Served, client: openai.OpenAI) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000 * 6, np.float32), 8000, format="WAV")
    with pytest.raises(openai.APIStatusError, match=r"at most 5 s of sound, got 6\.0 s") as raised:
        client.audio.transcriptions.create(model="speech", file=("a.wav", file.getvalue()))
    assert raised.value.status_code == 413


@given(st.lists(st.tuples(st.text("abc<&-", min_size=1, max_size=50), st.floats(0, 3), st.floats(0, 2)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_captions_can_be_read(found: list[tuple[str, float, float]]) -> None:
    now, words = 0.0, []
    for letters, lasts, pause in found:
        words.append(Word(letters, now, now + lasts, 0.5))
        now += lasts + pause
    told = captions(words)
    assert [word for caption in told for word in caption.words] == words
    for caption in told:
        assert len(caption.words) == 1 or len(caption.lines) <= 2
        assert len(caption.words) == 1 or caption.end - caption.start <= SECONDS
        assert all(len(line) <= LINE or " " not in line for line in caption.lines)
        gaps = zip(caption.words, caption.words[1:], strict=False)
        assert all(after.start - before.end < PAUSE for before, after in gaps)
    cue = r"\d\d:\d\d:\d\d[,.]\d{3} --> \d\d:\d\d:\d\d[,.]\d{3}"
    for text in (srt(told), vtt(told)):
        assert len(re.findall(rf"(?m)^{cue}$", text)) == text.count("-->") == len(told)
