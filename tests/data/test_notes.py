"""What readers note reaches whoever collects, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from throughtime.runtime.reading.notes import leave_out, note, noting


def _read(name: str) -> Iterator[int]:
    note(f"{name}: by name")
    for number in range(5):
        leave_out(f"{name}:{number}", "no label")
        yield number


def test_a_reader_s_notes_are_collected_while_it_is_read() -> None:
    with noting() as outer:
        list(_read("a"))
        with noting() as inner:
            list(_read("b"))
        list(_read("a"))
    list(_read("c"))
    assert outer.taken == ["a: by name"]
    assert inner.taken == ["b: by name"]
    assert outer.left_out == {"no label": [f"a:{n}" for n in range(5)] * 2}
    assert inner.lines() == ["b: by name", "left out, 5 times: no label (b:0, b:1, b:2 and 2 more)"]
