"""What strangers wrote, made harmless to show: control characters, which act on a terminal, become visible ones.

All text that leaves the process passes through here: see ``throughtime.cli.shared.output`` for the command line. What
is written into files that the user names is data, and stays as it is.
"""

from __future__ import annotations

import json
import sys
from typing import Any

PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "␡"}
"""C0 and DEL: each has a picture in Unicode."""

NAMED = (
    *range(0x80, 0xA0),  # C1: a terminal takes U+009B for ESC [
    0x061C,  # marks, embeddings, overrides and isolates, which reorder what stands around them
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x2070),
    0x2028,  # line and paragraph separator
    0x2029,
    *range(0xD800, 0xE000),  # halves of a pair, which no encoding takes
)
"""What has none: it is shown by its number, as Python and JSON write it."""

_IN_TEXT = PICTURES | {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in NAMED}
_IN_LINE = _IN_TEXT | {ord("\n"): "␊"}
_IN_JSON = {code: f"\\u{code:04x}" for code in (0x7F, *NAMED)}  # the rest of C0 is escaped by the library


def visible(text: str) -> str:
    r"""A text in which line breaks and tabs alone act.

    Example:
        >>> visible("a\x1b[31mb\r\n\x9b\u202e")
        'a␛[31mb␍\n\\x9b\\u202e'
    """
    return text.translate(_IN_TEXT)


def in_line(text: str) -> str:
    r"""The same in one line: a label, a file's name, a message.

    Example:
        >>> in_line("a\nb")
        'a␊b'
    """
    return text.translate(_IN_LINE)


def as_json(value: Any) -> str:
    r"""JSON in one line that reads back as the same value; what would act is escaped, other letters are not.

    Example:
        >>> as_json({"é": "\x1b\x9b"})
        '{"é": "\\u001b\\u009b"}'
    """
    return json.dumps(value, ensure_ascii=False).translate(_IN_JSON)


def say(text: str, end: str = "\n") -> None:
    """A text on standard output, for a program that has no command line of ours."""
    print(visible(text), end=end, flush=True)


def tell(message: str) -> None:
    """A line to the user on standard error, told from others by our name."""
    print(f"throughtime: {in_line(message)}", file=sys.stderr)
