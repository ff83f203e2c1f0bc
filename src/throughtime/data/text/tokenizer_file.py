"""What a ``tokenizer.json`` may hold: what training writes, and nothing else.

The library behind it does whatever such a file says: it pads to any length, runs any regular expression, and panics
where numbers do not fit. So the file is compared with what training writes before the library sees any of it, and the
library is given that structure with the file's vocabulary in it, never the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from throughtime.errors import UserError

LARGEST = 64 * 2**20
"""Bytes of a ``tokenizer.json``: more than two million words."""

LOWERCASE = {"type": "Lowercase"}
"""The one normalizer that training writes."""


def accept(
    value: Mapping[str, Any],
    templates: Mapping[str, Callable[[], dict[str, Any]]],
    special: tuple[str, ...],
    letters: Mapping[str, int],
    where: str,
) -> dict[str, Any]:
    """What the library may read, made of a stranger's file.

    Args:
        value: The file's JSON.
        templates: What an untrained tokenizer of each unit is written as.
        special: Tokens that every vocabulary begins with.
        letters: The signs that byte pairs are made of.
        where: What the file is called in an error.

    Raises:
        UserError: If the file holds anything that training does not write; names it.
    """
    unit = _unit(value, where)
    template = templates[unit]()
    template["added_tokens"] = [_special(number, token) for number, token in enumerate(special)]
    if value.get("normalizer") == LOWERCASE:
        template["normalizer"] = LOWERCASE
    vocabulary = _vocabulary(value["model"].get("vocab"), special, where)
    _compare(template, value, where, "")
    template["model"]["vocab"] = vocabulary
    if unit == "bytepairs":
        template["model"]["merges"] = _merges(value["model"].get("merges"), vocabulary, letters, where)
    return template


def _unit(value: Mapping[str, Any], where: str) -> str:
    model, decoder, before = (
        part if isinstance(part, dict) else {} for part in map(value.get, ("model", "decoder", "pre_tokenizer"))
    )
    if model.get("type") == "BPE":
        return "bytepairs"
    if model.get("type") != "WordLevel":
        raise _refused(where, "model", "WordLevel or BPE", model.get("type"))
    if before.get("type") == "WhitespaceSplit":
        return "tokens"
    return "characters" if decoder.get("type") == "Fuse" else "words"


def _special(number: int, token: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **flags, "special": True}


TRAINED = {"model.vocab", "model.merges"}
"""What differs from one trained tokenizer to another."""


def _compare(expected: Any, got: Any, where: str, name: str) -> None:
    """Refuses what differs; what is missing has the value that is expected."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, member in got.items():
            path = f"{name}.{key}" if name else key
            if path in TRAINED and key in expected:
                continue
            if key not in expected:
                raise _refused(where, path, "nothing", member)
            _compare(expected[key], member, where, path)
    elif type(expected) is not type(got) or expected != got:
        raise _refused(where, name, expected, got)


def _vocabulary(vocabulary: Any, special: tuple[str, ...], where: str) -> dict[str, int]:
    if not isinstance(vocabulary, dict) or not all(type(number) is int for number in vocabulary.values()):
        raise _refused(where, "model.vocab", "tokens with their ids", vocabulary)
    tokens = {number: token for token, number in vocabulary.items()}
    first = [tokens.get(number) for number in range(len(special))]
    if first != list(special):
        expected, got = (" and ".join(map(str, names)) for names in (special, map(repr, first)))
        raise UserError(f"{where}: expected {expected} as its ids 0 and 1, got {got}")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise UserError(f"{where}: expected the ids 0 to {len(vocabulary) - 1:,}, each once; the file is damaged")
    return vocabulary


def _merges(merges: Any, vocabulary: Mapping[str, int], letters: Mapping[str, int], where: str) -> list[list[str]]:
    if not letters.keys() <= vocabulary.keys():
        raise UserError(f"{where}: expected a token for every byte among the byte pairs; the file is damaged")
    if strange := next((token for token in vocabulary if not token or not set(token) <= letters.keys()), None):
        raise UserError(f"{where}: expected tokens made of bytes, got {strange[:40]!r}; the file is damaged")
    if "" in vocabulary or not isinstance(merges, list):
        raise _refused(where, "model.merges", "pairs of tokens", merges)
    for pair in merges:
        known = isinstance(pair, list) and len(pair) == 2 and all(isinstance(token, str) for token in pair)
        if not (known and all(token in vocabulary for token in (*pair, "".join(pair)))):
            raise _refused(where, "model.merges", "pairs of tokens that join to a third", pair)
    return merges


def _refused(where: str, name: str, expected: Any, got: Any) -> UserError:
    return UserError(
        f"{where}: expected a tokenizer.json as training writes it, which this is not: {name}: expected "
        f"{_shown(expected)}, got {_shown(got)}"
    )


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else repr(value)[:60]
