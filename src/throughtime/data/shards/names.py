"""Which files are shards: patterns and addresses are looked up, and every shard has a size and a time of change."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from throughtime.data.parts import below, check_there, is_system
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.plain import check_confined, check_regular, open_regular
from throughtime.runtime.reading.notes import note

PACKINGS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
"""Suffixes of files that are unpacked as they are read."""

UNKNOWN_PACKINGS = (".bz2", ".xz", ".lz4", ".br", ".lzma", ".z", ".7z", ".zip", ".rar", ".snappy")
"""Suffixes of files packed in ways that are not read."""

RECORDS = (".jsonl", ".ndjson", ".json")
"""Suffixes of JSON lines."""

PARQUET = ".parquet"

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Shard:
    """A file, here or elsewhere.

    Attributes:
        name: Its path or address.
        size: Bytes of it as it lies there.
        stamp: What tells that it was written again, such as its time of change; empty where nothing does.
    """

    name: str
    size: int
    stamp: str = ""

    @property
    def packing(self) -> str | None:
        """How it is packed; None: it is not."""
        return PACKINGS.get(_suffixes(self.name)[1])

    @property
    def kind(self) -> str:
        """What stands in it: ``"text"``, ``"records"`` or ``"parquet"``.

        Raises:
            UserError: If it is packed in a way that is not read, or an archive.

        Example:
            >>> [Shard(name, 0).kind for name in ("a.txt.gz", "b.json.zst", "s3://c/d.parquet", "e.gz")]
            ['text', 'records', 'parquet', 'text']
        """
        inner, outer = _suffixes(self.name)
        if outer in UNKNOWN_PACKINGS:
            raise UserError(
                f"{self.name}: expected text, alone or packed by gzip (.gz) or zstd (.zst), got {outer}; pack it anew"
            )
        if inner == ".tar":
            raise UserError(f"{self.name}: expected text, JSON lines or parquet, got an archive; unpack it first")
        if inner == PARQUET:
            return "parquet"
        return "records" if inner in RECORDS else "text"


def is_sharded(name: str) -> bool:
    """Whether a name stands for shards: a pattern, an address, a packed file, JSON lines, parquet, a folder of such.

    Example:
        >>> [is_sharded(name) for name in ("a.txt", "*.txt", "s3://a/b.txt", "a.txt.gz", "a.jsonl", "a.json")]
        [False, True, True, True, True, False]
    """
    inner, outer = _suffixes(name)
    packed = outer in PACKINGS or outer in UNKNOWN_PACKINGS
    if is_address(name) or packed or inner in (*RECORDS[:2], PARQUET) or is_pattern(name):
        return True
    if not os.path.isdir(name):
        return False
    inside = _names(name)
    return not any(found.endswith(".txt") for found in inside) and any(map(_is_known, inside))


def is_address(name: str) -> bool:
    """Whether a name is one of fsspec's: ``s3://…``, ``file://…``.

    Example:
        >>> is_address("memory://a.txt"), is_address("builtin:python-manual")
        (True, False)
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.\-]*(?:::|://)", name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name stands for those files that it fits, as in a shell; a file of that very name stands for itself."""
    return glob.has_magic(name) and not is_address(name) and not os.path.lexists(name)


def expanded(names: Sequence[str]) -> list[str]:
    """Names with the files of each pattern in its place, by name, and ``file://`` taken away; tells how many.

    Raises:
        UserError: If no file fits a pattern, or a name is an address of another machine.
    """
    found: list[str] = []
    for name in names:
        if is_address(name):
            if not name.startswith("file:///"):
                raise UserError(
                    f"{name}: expected files of this machine, got an address; copy or mount them, as they "
                    "are read again and again, in any order"
                )
            name = name.removeprefix("file://")
        found += _fitting(name) if is_pattern(name) else [name]
    return found


def find_shards(names: Sequence[str]) -> list[Shard]:
    """The shards that names stand for, in their order; those of a pattern or a folder in the order of their names.

    Args:
        names: Paths, folders, patterns such as ``shards/*.txt.gz``, and addresses that fsspec knows.

    Raises:
        UserError: If there is none, one is packed in an unknown way, or a library is missing.
    """
    found: dict[str, Shard] = {}
    for name in names:
        for shard in _remote(name) if is_address(name) else map(_local, _here(name)):
            if shard.name in found:
                note(f"{shard.name}: named more than once, read once")
            found.setdefault(shard.name, shard)
    shards = list(found.values())
    for shard in shards:
        _ = shard.kind
    if len(shards) > 1:
        note(f"{len(shards):,} shards in this order: {shards[0].name} … {shards[-1].name}")
    return shards


def check_unchanged(shards: Sequence[Shard], remedy: str) -> None:
    """Refuses shards that are not what they were.

    Args:
        shards: As they were found.
        remedy: What to do.

    Raises:
        UserError: Names the first that was changed, or is gone.
    """
    for shard in shards:
        (there,) = _remote(shard.name) if is_address(shard.name) else [_local(shard.name)]
        if there != shard:
            raise UserError(
                f"{shard.name}: expected the {shard.size:,} bytes that were there when tokenising began, got "
                f"{there.size:,} bytes, or others: it was written again; {remedy}"
            )


@contextmanager
def open_bytes(shard: Shard) -> Iterator[BinaryIO]:
    """A shard as it lies there, open for reading.

    Raises:
        UserError: If it cannot be read.
    """
    if not is_address(shard.name):
        with open_regular(Path(shard.name)) as file:
            yield file
        return
    system, path = _system(shard.name)
    with _told(shard.name, lambda: system.open(path, "rb")) as file:
        yield cast(BinaryIO, file)


def _suffixes(name: str) -> tuple[str, str]:
    """The suffix of what stands in a file, and that of its packing; the same where it is not packed.

    Example:
        >>> _suffixes("a.txt.gz"), _suffixes("a.JSONL")
        (('.txt', '.gz'), ('.jsonl', '.jsonl'))
    """
    path = Path(name.rpartition("/")[2].lower())
    return (Path(path.stem).suffix, path.suffix) if path.suffix in PACKINGS else (path.suffix, path.suffix)


def _names(folder: str) -> list[str]:
    return [str(path) for path in below(Path(folder))]


def _is_known(name: str) -> bool:
    """Whether a file in a folder is a shard by its name."""
    inner, outer = _suffixes(name)
    return inner in (".txt", *RECORDS[:2], PARQUET) or (outer in PACKINGS and inner != ".tar")


def _here(name: str) -> list[str]:
    if is_pattern(name):
        return _fitting(name)
    check_there(Path(name))
    if not Path(name).is_dir():
        return [name]
    found = [inside for inside in _names(name) if _is_known(inside)]
    if not found:
        raise UserError(f"{name}: expected a folder of text, JSON lines or parquet, found none; name the files")
    return found


def _fitting(pattern: str) -> list[str]:
    found = sorted(glob.glob(pattern, recursive=True))
    found = [name for name in found if Path(name).is_file() and not is_system(Path(name).name)]
    if not found:
        raise UserError(f"{pattern}: expected files that this pattern fits, found none; mend it, or name the files")
    note(f"{pattern}: fits {len(found):,} file{'s' * (len(found) > 1)}, read in the order of their names")
    return found


def _local(name: str) -> Shard:
    size = check_regular(Path(name))
    return Shard(name, size, str(Path(name).stat().st_mtime_ns))


def _remote(url: str) -> list[Shard]:
    """The shards of an address, which may be a pattern or a folder."""
    check_confined(Path(url))  # no stranger's request leads elsewhere
    system, path = _system(url)

    def look() -> list[Shard]:
        paths = [path]
        if glob.has_magic(path):
            paths = sorted(system.glob(path))
        elif system.isdir(path):
            paths = sorted(system.find(path))
        return [_described(system, found) for found in paths]

    found = _told(url, look)
    if not found:
        raise UserError(f"{url}: expected files that this address fits, found none; mend it")
    if len(found) > 1:
        note(f"{url}: {len(found):,} files, read in the order of their names")
    return found


def _described(system: Any, path: str) -> Shard:
    told = system.info(path)
    stamp = next((told[key] for key in ("mtime", "ETag", "etag", "LastModified", "created") if key in told), "")
    return Shard(system.unstrip_protocol(path), int(told.get("size") or 0), str(stamp))


def _system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    library = extra("fsspec", "shards", f"{url}: reading an address")
    return cast(tuple[Any, str], _told(url, lambda: library.core.url_to_fs(url)))


def _told(url: str, ask: Callable[[], ResultT]) -> ResultT:
    """What a file system answers; what it refuses in a line: a library that it lacks, or that nothing is there."""
    try:
        return ask()
    except ImportError as error:
        raise UserError(f"{url}: {error}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"{url}: cannot be read: {reason}") from error
