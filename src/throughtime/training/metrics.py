"""The log of a run, ``metrics.jsonl``: an event a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.plain import parse_object, read_bytes


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The events of a log, oldest first; a run that was not trained has none, a killed one's last line may be cut.

    Raises:
        UserError: If a line is no event; names file and line.
    """
    if not path.exists():
        return []
    lines = read_bytes(path).splitlines()
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(read_event(line, f"{path}:{number}"))
        except UserError:
            if number == len(lines):
                break
            raise
    return events


def best_of(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The last validation that was the best so far; nothing where there is none."""
    return next((event for event in reversed(events) if event.get("best")), {})


def kept_lines(path: Path, step: int) -> bytes:
    """The lines of a log up to a step; those that are cut or damaged go."""
    kept = []
    for line in read_bytes(path).splitlines():
        try:
            if read_event(line, str(path))["step"] <= step:
                kept.append(line + b"\n")
        except UserError:
            continue
    return b"".join(kept)


def read_event(line: bytes, where: str) -> dict[str, Any]:
    """A line of a log: the kind of event, the step, and figures that are numbers, or numbers by name.

    Raises:
        UserError: If it is none.
    """
    try:
        event = parse_object(line.decode("utf-8"), where, constants=True)
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: expected text in UTF-8, which this is not ({error}); the file is damaged") from error
    if not isinstance(event.get("event"), str) or not _is_whole(event.get("step")) or event["step"] < 0:
        raise UserError(f"{where}: expected an 'event' and its 'step', got {line[:40]!r}; the file is damaged")
    for name, value in event.items():
        numbers = value.values() if isinstance(value, dict) else [value]
        if name != "event" and not all(isinstance(number, int | float) for number in numbers):
            raise UserError(f"{where}: expected {name!r} to be a number, got {str(value)[:40]!r}; the file is damaged")
    return event


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
