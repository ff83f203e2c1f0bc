"""States of streams as bytes that nobody without the server's key can make, or change unseen (HMAC-SHA256, RFC 2104).

Plain data alone: JSON, and behind it the bytes of arrays, which are read within the bounds that the JSON names.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from throughtime.errors import UserError
from throughtime.files import make_folder, write_chunks
from throughtime.plain import read_bytes
from throughtime.serving.refusal import RefusedError

KEY = 32
"""Bytes of a key."""

MAC = hashlib.sha256().digest_size

KINDS = frozenset({"<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1"})
"""Of arrays' numbers."""

TOKEN = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")

Use = Literal["parked", "export"]
"""What a state was sealed for; it opens for nothing else."""


def server_key(folder: Path | None) -> bytes:
    """The key that lies in a folder, where others cannot read it; a new one, if there is none.

    Args:
        folder: Made if need be; None: the key lasts as long as the server.

    Raises:
        UserError: If others can read it, or it is none.
        OSError: If it cannot be written.
    """
    if folder is None:
        return secrets.token_bytes(KEY)
    make_folder(folder)
    path = folder / "key"
    if not path.exists():
        write_chunks(path, [secrets.token_bytes(KEY)], mode=0o600)
    if path.is_symlink() or stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise UserError(f"{path}: expected a file that its owner alone can read; chmod 600 it, or remove it")
    key = read_bytes(path, KEY + 1)
    if len(key) != KEY:
        raise UserError(f"{path}: expected a key of {KEY} bytes, got {len(key)}; remove it, and what it sealed is lost")
    return key


class Seal:
    """Makes and reads tokens and sealed states.

    Args:
        key: Of the server.

    Example:
        >>> seal = Seal(bytes(32))
        >>> token = seal.token("0123456789abcdef" * 2)
        >>> seal.session(token)
        '0123456789abcdef0123456789abcdef'
        >>> seal.open("export", seal.close("export", {"a": [1, 2.5]}))
        {'a': [1, 2.5]}
    """

    def __init__(self, key: bytes) -> None:
        self.key = key

    def _mac(self, use: str, content: bytes) -> bytes:
        return hmac.digest(self.key, use.encode() + b"\0" + content, "sha256")

    def token(self, session: str) -> str:
        """What a client shows to take a session up again."""
        return f"{session}.{self._mac('token', session.encode()).hex()}"

    def session(self, token: Any) -> str:
        """Whose token it is.

        Raises:
            RefusedError: If it is none of this server's.
        """
        found = TOKEN.fullmatch(token) if isinstance(token, str) else None
        session, mac = found.groups() if found else ("", "")
        if not hmac.compare_digest(mac, self._mac("token", session.encode()).hex()):
            raise RefusedError(401, "resume: expected the token that a stream of this server began with, got another")
        return session

    def close(self, use: Use, value: Mapping[str, Any]) -> bytes:
        """Seals plain data and arrays."""
        content = pack(value)
        return self._mac(use, content) + content

    def open(self, use: Use, sealed: bytes) -> dict[str, Any]:
        """What was sealed, for this use.

        Raises:
            RefusedError: If it was not, or not by this key, or was changed.
        """
        if not hmac.compare_digest(sealed[:MAC], self._mac(use, sealed[MAC:])):
            raise RefusedError(410, "expected a state that this server sealed, got another, or one that was changed")
        return unpack(sealed[MAC:])


def pack(value: Mapping[str, Any]) -> bytes:
    """Plain data and arrays as bytes."""
    arrays: list[np.ndarray[Any, Any]] = []

    def plain(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            arrays.append(np.ascontiguousarray(part))
            return {"array": [arrays[-1].dtype.str, list(part.shape)]}
        if isinstance(part, Mapping):
            if set(part) == {"array"}:
                raise ValueError("expected no mapping of the name array alone, which stands for one")
            return {name: plain(member) for name, member in part.items()}
        return [plain(member) for member in part] if isinstance(part, list | tuple) else part

    head = json.dumps(plain(value)).encode()
    return len(head).to_bytes(4, "little") + head + b"".join(array.tobytes() for array in arrays)


def unpack(content: bytes) -> dict[str, Any]:
    """What :func:`pack` packed.

    Raises:
        RefusedError: If it was not that.
    """
    size = int.from_bytes(content[:4], "little")
    at = 4 + size

    def whole(part: Any) -> Any:
        nonlocal at
        if isinstance(part, dict) and set(part) == {"array"}:
            kind, shape = part["array"]
            if kind not in KINDS or not all(type(size) is int and size >= 0 for size in shape):
                raise ValueError(kind)
            found = np.frombuffer(content, np.dtype(kind), math.prod(shape), at).reshape(shape).copy()
            at += found.nbytes
            return found
        if isinstance(part, dict):
            return {name: whole(member) for name, member in part.items()}
        return [whole(member) for member in part] if isinstance(part, list) else part

    try:
        found = whole(json.loads(content[4:at]))
    except (ValueError, TypeError, RecursionError):
        raise RefusedError(410, "expected the state of a stream, got something else") from None
    if not isinstance(found, dict) or at != len(content):
        raise RefusedError(410, "expected the state of a stream, got something else")
    return found
