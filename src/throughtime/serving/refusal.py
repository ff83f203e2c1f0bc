"""What a client did wrong, or asks too much of: a status and a line."""

from __future__ import annotations

from typing import Any

KINDS = {
    400: "invalid_request",
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    410: "gone",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "too_many_requests",
    431: "too_large",
    500: "internal_error",
    503: "unavailable",
}
"""What a status is called, for programs."""

CLOSED = {400: 1008, 401: 1008, 404: 1008, 408: 1008, 410: 1008, 413: 1009, 422: 1007, 429: 1013, 500: 1011, 503: 1013}
"""What a WebSocket is closed with, by status (RFC 6455; 1013, IANA: try again later)."""


class RefusedError(Exception):
    """A request that is not served.

    Args:
        status: Of HTTP.
        message: One line: what was expected, what came, what to do.
        after: Seconds after which to try again; told in ``Retry-After``.
        code: What a WebSocket is closed with; default: by the status.
        last: The connection ends with it.
    """

    def __init__(
        self, status: int, message: str, after: float | None = None, code: int | None = None, *, last: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.after, self._code, self.last = status, message, after, code, last

    @property
    def code(self) -> int:
        """What a WebSocket is closed with."""
        return self._code or CLOSED.get(self.status, 1008)

    @property
    def reason(self) -> str:
        """What fits beside it: a line of at most 123 bytes."""
        return self.message.encode()[:120].decode(errors="ignore")

    @property
    def body(self) -> dict[str, Any]:
        """As JSON; of OpenAI's form, whose clients read it."""
        return {"error": {"message": self.message, "type": KINDS.get(self.status, "error"), "code": self.status}}

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, and how to say who asks."""
        found = {} if self.after is None else {"Retry-After": f"{max(1, round(self.after))}"}
        found |= {"Connection": "close"} if self.last else {}
        return found | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
