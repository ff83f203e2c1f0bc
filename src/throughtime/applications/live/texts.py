"""Texts that come in pieces."""

from __future__ import annotations

import re
from typing import Any

from throughtime.applications.live.parts import text_piece
from throughtime.errors import UserError
from throughtime.runtime.text.signs import SPACES

_BREAK = re.compile(rf"[^{SPACES}](?=[{SPACES}])")
"""A sign before white space."""

LONGEST = 1 << 20
"""Characters that are held back, at most."""

_LAST = re.compile(rf".*[^{SPACES}](?=[{SPACES}])", re.DOTALL)
"""All up to the last one."""


def cut(text: str) -> tuple[str, str]:
    r"""What of a text cannot change by what follows it, and the rest: no word reaches over white space.

    Example:
        >>> cut("an old gr"), cut("an\n"), cut(" a")
        (('an old', ' gr'), ('an', '\n'), ('', ' a'))
    """
    found = _LAST.match(text)
    at = 0 if found is None else found.end()
    return text[:at], text[at:]


class HeldText:
    """Holds back what may be a part of a word yet.

    Attributes:
        held: What waits.

    Example:
        >>> text = HeldText()
        >>> text.push("one wo"), text.push("rd, and"), text.end()
        ('one', ' word,', ' and')
    """

    def __init__(self) -> None:
        self.held = ""

    def push(self, piece: Any) -> str:
        """What is complete with this piece.

        Raises:
            UserError: If it is no text.
        """
        text = text_piece(piece)
        if _BREAK.search(self.held[-1:] + text) is None:  # so a word of any length costs its own length
            self.held += text
            if len(self.held) > LONGEST:
                raise UserError(f"expected white space within {LONGEST:,} characters, got none; send words")
            return ""
        whole, self.held = cut(self.held + text)
        return whole

    def end(self) -> str:
        """What waits."""
        whole, self.held = self.held, ""
        return whole
