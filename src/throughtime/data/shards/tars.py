"""Archives of samples as WebDataset writes them: files of one key side by side, read where they stand."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from throughtime.errors import UserError, listed, shown
from throughtime.plain import Member, open_regular, parse_object, resolved
from throughtime.runtime.reading.notes import leave_out, note

SUFFIX = ".tar"

PACKED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Suffixes of packed archives, in which nothing can be read but from the beginning."""

LARGEST = 1 << 20
"""Bytes of what is told of a sample, and of a head."""


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name, packed or not."""
    return path.name.lower().endswith((SUFFIX, *PACKED))


@dataclass(frozen=True)
class Sample:
    """A sample of an archive.

    Attributes:
        key: The name of its files up to the first dot, with their folder.
        media: What it is, read where it stands.
        told: What is said of it, by the suffixes of its other files: ``{"txt": b"good morning"}``.
        where: Archive and name.
    """

    key: str
    media: Member
    told: Mapping[str, bytes]
    where: str

    def text(self, suffix: str) -> str | None:
        """What a file of it says, None where it has none of that suffix.

        Raises:
            UserError: If it is not in UTF-8.
        """
        found = self.told.get(suffix)
        try:
            return None if found is None else found.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.where}: expected text in UTF-8 in {self.key}.{suffix}, got other bytes") from error

    def field(self, suffix: str, names: tuple[str, ...]) -> str | None:
        """What stands in its JSON file under the first of some names, as text; None where there is no such file.

        Raises:
            UserError: If it is no JSON object, or has none of the names.
        """
        text = self.text(suffix)
        if text is None:
            return None
        found = parse_object(text, f"{self.where}: {self.key}.{suffix}")
        value = next((found[name] for name in names if name in found), None)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UserError(
                f"{self.where}: expected one of {listed(names)} in {self.key}.{suffix}, got {shown(str(found))}; add it"
            )
        return str(value)


def samples(archive: Path, media: tuple[str, ...], beside: tuple[str, ...]) -> Iterator[Sample]:
    """The samples of an archive, in order.

    Args:
        archive: Without compression.
        media: Suffixes of what a sample is: ``(".wav", ".flac")``.
        beside: Suffixes of what is said of it, without their dot: ``("txt", "json")``.

    Raises:
        UserError: If it is packed, damaged or cut off, or has no sample; names the byte.
    """
    if archive.name.lower().endswith(PACKED):
        raise UserError(
            f"{archive}: expected an archive without compression (.tar), whose files are read where they stand, in any "
            "order; unpack that around it, which sound and video do not gain by"
        )
    archive, count = resolved(archive), 0
    with open_regular(archive) as file:
        for key, members in groupby(_files(archive, file), lambda member: _parted(member.name)[0]):
            found = _sample(archive, file, key, list(members), media, beside)
            if found is not None:
                count += 1
                yield found
    if not count:
        raise UserError(f"{archive}: expected samples with a file of {listed(media)}, found none")
    note(f"{archive}: {count:,} samples, read where they stand in the archive")


def _sample(
    archive: Path, file: BinaryIO, key: str, members: list[Member], media: tuple[str, ...], beside: tuple[str, ...]
) -> Sample | None:
    """The sample of some files of one key; None where they are none."""
    main: Member | None = None
    told: dict[str, bytes] = {}
    for member in members:
        suffix = _parted(member.name)[1]
        if f".{suffix}" in media:
            if main is not None:
                raise UserError(f"{archive}: expected one file of {listed(media)} for {key}, got {member.name}, too")
            main = member
        elif suffix in beside:
            if member.size > LARGEST:
                raise UserError(f"{archive}: expected at most {LARGEST:,} bytes in {member.name}, got {member.size:,}")
            file.seek(member.begin)
            told[suffix] = file.read(member.size)
        else:
            leave_out(f"{archive}: {member.name}", f"a file of another kind than {listed((*media, *beside))}")
    if main is None:
        leave_out(f"{archive}: {key}", f"no file of {listed(media)} stands beside")
        return None
    return Sample(key, main, told, f"{archive}: {key}")


def _parted(name: str) -> tuple[str, str]:
    """A name's key, and its suffix.

    Example:
        >>> _parted("a/b.c.WAV"), _parted("a.d/b")
        (('a/b', 'c.wav'), ('a.d/b', ''))
    """
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _files(archive: Path, file: BinaryIO) -> Iterator[Member]:
    """The regular files of an archive."""
    size = file.seek(0, 2)
    file.seek(0)
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:", errors="surrogateescape") as opened:  # type: ignore[call-overload]
            while (info := opened.next()) is not None:
                opened.members.clear()  # an archive may hold millions
                if info.offset_data + info.size > size:
                    raise _cut_off(archive, info.offset_data)
                if info.isreg() and not info.issparse() and _is_plain(info.name):
                    yield Member(archive, info.offset_data, info.size, info.name)
                elif not info.isdir():
                    leave_out(
                        f"{archive}: {info.name!r}",
                        "a link, a device or a file with holes, or its name leads elsewhere",
                    )
            end = opened.offset
    except (tarfile.TarError, ValueError, OverflowError) as error:
        at = file.tell()
        raise UserError(
            f"{archive}: expected a tar archive, which this is not, or it is damaged before byte {at:,} ({error})"
        ) from error
    file.seek(end)
    if file.read(2 * tarfile.BLOCKSIZE) != bytes(2 * tarfile.BLOCKSIZE):
        raise _cut_off(archive, end)


def _is_plain(name: str) -> bool:
    """Whether a name is one of a file in the archive, which can be written down."""
    return not name.startswith("/") and ".." not in name.split("/") and name.isprintable()


def _cut_off(archive: Path, at: int) -> UserError:
    return UserError(
        f"{archive}: expected files and two empty blocks behind them, got neither at byte {at:,}: it is cut off or "
        "damaged; get it anew"
    )


class _Bounded:
    """A file of which no head is read that would fill the memory.

    Args:
        file: The file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, size: int = -1) -> bytes:
        """Reads on.

        Raises:
            ValueError: If it is too much.
        """
        if not 0 <= size <= LARGEST:
            raise ValueError(f"a head of {size:,} bytes")
        return self._read(size)
