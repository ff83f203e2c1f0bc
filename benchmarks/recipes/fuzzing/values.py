"""Damage to JSON that leaves it JSON, or nearly so."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from fuzzing.bait import BAIT

JSON_KINDS = (".json",)

RAW = "raw:"
"""Begins texts that stand for what no writer of JSON writes."""

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 1.5, -0.0, 1e308, 20_000,
    10**6, 2**31, 2**32, 2**63, 2**64, 10**12, 10**40, 0.1, 1e-320,
    "", "a", " ", "\x00", "\x1b[2J", "\n", "é", "\u202e", "𝄞", "auto", "cuda", "lstm", "none", "12", "$x^$", "[UNK]",
    "(a+)+$", "x" * 10_000, [], {}, [[]], [0], [None], [""], ["a", "a"], [1, "a"], {"a": 1}, {"": []}, [[[[[[0]]]]]],
    *(bait.decode() for bait in BAIT), "/dev/zero", "/proc/self/mem",
    RAW + "NaN", RAW + "Infinity", RAW + "-Infinity", RAW + "1e999", RAW + "9" * 5000, RAW + '"\\ud800"',
    RAW + "[" * 2000 + "]" * 2000, RAW + '{"a":' * 3000 + "1" + "}" * 3000, RAW + "[" * 100_000 + "]" * 100_000,
    RAW + '{"a":1,"a":2}', RAW + "01", RAW + "'a'", RAW + "tru",
)  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member of every object and list inside, as its holder and its key."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        keys = list(inside) if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
        for key in keys:
            found.append((inside, key))
            waiting.append(inside[key])
    return found


def _renamed(holder: dict[Any, Any], key: Any, new: str) -> None:
    """Keeps the order."""
    items = [(new if name == key else name, value) for name, value in holder.items()]
    holder.clear()
    holder.update(items)


def change_value(draw: Random, value: Any) -> Any:
    """A value with one of its members changed, or another one in its place."""
    places = _places(value)
    if not places or draw.random() < 0.02:
        return draw.choice(ODD)
    holder, key = draw.choice(places)
    old = holder[key]
    match draw.randrange(9):
        case 0 | 1 | 2:
            holder[key] = draw.choice(ODD)
        case 3:
            del holder[key]
        case 4 if isinstance(holder, dict):
            _renamed(holder, key, draw.choice((f"{key}x", "", "a", "\x00", str(draw.choice(list(holder))))))
        case 5 if isinstance(holder, list):
            holder.extend([old] * draw.choice((1, 2, 50)))
        case 6:
            other, name = draw.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        case 7 if isinstance(old, int | float):
            holder[key] = draw.choice((-old, old + 1, old - 1, old * 1000, old / 3, str(old), [old], bool(old)))
        case 8 if isinstance(old, str):
            holder[key] = draw.choice((old + "x", old[:-1], old.upper(), old * 100, [old], {old: old}, None))
        case _:
            holder[key] = [old] if draw.random() < 0.5 else {"a": old}
    return value


def _written(draw: Random, value: Any, indent: int | None) -> bytes:
    text = json.dumps(value, ensure_ascii=draw.random() < 0.5, indent=indent)
    for raw in (odd for odd in ODD if isinstance(odd, str) and odd.startswith(RAW)):
        text = text.replace(json.dumps(raw), raw.removeprefix(RAW))
    return text.encode("utf-8", "surrogatepass")


def change_json(draw: Random, data: bytes) -> bytes:
    """A file of JSON, one of its values changed; what is none stays."""
    try:
        value = json.loads(data)
        return _written(draw, change_value(draw, value), 2)
    except (ValueError, RecursionError):
        return data


def change_json_line(draw: Random, data: bytes) -> bytes:
    """A file of JSON lines, one of their values changed."""
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    try:
        lines[at] = _written(draw, change_value(draw, json.loads(lines[at])), None)
    except (ValueError, RecursionError):
        del lines[at]
    return b"\n".join(lines)
