"""Files and JSON of strangers: what is read, and in which words the rest is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from throughtime.data.parts import check_there, is_file
from throughtime.errors import UserError
from throughtime.plain import (
    check_regular,
    confined,
    parse_json,
    parse_object,
    read_bytes,
    read_json,
    read_text,
    resolved,
)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_bytes(path, 3) == b"abc"
    assert read_text(path) == "abc"
    assert check_regular(path) == 3
    with pytest.raises(UserError, match="at most 2 bytes, got 3"):
        read_bytes(path, 2)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe, device, folder = tmp_path / "pipe", tmp_path / "device", tmp_path / "folder"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    for path, kind in ((pipe, "a pipe or a device"), (device, "a pipe or a device"), (folder, "a folder")):
        with pytest.raises(UserError, match=f"{path.name}: expected a regular file, got {kind}"):
            read_bytes(path)
    with pytest.raises(UserError, match=r"expected the file .*missing, which does not exist"):
        read_bytes(tmp_path / "missing")


def test_a_link_to_itself_and_bytes_that_are_no_text_are_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="loop: cannot be read"):
        read_bytes(tmp_path / "loop")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match="latin: expected text in UTF-8"):
        read_text(tmp_path / "latin")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "expected JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ("9" * 5000, "5,000 digits"),
        ("9223372036854775808", "beyond 64 bits"),
        ("[NaN]", "NaN is no number"),
        ("-Infinity", "-Infinity is no number"),
        (r'{"\ud800": 1}', "surrogate"),
        (r'["a", {"b": ["\udc01x"]}]', "surrogate"),
    ],
)
def test_json_that_nothing_can_use_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError, match=f"^here: .*{told}"):
        parse_json(text, "here")


def test_json_as_it_should_be(tmp_path: Path) -> None:
    assert parse_json(r'[1, -2.5, "\ud83d\ude00", null]', "here") == [1, -2.5, "😀", None]
    assert parse_json("[Infinity]", "here", constants=True) == [float("inf")]
    assert parse_object('{"a": 1}', "here") == {"a": 1}
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(UserError, match="expected a JSON object, got a list"):
        read_json(tmp_path / "list.json")


def test_links_that_lead_round_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UserError, match="cannot be read: Symlink loop"):
        resolved(tmp_path / "a")
    assert resolved(tmp_path / "none") == tmp_path.resolve() / "none"


def test_files_of_other_folders_are_not_there_where_readers_are_confined(tmp_path: Path) -> None:
    (inside, outside) = (tmp_path / "in" / "a.txt", tmp_path / "b.txt")
    inside.parent.mkdir()
    for file in (inside, outside):
        file.write_text("read")
    (tmp_path / "in" / "link.txt").symlink_to(outside)
    with confined(tmp_path / "in"):
        assert read_text(inside) == "read"
        for path in (outside, tmp_path / "in" / "link.txt", tmp_path / "in" / ".." / "b.txt", tmp_path / "none"):
            for look in (read_text, check_there, is_file):
                with pytest.raises(UserError, match="expected what was sent itself"):
                    look(path)
    assert read_text(outside) == "read"
