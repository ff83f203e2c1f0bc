"""Tokens as text: words joined as in print, the bytes of byte pairs as the characters that they spell."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator

UNK = "<unk>"
EOS = "<eos>"
UNK_ID, EOS_ID = 0, 1
"""Their ids in every vocabulary."""

NO_SPACE_BEFORE = set(".,;:!?)]}%…’”。，、；：！？")
NO_SPACE_AFTER = set("([{$#“‘")


def pieces(
    ids: Iterable[int], token_of: Callable[[int], str | None], unit: str, line_ends: bool = False
) -> Iterator[str]:
    """The text of ids, piece by piece as they come; bytes of an unfinished character are held back.

    Args:
        ids: Of tokens.
        token_of: The token of an id; None where there is none.
        unit: What a token is: ``"characters"``, ``"words"``, ``"bytepairs"``, ``"tokens"``.
        line_ends: EOS is a line break.
    """
    end = EOS if not line_ends else "Ċ" if unit == "bytepairs" else "\n"
    tokens = (end if i == EOS_ID else token_of(i) or UNK for i in ids)
    if unit == "bytepairs":
        return join_bytes(tokens)
    return tokens if unit == "characters" else join_words(tokens, in_print=unit == "words")


def join_words(tokens: Iterable[str], in_print: bool = True) -> Iterator[str]:
    r"""Words with single spaces, but none at line breaks and, in print, before closing and after opening punctuation.

    Example:
        >>> "".join(join_words(["Ah", ",", "no", "(", "yes", ")", "\n", "so", "."]))
        'Ah, no (yes)\nso.'
    """
    glued = True
    for token in tokens:
        yield token if glued or token == "\n" or (in_print and token in NO_SPACE_BEFORE) else f" {token}"
        glued = token == "\n" or (in_print and token in NO_SPACE_AFTER)


def _byte_signs() -> dict[str, int]:
    """The printable sign for every byte, as byte-level byte pairs write them (Radford et al. 2019)."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTES = _byte_signs()
"""The byte that each sign of a byte pair stands for."""


def join_bytes(tokens: Iterable[str]) -> Iterator[str]:
    """The characters that the tokens' bytes spell, each as soon as it is whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in tokens:
        if text := decoder.decode(bytes(BYTES[sign] for sign in token)):
            yield text
