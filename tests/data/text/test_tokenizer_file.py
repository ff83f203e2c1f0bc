"""A stranger's tokenizer.json: what training writes is read, all else is refused before the library sees it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from throughtime.data.text.tokenizer import Tokenizer, Unit
from throughtime.errors import UserError

TEXT = "Be it so: to be or not to be, isn't it? 猫 Öl"
TRAINED = {
    (unit, lower): Tokenizer.train([TEXT], unit, lowercase=lower).inner.to_str()
    for unit in get_args(Unit)
    for lower in (False, True)
}
UNITS: list[Unit] = list(get_args(Unit))

Change = Callable[[dict[str, Any]], object]


def put(*path: str, value: Any) -> Change:
    def change(whole: dict[str, Any]) -> None:
        for name in path[:-1]:
            whole = whole[name]
        whole[path[-1]] = value

    return change


PADDING = {
    "strategy": {"Fixed": 10**12},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "<pad>",
}
SLOW = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}

ATTACKS: dict[str, Change] = {
    "padding that aborts": put("padding", value=PADDING),
    "stride that panics": put(
        "truncation", value={"max_length": 1, "strategy": "LongestFirst", "stride": 9, "direction": "Right"}
    ),
    "normalizer that panics": put("normalizer", value={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "expression that hangs": put("pre_tokenizer", value=SLOW),
    "replacements that grow": put("normalizer", value={"type": "Sequence", "normalizers": [REPLACE] * 9}),
    "lower case and more": put("normalizer", value={"type": "Lowercase", "content": "a"}),
    "post-processor": put("post_processor", value={"type": "ByteLevel", "trim_offsets": True}),
    "another model": put("model", value={"type": "Unigram", "unk_id": 10**9, "vocab": []}),
    "no model": put("model", value=None),
    "id out of range": put("model", "vocab", "extra", value=10**6),
    "id past 32 bits": put("model", "vocab", "extra", value=2**40),
    "id below zero": put("model", "vocab", "extra", value=-1),
    "id that is a truth": put("model", "vocab", "extra", value=True),
    "id that is a fraction": put("model", "vocab", "extra", value=2.0),
    "vocabulary that is a list": put("model", "vocab", value=["<unk>", "<eos>"]),
    "token that stands apart": lambda whole: whole["added_tokens"].append({**whole["added_tokens"][1], "id": 5}),
    "special token that is none": lambda whole: whole["added_tokens"][0].update(special=False),
    "flag that is a number": lambda whole: whole["added_tokens"][0].update(special=1),
    "unknown member": put("hook", value="x"),
    "another version": put("version", value="2.0"),
    "another token for the unknown": put("model", "unk_token", value="zzz"),
    "nested": put("decoder", value={"type": "Sequence", "decoders": [{"type": "Sequence", "decoders": []}]}),
}
MERGES: dict[str, Any] = {
    "missing": None,
    "text": "a b",
    "old form": ["t o"],
    "three": [["t", "o", "o"]],
    "number": [["t", 1]],
    "unknown token": [["t", "zzz"]],
    "unknown whole": [["z", "Q"]],
    "empty": [["", "t"]],
}


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is not given what is refused."""

    def refuse(text: str) -> None:
        raise AssertionError("the library saw a stranger's file")

    monkeypatch.setattr("throughtime.data.text.tokenizer.tokenizers.Tokenizer.from_str", refuse)


def refusal(text: str) -> str:
    with pytest.raises(UserError) as caught:
        Tokenizer.parse(text, "RUN/tokenizer.json")
    message = str(caught.value)
    assert message.startswith("RUN/tokenizer.json: expected ")
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_training_does_not_write_is_refused(attack: str, unit: Unit, unseen: None) -> None:
    value = json.loads(TRAINED[unit, False])
    ATTACKS[attack](value)
    refusal(json.dumps(value))


@pytest.mark.parametrize("merges", MERGES)
def test_merges_of_what_is_no_token(merges: str, unseen: None) -> None:
    value = json.loads(TRAINED["bytepairs", False])
    value["model"]["merges"] = MERGES[merges]
    assert "model.merges" in refusal(json.dumps(value))


@pytest.mark.parametrize("token", ["\n", "猫", ""])
def test_byte_pairs_that_are_no_bytes(token: str, unseen: None) -> None:
    value = json.loads(TRAINED["bytepairs", False])
    value["model"]["vocab"][token] = len(value["model"]["vocab"])
    refusal(json.dumps(value))


def test_a_byte_without_a_token(unseen: None) -> None:
    value = json.loads(TRAINED["bytepairs", False])
    vocabulary = value["model"]["vocab"]
    vocabulary["to" * 9] = vocabulary.pop("Q")
    assert "a token for every byte" in refusal(json.dumps(value))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": ' + "9" * 5000 + "}", '{"a": "\\ud800"}', "{}", "[]", ""])
def test_what_is_no_such_json(text: str, unseen: None) -> None:
    refusal(text)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("lower", [False, True])
def test_what_training_writes_is_read_as_it_was(unit: Unit, lower: bool) -> None:
    text = TRAINED[unit, lower]
    tokenizer = Tokenizer.parse(text, "x")
    assert tokenizer.inner.to_str() == text
    assert tokenizer.encode(TEXT + " NEW") == Library.from_str(text).encode(TEXT + " NEW").ids


def test_members_that_another_version_leaves_out() -> None:
    """What is not said has the value that training gives it."""
    value = json.loads(TRAINED["bytepairs", True])
    del value["model"]["ignore_merges"], value["decoder"]["use_regex"], value["truncation"]
    assert Tokenizer.parse(json.dumps(value), "x").inner.to_str() == TRAINED["bytepairs", True]


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "a", "(a+)+$", "<unk>", "Lowercase", "Removed", "BPE", "WordLevel", "Fuse"]),
)
VALUES = st.one_of(LEAVES, st.lists(LEAVES, max_size=2), st.dictionaries(st.sampled_from(["type", "a"]), LEAVES))


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A trained tokenizer's JSON with members replaced, added and taken away, anywhere."""
    whole = copy.deepcopy(json.loads(TRAINED[draw(st.sampled_from(UNITS)), draw(st.booleans())]))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = whole
        while True:
            keys = list(range(len(at))) if isinstance(at, list) else sorted(at)
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(VALUES)
            else:
                del at[key]
            break
    return whole  # type: ignore[no-any-return]


@settings(max_examples=60, deadline=None)
@given(changed())
def test_a_changed_file_is_read_the_same_or_refused(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    try:
        tokenizer = Tokenizer.parse(text, "x")
    except UserError:
        return
    known = json.loads(TRAINED[tokenizer.unit, value.get("normalizer") is not None])
    got = json.loads(tokenizer.inner.to_str())
    for name in ("vocab", "merges"):  # the file's own
        if name in known["model"]:
            assert got["model"].pop(name) == value["model"][name]
            del known["model"][name]
    assert got == known
    assert tokenizer.decode(tokenizer.encode(TEXT)) is not None
