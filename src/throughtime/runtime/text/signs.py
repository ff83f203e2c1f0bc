r"""What kind of sign each character is, as regular expressions ask: letters, digits, marks, spaces.

A text is looked at as a text of the same length in which one sign stands for every kind, so that Python's ``re`` cuts
it as a library does that knows ``\p{L}``.
"""

from __future__ import annotations

import unicodedata

LETTER, DIGIT, NUMBER, MARK, JOINER, CIRCLED, CONNECTOR, SPACE, OTHER = "a", "0", "²", "\u0300", "\u200d", *"Ⓐ‿\t!"
"""The sign that stands for each kind; a number is one that counts nothing by itself, such as ``½``."""

JOINERS = "\u200c\u200d"
"""Belong to the word before them, as marks do (Unicode's annex 29): Persian and Indic words have them inside."""

SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's white space, as a class of a regular expression has it; Python's own takes four controls beside."""

_SPACES = {*range(9, 14), *range(0x2000, 0x200B), *map(ord, " \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000")}
_CIRCLED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A)}
_KINDS = {"L": LETTER, "Nd": DIGIT, "Nl": DIGIT, "No": NUMBER, "M": MARK, "Pc": CONNECTOR}


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first, 16), int(last or first, 16) + 1)


def _newer() -> dict[int, str]:
    """Characters that Unicode 15 and 16 added: Python 3.11 knows 14."""
    letters = """1c89-1c8a a7cb-a7cd a7da-a7dc 105c0-105f3 10d4a-10d65 10d6f-10d85 10ec2-10ec4 1123f-11240 11380-11389
        1138b 1138e 11390-113b5 113b7 113d1 113d3 11bc0-11be0 11f02 11f04-11f10 11f12-11f33 1342f 13441-13446
        13460-143fa 16100-1611d 16d40-16d6c 18cff 1b132 1b155 1df25-1df2a 1e030-1e06d 1e4d0-1e4eb 1e5d0-1e5ed 1e5f0
        2b739 2ebf0-2ee5d 31350-323af"""
    digits = (
        "10d40-10d49 116d0-116e3 11bf0-11bf9 11f50-11f59 16130-16139 16d70-16d79 1ccf0-1ccf9 1e4f0-1e4f9 1e5f1-1e5fa"
    )
    marks = """897 cf3 ece 10d69-10d6d 10efc-10eff 11241 113b8-113c0 113c2 113c5 113c7-113ca 113cc-113d0 113d2
        113e1-113e2 11f00-11f01 11f03 11f34-11f3a 11f3e-11f42 11f5a 13440 13447-13455 1611e-1612f 1e08f 1e4ec-1e4ef
        1e5ee-1e5ef"""
    kinds = {LETTER: letters, DIGIT: digits, NUMBER: "1d2c0-1d2d3", MARK: marks}
    return {code: kind for kind, ranges in kinds.items() for part in ranges.split() for code in _range(part)}


_NEWER = _newer()


class _Signs(dict[int, str]):
    """The sign for every code point that was asked for."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _kind(code)
        return found


def _kind(code: int) -> str:
    sign = chr(code)
    if sign.isascii() or sign == "’":
        return sign
    if code in _SPACES:
        return SPACE
    if sign in JOINERS:
        return JOINER
    if code in _CIRCLED:
        return CIRCLED
    kind = unicodedata.category(sign)
    if kind == "Cn":
        return _NEWER.get(code, OTHER)
    if kind == "No" and code < 0x100:  # ½ and ² of Latin-1 count as digits in older folders' words
        return DIGIT
    return _KINDS.get(kind) or _KINDS.get(kind[0], OTHER)


_SIGNS = _Signs()


def signs(text: str) -> str:
    r"""A text of the same length: ASCII and the apostrophe ``’`` as they are, else the sign of the character's kind.

    Example:
        >>> signs("Größe ２½, l’été!")
        'Graae 00, l’ata!'
    """
    return text if text.isascii() else text.translate(_SIGNS)


def _lower() -> dict[int, str]:
    pairs = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5}
    pairs |= {0xA7DA: 0xA7DB, 0xA7DC: 0x19B}
    pairs |= {code: code + 0x20 for code in range(0x10D50, 0x10D66)}
    pairs |= {code: code + 0x1B for code in range(0x16EA0, 0x16EB9)}
    return {code: chr(small) for code, small in pairs.items()}


_NEWER_LOWER = _lower()


def lower(text: str) -> str:
    """A text in lower case, each character by itself: a sigma at a word's end, too, becomes ``σ``.

    Example:
        >>> lower("ΑΣ"), "ΑΣ".lower()
        ('ασ', 'ας')
    """
    if text.isascii():
        return text.lower()
    return "".join(_NEWER_LOWER.get(ord(sign)) or sign.lower() for sign in text)
