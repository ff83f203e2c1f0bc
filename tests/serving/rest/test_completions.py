"""OpenAI's own client gets what the run itself draws."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from served import Served
from throughtime.serving.http.openai.drawing import Ending


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=served.client, max_retries=0)


def drawn(served: Served, prompt: str, **options: Any) -> str:
    """What the run draws, the prompt first."""
    return served.house["text"].run.sample(prompt, **options).text


def test_a_text_is_what_the_run_draws(served: Served, client: openai.OpenAI) -> None:
    for prompt in ("", "the old", "the old grey "):
        found = client.completions.create(
            model="text", prompt=prompt, max_tokens=20, temperature=0.7, top_p=0.8, seed=3, echo=True
        )
        expected = drawn(served, prompt, length=20, temperature=0.7, top_p=0.8, seed=3)
        assert found.choices[0].text == expected
        bare = client.completions.create(model="text", prompt=prompt, max_tokens=20, temperature=0.7, top_p=0.8, seed=3)
        assert prompt.rstrip(" ") + bare.choices[0].text == expected
        assert found.model == "text"
        assert found.object == "text_completion"


def test_choices_are_the_run_s_samples(served: Served, client: openai.OpenAI) -> None:
    found = client.completions.create(
        model="text", prompt=["the", "cat"], n=2, best_of=2, max_tokens=9, seed=7, echo=True
    )
    expected = [
        each.text for prompt in ("the", "cat") for each in served.house["text"].run.samples(2, prompt, length=9, seed=7)
    ]
    assert [choice.text for choice in found.choices] == expected
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]


def test_a_stream_is_the_same_text_in_pieces(served: Served, client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "text", "prompt": "the", "max_tokens": 30, "seed": 1, "n": 2, "logprobs": 1}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    for index in (0, 1):
        own = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(choice.text for choice in own) == whole.choices[index].text
        assert [choice.finish_reason for choice in own if choice.finish_reason] == [whole.choices[index].finish_reason]
        tokens = [token for choice in own for token in (choice.logprobs.tokens if choice.logprobs else []) or []]
        assert whole.choices[index].logprobs is not None
        assert tokens == whole.choices[index].logprobs.tokens


def test_a_stream_ends_as_clients_expect(served: Served) -> None:
    answer = served.client.post("/v1/completions", json={"model": "text", "max_tokens": 2, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, last, rest = answer.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    assert all(json.loads(event.removeprefix("data: "))["object"] == "text_completion" for event in events)


def test_usage_counts_tokens(client: openai.OpenAI) -> None:
    found = client.completions.create(model="text", prompt="the old grey cat", max_tokens=5, temperature=0)
    assert found.usage is not None
    assert found.usage.prompt_tokens == 4
    assert found.usage.total_tokens == 4 + found.usage.completion_tokens
    assert found.usage.completion_tokens <= 5


def test_it_is_told_why_a_text_ends(client: openai.OpenAI) -> None:
    reasons = set()
    for most in (2, 200):
        found = client.completions.create(model="text", prompt="the", max_tokens=most, seed=6)
        assert found.usage is not None
        expected = "length" if found.usage.completion_tokens == most else "stop"
        assert found.choices[0].finish_reason == expected
        reasons.add(expected)
    assert reasons == {"stop", "length"}


@pytest.mark.parametrize("stop", ["cat", ["mat", "cat", "grey"]])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_ends_the_text_before_it(served: Served, client: openai.OpenAI, stop: Any, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "text", "prompt": "the", "max_tokens": 60, "seed": 2}
    free = client.completions.create(**asked).choices[0].text
    stops = [stop] if isinstance(stop, str) else stop
    end = min(at for each in stops if (at := free.find(each)) >= 0)
    if stream:
        chunks = list(client.completions.create(**asked, stop=stop, stream=True))
        text = "".join(chunk.choices[0].text for chunk in chunks)
        reason: str | None = chunks[-1].choices[0].finish_reason
    else:
        (choice,) = client.completions.create(**asked, stop=stop).choices
        text, reason = choice.text, choice.finish_reason
    assert text == free[:end]
    assert reason == "stop"


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_what_goes_out_is_the_text_up_to_the_first_stop(text: str, stops: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    ending, sent = Ending(stops), ""
    for begin, end in pairwise([0, *cuts, len(text)]):
        sent += ending.add(text[begin:end])
        if ending.stopped:
            break
    sent += ending.rest()
    assert ending.stopped == bool([stop for stop in stops if stop in text])
    if not ending.stopped:
        assert sent == text
    else:
        assert text.startswith(sent)
        assert not any(stop in sent for stop in stops)


def test_log_probabilities_are_those_of_the_model(served: Served, client: openai.OpenAI) -> None:
    prompt = "the old grey cat"
    (choice,) = client.completions.create(
        model="text", prompt=prompt, max_tokens=6, seed=4, echo=True, logprobs=3, temperature=0.5
    ).choices
    told = choice.logprobs
    assert told is not None
    assert told.tokens is not None
    assert told.token_logprobs is not None
    assert told.top_logprobs is not None
    assert told.text_offset is not None
    assert "".join(told.tokens) == choice.text
    assert [choice.text[at:].startswith(token) for at, token in zip(told.text_offset, told.tokens, strict=True)] == [
        True
    ] * len(told.tokens)
    (score,) = served.house["text"].run.score([choice.text], tokens=True)
    expected = [each.log_prob for each in score.each][: len(told.tokens)]
    assert told.token_logprobs == pytest.approx(expected, abs=1e-4)
    for log_prob, top in zip(told.token_logprobs, told.top_logprobs, strict=True):
        assert 3 <= len(top) <= 4
        assert max(top.values()) >= log_prob
        assert any(math.isclose(log_prob, each) for each in top.values())


def test_a_prompt_alone_is_scored(served: Served, client: openai.OpenAI) -> None:
    prompt = "the old grey cat"
    (choice,) = client.completions.create(model="text", prompt=prompt, max_tokens=0, echo=True, logprobs=0).choices
    assert (choice.text, choice.finish_reason) == (prompt, "length")
    (score,) = served.house["text"].run.score([prompt], tokens=True)
    assert choice.logprobs is not None
    assert choice.logprobs.token_logprobs == pytest.approx([each.log_prob for each in score.each][:4], abs=1e-5)


def test_tokens_are_a_prompt(served: Served, client: openai.OpenAI) -> None:
    model = served.house["text"].run.trained.text  # type: ignore[attr-defined]
    ids = model.begin("the old")
    asked: dict[str, Any] = {"model": "text", "max_tokens": 8, "seed": 9, "echo": True}
    expected = client.completions.create(**asked, prompt="the old").choices[0].text
    assert client.completions.create(**asked, prompt=ids).choices[0].text == expected
    assert [c.text for c in client.completions.create(**asked, prompt=[ids, ids]).choices] == [expected] * 2


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"model": "nothing"}, openai.NotFoundError, "nothing"),
        ({"model": "speech"}, openai.BadRequestError, "/predict/speech"),
        ({"temperature": -1}, openai.BadRequestError, "temperature"),
        ({"top_p": 0}, openai.BadRequestError, "top_p"),
        ({"max_tokens": 10**6}, openai.APIStatusError, "600"),
        ({"n": 100, "max_tokens": 100}, openai.APIStatusError, "600"),
        ({"n": 3, "best_of": 5}, openai.BadRequestError, "best_of"),
        ({"suffix": "end"}, openai.BadRequestError, "suffix"),
        ({"logit_bias": {"5": 10}}, openai.BadRequestError, "logit_bias"),
        ({"presence_penalty": 0.5}, openai.BadRequestError, "presence_penalty"),
        ({"frequency_penalty": 0.5}, openai.BadRequestError, "frequency_penalty"),
        ({"stop": ["a"] * 5}, openai.BadRequestError, "stop"),
        ({"stop": ["a", "b" * 201]}, openai.APIStatusError, "at most 200 letters"),
        ({"stop": ""}, openai.BadRequestError, "stop"),
        ({"logprobs": 21}, openai.BadRequestError, "logprobs"),
        ({"prompt": []}, openai.BadRequestError, "prompt"),
        ({"prompt": [10**6]}, openai.BadRequestError, "prompt"),
        ({"prompt": "cat " * 601}, openai.APIStatusError, "601"),
        ({"extra_body": {"temprature": 1}}, openai.BadRequestError, "did you mean 'temperature'"),
        ({"stream_options": {"include_usage": True}}, openai.BadRequestError, "stream_options"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_the_client_s_own_exception(
    client: openai.OpenAI, asked: dict[str, Any], error: type[openai.APIStatusError], says: str, stream: bool
) -> None:
    if stream and "stream_options" in asked:
        return
    with pytest.raises(error, match=says) as raised:
        client.completions.create(**{"model": "text", "prompt": "the", "stream": stream, **asked})
    assert raised.value.body["message"].count("\n") == 0  # type: ignore[index]


def test_what_changes_nothing_is_taken(client: openai.OpenAI) -> None:
    client.completions.create(
        model="text",
        prompt="the",
        max_tokens=1,
        suffix="",
        logit_bias={},
        presence_penalty=0,
        frequency_penalty=0.0,
        user="me",
        best_of=1,
        stop=None,
        seed=None,
        logprobs=None,
    )
