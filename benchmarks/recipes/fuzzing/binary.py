"""Damage to safetensors, wav and MIDI files that their readers get past the first bytes of."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from fuzzing.values import change_value

SIZES = (0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 65_535, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
WEIGHTS = (float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e-40, 0.0)
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "X")


def _header(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError("no object")
    return header, data[8 + size :]


def _joined(header: Any, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def _tensor(draw: Random, header: dict[str, Any]) -> dict[str, Any]:
    return dict(header[draw.choice([name for name in header if name != "__metadata__"])])


def change_header(draw: Random, data: bytes) -> bytes:
    """Anything in the header."""
    try:
        header, tensors = _header(data)
        return _joined(change_value(draw, header), tensors)
    except (ValueError, RecursionError):
        return data


def change_tensor(draw: Random, data: bytes) -> bytes:
    """Name, type, shape or place of a tensor, or whether it is there at all."""
    try:
        header, tensors = _header(data)
        name = draw.choice([name for name in header if name != "__metadata__"])
        tensor = header[name]
        begin, end = tensor["data_offsets"]
        match draw.randrange(7):
            case 0:
                tensor["dtype"] = draw.choice(DTYPES)
            case 1:
                tensor["shape"] = [draw.choice((*SIZES, 1 << 40, 1 << 62, -1)) for _ in range(draw.randrange(4))]
            case 2:
                tensor["shape"] = [*tensor["shape"][::-1]] if draw.random() < 0.5 else [1, *tensor["shape"]]
            case 3:
                tensor["data_offsets"] = [draw.choice((begin, 0, end, 1 << 40)), draw.choice((begin, end - 1, end + 1))]
            case 4:
                del header[name]
            case 5:
                header[name + "x"] = header.pop(name)
            case _:
                size = end - begin
                header["extra"] = {"dtype": "U8", "shape": [size], "data_offsets": [len(tensors), len(tensors) + size]}
                tensors += tensors[begin:end]
        return _joined(header, tensors)
    except (ValueError, KeyError, TypeError, IndexError):
        return data


def change_metadata(draw: Random, data: bytes) -> bytes:
    """The plain data beside the tensors, which stays JSON."""
    try:
        header, tensors = _header(data)
        metadata = header.setdefault("__metadata__", {})
        inside = json.loads(metadata.get("throughtime", "{}"))
        metadata["throughtime"] = json.dumps(change_value(draw, inside))
        return _joined(header, tensors)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return data


def change_weight(draw: Random, data: bytes) -> bytes:
    """Numbers of a tensor, where they are real ones."""
    try:
        header, tensors = _header(data)
        tensor = _tensor(draw, header)
        begin, end = tensor["data_offsets"]
        if tensor["dtype"] != "F32" or end - begin < 4:
            return data
        at = begin + 4 * draw.randrange((end - begin) // 4)
        value = struct.pack("<f", draw.choice(WEIGHTS))
        count = draw.choice((1, 1, (end - at) // 4))
        return _joined(header, tensors[:at] + value * count + tensors[at + 4 * count :])
    except (ValueError, KeyError, TypeError, IndexError):
        return data


def change_length(draw: Random, data: bytes) -> bytes:
    """What the file says of its header's length."""
    length = draw.choice((*SIZES, len(data), len(data) - 8, 100_000_000, 1 << 62, (1 << 64) - 1))
    return length.to_bytes(8, "little", signed=False) + data[8:]


SAFETENSORS: Sequence[Callable[[Random, bytes], bytes]] = (
    change_header,
    change_tensor,
    change_tensor,
    change_metadata,
    change_weight,
    change_length,
)


def _chunks(data: bytes) -> list[tuple[int, bytes, int]]:
    """Place, name and length of the chunks of a wav file."""
    found, at = [], 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((at, data[at : at + 4], size))
        at += 8 + size + size % 2
    return found


def _put(data: bytes, at: int, value: int, size: int, order: Any = "little") -> bytes:
    return data[:at] + (value % (1 << 8 * size)).to_bytes(size, order) + data[at + size :]


def change_format(draw: Random, data: bytes) -> bytes:
    """A field of the head: kind, channels, rate, bytes a second, bytes a frame, bits."""
    at = data.find(b"fmt ")
    if at < 0:
        return data
    offset, size = draw.choice(((8, 2), (10, 2), (12, 4), (16, 4), (20, 2), (22, 2)))
    kinds = (1, 2, 3, 6, 7, 17, 49, 0xFFFE)
    value = draw.choice((*SIZES, *kinds, 8, 12, 24, 32, 64, 8000, 192_000, draw.randrange(1 << 16)))
    return _put(data, at + offset, value, size)


def change_chunk(draw: Random, data: bytes) -> bytes:
    """A chunk's length or name, or where it stands."""
    found = _chunks(data)
    if not found:
        return data
    at, _name, size = draw.choice(found)
    match draw.randrange(4):
        case 0:
            return _put(data, at + 4, draw.choice((*SIZES, size - 1, size + 1, 0x7FFF0000, 0xFFFFFFFF)), 4)
        case 1:
            return data[:at] + draw.choice((b"LIST", b"fact", b"data", b"fmt ", b"id3 ", b"\0\0\0\0")) + data[at + 4 :]
        case 2:
            return data[:at] + data[at + 8 + size :]
        case _:
            return data + data[at : at + 8 + size]


def change_samples(draw: Random, data: bytes) -> bytes:
    """Sound as floating-point numbers, some of which are none, or far too large."""
    values = [draw.uniform(-1, 1) for _ in range(draw.choice((1, 10, 400)))]
    for _ in range(draw.choice((1, 1, 5))):
        values[draw.randrange(len(values))] = draw.choice(WEIGHTS)
    wide = draw.random() < 0.3
    sound = struct.pack(f"<{len(values)}{'d' if wide else 'f'}", *values)
    size = 8 if wide else 4
    head = struct.pack("<HHIIHH", 3, 1, 8000, 8000 * size, size, 8 * size)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


WAVE: Sequence[Callable[[Random, bytes], bytes]] = (change_format, change_format, change_chunk, change_samples)


def change_division(draw: Random, data: bytes) -> bytes:
    """Kind, number of tracks, or ticks of a beat."""
    offset = draw.choice((4, 8, 10, 12, 12))
    size = 4 if offset == 4 else 2
    return _put(data, offset, draw.choice((*SIZES, 0x8000, 0xE728, 480, 96)), size, "big")


def change_track(draw: Random, data: bytes) -> bytes:
    """A track's length."""
    at = data.find(b"MTrk", draw.randrange(max(1, len(data))))
    return _put(data, at + 4, draw.choice(SIZES), 4, "big") if at >= 0 else data


EVENTS = (
    b"\xff\x51\x03\x00\x00\x00", b"\xff\x51\x03\xff\xff\xff", b"\xff\x51\x00", b"\xff\x58\x04\x00\x00\x00\x00",
    b"\xff\x58\x04\x04\xff\x18\x08", b"\xff\x59\x02\x7f\x7f", b"\xff\x01\xff\xff\xff\x7f", b"\xff\x03\x02\xff\xfe",
    b"\xff\x2f\x00", b"\xf0\x7f", b"\x90\x3c\x00", b"\x90\xff\x7f", b"\x80\x3c\x40", b"\xc0\xff", b"\x99\x24\x7f",
    b"\x90\x3c\x7f\x83\xff\xff\x7f\x80\x3c\x00", b"\xe0\x00\x00", b"\xff\xff\xff\x7f",
)  # fmt: skip


def change_event(draw: Random, data: bytes) -> bytes:
    """An event more, after any time."""
    at = draw.randrange(min(22, len(data)), len(data) + 1)
    time = draw.choice(
        (b"\x00", b"\x01", b"\x7f", b"\x81\x00", b"\xff\x7f", b"\xff\xff\x7f", b"\xff\xff\xff\x7f", b"\xff" * 6)
    )
    return data[:at] + time + draw.choice(EVENTS) + data[at:]


MIDI: Sequence[Callable[[Random, bytes], bytes]] = (change_division, change_track, change_event, change_event)
