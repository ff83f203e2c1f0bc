"""Shards are read as the same files unpacked; what is broken is told with its name and line."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from throughtime.data.shards.documents import ShardTexts
from throughtime.data.shards.names import find_shards, is_sharded
from throughtime.data.shards.opening import open_sharded
from throughtime.data.shards.packed import FEED, Unpacked
from throughtime.data.text.files import END, FileTexts
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
zstandard = pytest.importorskip("zstandard")
fsspec = pytest.importorskip("fsspec")

LINES = "".join(f"line {n}, é\n" for n in range(3000)) + "the last"
PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


def write(path: Path, content: bytes | str) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def records(*texts: str | None, field: str = "text") -> bytes:
    return "".join(json.dumps({"id": n, field: text}) + "\n" for n, text in enumerate(texts)).encode()


def table(path: Path, *texts: str | None) -> str:
    parquet.write_table(arrow.table({"id": list(range(len(texts))), "text": list(texts)}), path, row_group_size=2)
    return str(path)


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_file_is_read_as_it_is_unpacked(packing: str, tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.txt", LINES)
    halves = LINES.encode()[:20_000], LINES.encode()[20_000:]
    two_parts = b"".join(map(PACK[packing], halves))  # as cat a.gz b.gz gives it
    path = write(tmp_path / f"a.txt{packing}", two_parts)
    assert list(ShardTexts([path]).read()) == list(FileTexts([Path(plain)]).read())


@pytest.mark.parametrize("packing", PACK)
def test_every_record_is_a_text(packing: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.jsonl{packing}", PACK[packing](records("one\ntwo", "", "three\r\n", None)))
    with noting() as notes:
        assert list(ShardTexts([path]).read()) == ["one\n", "two", END, "three\n", END]
    assert notes.left_out == {"nothing stands in the text": [f"{path}: 2"]}


def test_a_column_of_parquet_is_read(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", "one\ntwo", None, "three", "", "four")
    assert list(ShardTexts([path]).read()) == ["one\n", "two", END, "three", END, "four", END]


def test_shards_stand_in_the_order_of_their_names_and_that_is_told(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path / f"{name}.txt", name)
    with noting() as notes:
        texts = ShardTexts([str(tmp_path / "[ab].txt"), str(tmp_path / "*.txt")])
        assert list(texts.read()) == ["a", END, "b", END, "c", END]
    assert f"{tmp_path}/a.txt: named more than once, read once" in notes.taken
    assert f"3 shards in this order: {tmp_path}/a.txt … {tmp_path}/c.txt" in notes.taken


def test_addresses_are_read_by_fsspec(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt.gz", gzip.compress(b"one\n"))
    memory = fsspec.filesystem("memory")
    memory.pipe("/shards/b.jsonl", records("two"))
    memory.pipe("/shards/c.txt", b"three")
    assert list(ShardTexts([f"file://{path}"]).read()) == ["one\n", END]
    assert list(ShardTexts(["memory://shards/*"]).read()) == ["two", END, "three", END]
    assert [shard.size for shard in find_shards(["memory://shards/c.txt"])] == [5]


def test_a_folder_of_shards_is_searched_unless_text_lies_there(tmp_path: Path) -> None:
    write(tmp_path / "a.txt.gz", gzip.compress(b"one"))
    write(tmp_path / "b.md", "no data")
    assert list(open_sharded([str(tmp_path)]).read()) == ["one", END]
    write(tmp_path / "c.txt", "two")
    assert list(open_sharded([str(tmp_path)]).read()) == ["two", END]


def test_a_file_whose_name_is_a_pattern_stands_for_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "a[1].txt", "one")
    assert not is_sharded(path)
    assert list(open_sharded([path]).read()) == ["one", END]


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "gzip cut off": ("a.txt.gz", gzip.compress(LINES.encode())[:-4000], r"about line \d[\d,]+: the gzip data end in"),
    "zstd cut off": ("a.txt.zst", zstandard.compress(LINES.encode())[:-9], "about line 1: the zstd data end in the mi"),
    "records cut off": (
        "a.jsonl.gz",
        gzip.compress(records("one", "two"))[:-9],
        r"a.jsonl.gz:\d: the gzip data end in",
    ),
    "an empty gzip": ("a.txt.gz", b"", "the gzip data end in the middle"),
    "no gzip": ("a.txt.gz", b"plain text", "the gzip data are damaged, or none"),
    "no zstd": ("a.txt.zst", b"plain text", "the zstd data are damaged, or none"),
    "an unknown packing": ("a.txt.bz2", b"", r"packed by gzip \(.gz\) or zstd \(.zst\), got .bz2; pack it anew"),
    "an archive": ("a.tar.gz", b"", "got an archive; unpack it first"),
    "a broken record": ("a.jsonl", records("one") + b'{"text": "two\n', "a.jsonl:2: expected JSON"),
    "no object": ("a.jsonl", b'["one"]\n', "a.jsonl:1: expected a JSON object, got a list"),
    "no text": ("a.jsonl", records("one", field="texts"), "expected the text under 'text'; it has id, texts"),
    "a number as text": (
        "a.jsonl",
        b'{"text": 3}\n',
        "a.jsonl:1: expected a text under 'text', got 3; pass --text-col",
    ),
    "bytes": ("a.txt.gz", gzip.compress(b"one\n\xff\xfe two\n"), "a.txt.gz: about line 1: expected text in UTF-8"),
    "a binary file": ("a.txt.gz", gzip.compress(bytes(100)), "a.txt.gz: expected text, got a binary file"),
    "no parquet": ("a.parquet", b"PAR1 and no more PAR1", "a.parquet: after row 0: expected parquet"),
}


@pytest.mark.parametrize(("name", "content", "said"), BROKEN.values(), ids=list(BROKEN))
def test_what_is_broken_is_told_with_shard_and_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=said) as caught:
        list(ShardTexts([path]).read())
    assert str(caught.value).startswith(path)


def test_columns_that_hold_no_texts_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", "one")
    with pytest.raises(UserError, match="expected the texts in a column 'words'; it has id, text; pass --text-col"):
        list(ShardTexts([path], "words").read())
    with pytest.raises(UserError, match="expected texts in column 'id', got int64; pass --text-column"):
        list(ShardTexts([path], "id").read())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}/*.txt.gz", r"\*.txt.gz: expected files that this pattern fits, found none"),
        ("{}/none.txt.gz", "none.txt.gz: no such file or folder"),
        ("memory://none/*.gz", r"memory://none/\*.gz: expected files that this address fits, found none"),
        ("memory://none/a.gz", "memory://none/a.gz: cannot be read"),
        ("nowhere://a.txt", "nowhere://a.txt: cannot be read: Protocol not known: nowhere"),
        ("{}", "expected a folder of text, JSON lines or parquet, found none|expected a folder with .txt"),
    ],
)
def test_names_that_stand_for_nothing_are_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        list(open_sharded([name.format(tmp_path)]).read())


@pytest.mark.parametrize(
    ("library", "name"), [("fsspec", "memory://a.txt"), ("zstandard", "a.txt.zst"), ("pyarrow", "a.parquet")]
)
def test_a_library_that_lacks_is_named(
    library: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(tmp_path)
    if "://" not in name:
        write(tmp_path / name, b"x")
    with pytest.raises(UserError, match=rf"needs {library}; run: pip install 'throughtime\[shards\]'"):
        list(ShardTexts([name]).read())


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_what_unpacks_to_too_much_is_refused_early(packing: str, tmp_path: Path) -> None:
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress}[packing]
    path = tmp_path / "bomb"
    path.write_bytes(pack(bytes(1 << 27)))
    most = 0

    def to_the_end(stream: Unpacked) -> None:
        nonlocal most
        while stream.readinto(memoryview(bytearray(1 << 16))):
            most = max(most, len(stream._ready))

    with path.open("rb") as file, pytest.raises(ValueError, match="unpacks to more than 250 times its size"):
        to_the_end(Unpacked(file, packing))
    assert most <= {"gzip": 1100 * FEED["gzip"], "zstd": 1 << 27}[packing]
