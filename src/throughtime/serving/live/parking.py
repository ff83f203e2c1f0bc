"""Streams that nobody speaks to: a few kB each, in memory, and on the disk where there are many.

A file of one is sealed, and refused where it is another stream's, another model's, too old, or older than the one
that was written last. Where a folder was named, every parked stream is written, so that it outlives the server.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from throughtime.errors import UserError
from throughtime.files import make_folder, write_chunks
from throughtime.plain import read_bytes
from throughtime.serving.live.seal import Seal, server_key
from throughtime.serving.refusal import RefusedError

LARGEST = 16 * 2**20
"""Bytes of a parked stream."""

NAME = re.compile(r"([0-9a-f]{32})\.stream")

ARGUMENTS = ("session", "model", "fingerprint", "since", "turn")


@dataclass(eq=False)
class Parked:
    """A stream that is parked.

    Attributes:
        session: Its id.
        model: The model's name.
        fingerprint: Of the model's weights.
        since: When it was parked, in seconds since 1970.
        turn: Tells it from earlier ones of the same stream: events and pieces so far.
        sealed: All that it holds; None: it has no plain form.
        alive: What has no plain form.
        written: Whether it lies on the disk, too.
    """

    session: str
    model: str
    fingerprint: str
    since: float
    turn: int
    sealed: bytes | None
    alive: Any = None
    written: bool = False


class Parking:
    """Where parked streams are kept.

    Args:
        folder: Keeps them and the key from one server to the next; None: one that ends with this.
        kept: Seconds that one is kept.
        in_memory: Most in memory.
        on_disk: Most on the disk.
        log: Takes an event of the log.

    Raises:
        UserError: If the folder's key is none.
        OSError: If the folder cannot be made.
    """

    def __init__(
        self, folder: Path | None, *, kept: float, in_memory: int, on_disk: int, log: Callable[[Any], None]
    ) -> None:
        self.kept, self.in_memory, self.on_disk, self.log = kept, in_memory, on_disk, log
        self.lasting = folder is not None
        self.seal = Seal(server_key(folder))
        self._folder = folder
        if folder is not None:
            make_folder(folder)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.memory: OrderedDict[str, Parked] = OrderedDict()  # the one that was parked first, first
        self.files: OrderedDict[str, _File] = OrderedDict()  # the one that was written first, first
        self.used: OrderedDict[str, float] = OrderedDict()  # that went on or ended, whose files would be old ones
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="parking")
        for session, stamp in sorted(_found(folder), key=lambda pair: pair[1]):
            self.files[session] = _File(stamp / 1e9, stamp)

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="throughtime-parked-")
            self._folder = Path(self._temporary.name)
        return self._folder

    def holds(self, model: str, fingerprint: str) -> bool:
        """Whether a stream of a model is parked that this server wrote."""
        known = (*self.memory.values(), *(one.parked for one in self.files.values() if one.parked is not None))
        return any((one.model, one.fingerprint) == (model, fingerprint) for one in known)

    def put(self, parked: Parked) -> None:
        """Keeps a stream."""
        self.memory[parked.session] = parked
        self.used.pop(parked.session, None)

    async def settle(self) -> list[str]:
        """Writes what should lie on the disk, and forgets what is too old or too much.

        Returns:
            The sessions that were forgotten.
        """
        old = time.time() - self.kept
        forgotten = [one.session for one in self.memory.values() if one.since < old]
        forgotten += [session for session, file in self.files.items() if file.since < old]
        forgotten += list(self.files)[: max(0, len(self.files) - self.on_disk)]
        for session in dict.fromkeys(forgotten):
            await self.forget(session)
        many = len(self.memory) - self.in_memory
        for place, one in enumerate(list(self.memory.values())):
            leaves = place < many
            if (leaves or self.lasting) and self.on_disk and not one.written and one.sealed is not None:
                await self._write(one)
            if leaves and self.memory.get(one.session) is one:
                del self.memory[one.session]
                forgotten += [] if one.written else [one.session]
        while self.used and next(iter(self.used.values())) < old:
            self.used.popitem(last=False)
        return forgotten

    async def take(self, session: str) -> Parked:
        """A stream that goes on, which is parked no more.

        Raises:
            RefusedError: If it is not kept, or what is kept is not what was parked last.
        """
        found = self.memory.pop(session, None)
        file = self.files.get(session)
        known = found or (None if file is None else file.parked)
        if found is None or (found.written and not await self._claimed(session)):
            found = await self._read(session, 0 if known is None else known.turn)
        await self.forget(session)
        if found is None or found.since < time.time() - self.kept:
            raise RefusedError(410, f"expected a stream that is kept, {self.kept:g} s at most, got none; open another")
        found.written = False
        return found

    async def _claimed(self, session: str) -> bool:
        """Removes a stream's file; of several servers with one folder one alone does, and goes on with the stream."""
        if (file := self.files.pop(session, None)) is None:
            return False
        if removed := bool(await self._off(partial(_remove, self.folder / f"{session}.stream", file.stamp))):
            self.used[session] = time.time()
        return removed

    async def forget(self, session: str) -> None:
        """Lets a stream go; a file that another server wrote since is that one's."""
        self.memory.pop(session, None)
        await self._claimed(session)

    async def _off(self, call: Callable[[], Any]) -> Any:
        """Runs what touches the disk, away from the loop that answers, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    async def _write(self, parked: Parked) -> None:
        assert parked.sealed is not None
        path = self.folder / f"{parked.session}.stream"
        try:
            stamp = await self._off(partial(_write, path, parked.sealed))
        except (OSError, UserError) as error:
            self.log({"event": "error", "parking": str(error)})
            return
        if self.memory.get(parked.session) is parked:
            parked.written = True
            self.files[parked.session] = _File(parked.since, stamp, replace(parked, sealed=None))
        else:  # it went on meanwhile
            await self._off(partial(_remove, path, stamp))

    async def _read(self, session: str, least: int) -> Parked | None:
        """What lies on the disk, if it is this session's and no older than a turn."""
        if self._folder is None or session in self.used or NAME.fullmatch(f"{session}.stream") is None:
            return None
        path = self.folder / f"{session}.stream"
        if path.is_symlink() or not path.is_file():
            return None
        try:
            stamp = path.stat().st_mtime_ns
            self.files[session] = _File(stamp / 1e9, stamp)
            sealed = await self._off(partial(read_bytes, path, LARGEST))
            found = self.seal.open("parked", sealed)
            parked = Parked(**{name: found[name] for name in ARGUMENTS}, sealed=sealed)
        except (OSError, UserError, RefusedError, KeyError, TypeError) as error:
            self.log({"event": "error", "parking": f"{session}: {error}"})
            return None
        if parked.session != session or parked.turn < least:
            self.log({"event": "error", "parking": f"{session}: another stream's state, or an older one"})
            return None
        return parked if await self._claimed(session) else None

    async def close(self) -> None:
        """Writes what is to outlive the server."""
        if self.lasting:
            await self.settle()
        self.thread.shutdown(wait=True)
        if self._temporary is not None:
            self._temporary.cleanup()


@dataclass(frozen=True)
class _File:
    """What is known of a file.

    Attributes:
        since: When its stream was parked.
        stamp: When it was written, in nanoseconds.
        parked: The stream, without its state, where this server wrote it.
    """

    since: float
    stamp: int
    parked: Parked | None = None


def _remove(path: Path, stamp: int) -> bool:
    """Removes a file, if it is the one that was written then; tells whether it was."""
    with suppress(OSError):
        if path.stat().st_mtime_ns == stamp:
            path.unlink()
            return True
    return False


def _write(path: Path, sealed: bytes) -> int:
    """Writes a file; gives when, in nanoseconds."""
    write_chunks(path, [sealed], 0o600)
    return path.stat().st_mtime_ns


def _found(folder: Path | None) -> Iterator[tuple[str, int]]:
    """The streams whose files lie in a folder, and when they were written, in nanoseconds."""
    if folder is None:
        return
    for path in folder.iterdir():
        if (name := NAME.fullmatch(path.name)) is not None and path.is_file():
            yield name[1], path.stat().st_mtime_ns
