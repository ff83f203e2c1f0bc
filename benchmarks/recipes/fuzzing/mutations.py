"""Damage to bytes and to lines of text, whatever they hold; :func:`mutate` takes the file's kind into account."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from random import Random

from fuzzing.bait import BAIT
from fuzzing.binary import MIDI, SAFETENSORS, WAVE
from fuzzing.values import JSON_KINDS, change_json, change_json_line

Mutation = Callable[[Random, bytes], bytes]

MOST = 4
"""Mutations of one input."""

LONGEST = 1 << 18
"""Bytes of an input."""

INTERESTING = tuple(
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, 127, 128, 255, (1 << 8 * size) - 1, 1 << (8 * size - 1), (1 << (8 * size - 1)) - 1)
    if value < 1 << 8 * size
    for order in ("little", "big")
)

ODD = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\x1b[2J", b"\r", b"\r\n", b"\n\n", b"\t",
    b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xef\xbf\xbd", b"\xf0\x9f\x8e\xb5",
    b"\xc4\xb0", b"\xef\xac\x81", b"\xcc\x81", b"\xd9\xa3", b"\xc2\xb2", b'"', b"'", b",", b";", b"|", b"/", b"\\",
    b"(", b")", b"((", b"[", b"]", b"{", b"}", b"<", b">", b"#", b"%", b"$x^$", b"=", b":", b"@", b"-", b"+", b"*",
    b"-1", b"0", b"1e999", b"1e38", b"nan", b"NaN", b"inf", b"-Infinity", b"1_0", b"0x10", b"4294967295",
    b"9223372036854775808", b"9" * 400, b"9" * 5000, b"0.0000000000000000001", b"1/0", b"4294967295/8", b"null",
    b"-DOCSTART-", b"##FASTA", b"M:4294967295/8\n", b"L:1/0\n", b"Q:0\n", b"K:\n", b"|:", b":|", b"/codon_start=x",
    b"join(1..3,5..7)", b"complement(", b"(1)", *BAIT,
)  # fmt: skip
"""What parsers stumble over: breaks, marks and brackets, numbers at the edges, words that formats know."""


def place(draw: Random, data: bytes) -> int:
    """A place in it; every fourth among the first bytes, where heads are."""
    return draw.randrange(min(64, len(data)) + 1 if draw.random() < 0.25 else len(data) + 1)


def flip(draw: Random, data: bytes) -> bytes:
    """Some bits."""
    changed = bytearray(data or b"\0")
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        at = min(place(draw, data), len(changed) - 1)
        changed[at] ^= 1 << draw.randrange(8)
    return bytes(changed)


def overwrite(draw: Random, data: bytes) -> bytes:
    """A number at the edge of what its bytes can hold."""
    at, value = place(draw, data), draw.choice(INTERESTING)
    return data[:at] + value + data[at + len(value) :]


def cut(draw: Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: place(draw, data)]


def remove(draw: Random, data: bytes) -> bytes:
    """A stretch is missing."""
    at = place(draw, data)
    return data[:at] + data[at + 1 + draw.randrange(1 << draw.randrange(8)) :]


def repeat(draw: Random, data: bytes) -> bytes:
    """A stretch stands there several times, or a byte very often."""
    at = place(draw, data)
    size = 1 + draw.randrange(1 << draw.randrange(8))
    times = draw.choice((1, 1, 1, 2, 10)) if size > 1 else draw.choice((1, 20, 3000))
    return data[:at] + data[at : at + size] * (times + 1) + data[at + size :]


def insert(draw: Random, data: bytes) -> bytes:
    """Something odd in between."""
    at = place(draw, data)
    return data[:at] + draw.choice(ODD) + data[at:]


def noise(draw: Random, data: bytes) -> bytes:
    """Random bytes in between, or in place of others."""
    at, size = place(draw, data), 1 << draw.randrange(6)
    return data[:at] + draw.randbytes(size) + data[at + size * draw.randrange(2) :]


def swap(draw: Random, data: bytes) -> bytes:
    """Two stretches change places."""
    first, second = sorted((place(draw, data), place(draw, data)))
    size = 1 << draw.randrange(6)
    head, middle = data[first : first + size], data[first + size : second]
    return data[:first] + data[second : second + size] + middle + head + data[max(second, first + size) + size :]


def line(draw: Random, data: bytes) -> bytes:
    """A line is left out, repeated, moved, or made empty or long."""
    lines = data.split(b"\n")
    at = draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(draw.randrange(len(lines)), lines.pop(at))
        case 3:
            lines[at] = b""
        case 4:
            lines[at] = lines[at] * draw.choice((2, 10, 200))
        case 5:
            lines[at] = draw.choice(lines)
    return b"\n".join(lines)


def token(draw: Random, data: bytes) -> bytes:
    """A word, number or sign is left out, doubled, or gives way to something odd or to another one."""
    found = list(re.finditer(rb"[\w.+-]+|[^\w\s]|\s", data[:20_000]))
    if not found:
        return insert(draw, data)
    one, other = draw.choice(found), draw.choice(found)
    new = draw.choice((b"", one[0] * 2, other[0], draw.choice(ODD), draw.choice(ODD)))
    return data[: one.start()] + new + data[one.end() :]


def number(draw: Random, data: bytes) -> bytes:
    """A number gives way to another one."""
    found = list(re.finditer(rb"\d+", data[:20_000]))
    if not found:
        return token(draw, data)
    one = draw.choice(found)
    value = int(one[0][:30])
    new = draw.choice((value + 1, value - 1, -value, value * 10, 0, 1 << 31, 1 << 63, 10**30, draw.randrange(300)))
    return data[: one.start()] + str(new).encode() + data[one.end() :]


ANY: Sequence[Mutation] = (flip, overwrite, cut, remove, repeat, insert, noise, swap)
LINES: Sequence[Mutation] = (line, token, token, number)

STRUCTURED: dict[str, Sequence[Mutation]] = {
    **dict.fromkeys(JSON_KINDS, (change_json, change_json, change_json, number)),
    ".jsonl": (change_json_line, change_json_line, line, number),
    ".safetensors": SAFETENSORS,
    ".wav": WAVE,
    ".mid": MIDI,
}
BINARY = (".flac", ".ogg", ".mp3", ".mat", ".mp4", ".avi", ".gif", ".ids", ".gz", ".zst", ".parquet", ".tar")


def mutate(draw: Random, name: str, data: bytes, others: Sequence[bytes]) -> tuple[bytes, tuple[str, ...]]:
    """A damaged file, and what was done to it.

    Args:
        draw: Of all that is random.
        name: Of the file; its suffix says what it holds.
        data: The whole file.
        others: Whole files of any kind, parts of which may come in.
    """
    kind = PurePath(name).suffix.lower()
    own = STRUCTURED.get(kind, () if kind in BINARY else LINES)
    done = []
    for _ in range(draw.choice((1, 1, 1, 2, MOST))):
        if draw.random() < 0.02:
            other = draw.choice(others)
            data = data[: place(draw, data)] + other[place(draw, other) :]
            done.append("splice")
        else:
            change = draw.choice(own if own and draw.random() < 0.6 else ANY)
            data = change(draw, data)
            done.append(change.__name__)
    return data[:LONGEST], tuple(done)
