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
        self.files: OrderedDict[str, tuple[float, Parked | None]] = OrderedDict()  # since when, and what, if known
        self.used: OrderedDict[str, float] = OrderedDict()  # that went on or ended, whose files would be old ones
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="parking")
        for session, since in sorted(_found(folder), key=lambda pair: pair[1]):
            self.files[session] = since, None

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="throughtime-parked-")
            self._folder = Path(self._temporary.name)
        return self._folder

    def holds(self, model: str, fingerprint: str) -> bool:
        """Whether a stream of a model is parked that this server wrote."""
        known = (*self.memory.values(), *(one for _, one in self.files.values() if one is not None))
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
        forgotten += [session for session, (since, _) in self.files.items() if since < old]
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
        if found is None and session not in self.used:
            found = await self._read(session)
        await self.forget(session)
        if found is None or found.since < time.time() - self.kept:
            raise RefusedError(410, f"expected a stream that is kept, {self.kept:g} s at most, got none; open another")
        found.written = False
        return found

    async def forget(self, session: str) -> None:
        """Lets a stream go."""
        self.memory.pop(session, None)
        if self.files.pop(session, None) is not None:
            self.used[session] = time.time()
            with suppress(OSError):
                await self._off((self.folder / f"{session}.stream").unlink)

    async def _off(self, call: Callable[[], Any]) -> Any:
        """Runs what touches the disk, away from the loop that answers, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    async def _write(self, parked: Parked) -> None:
        assert parked.sealed is not None
        path = self.folder / f"{parked.session}.stream"
        try:
            await self._off(partial(write_chunks, path, [parked.sealed], 0o600))
        except (OSError, UserError) as error:
            self.log({"event": "error", "parking": str(error)})
            return
        if self.memory.get(parked.session) is parked:
            parked.written = True
            self.files[parked.session] = parked.since, replace(parked, sealed=None)
        else:  # it went on meanwhile
            with suppress(OSError):
                await self._off(path.unlink)

    async def _read(self, session: str) -> Parked | None:
        """What lies on the disk, if it is this session's and not older than the server knows."""
        if self._folder is None or NAME.fullmatch(f"{session}.stream") is None:
            return None
        path = self.folder / f"{session}.stream"
        if path.is_symlink() or not path.is_file():
            return None
        _, known = self.files.setdefault(session, (time.time(), None))
        try:
            sealed = await self._off(partial(read_bytes, path, LARGEST))
            found = self.seal.open("parked", sealed)
            parked = Parked(**{name: found[name] for name in ARGUMENTS}, sealed=sealed)
        except (UserError, RefusedError, KeyError, TypeError) as error:
            self.log({"event": "error", "parking": f"{session}: {error}"})
            return None
        if parked.session != session or (known is not None and parked.turn != known.turn):
            self.log({"event": "error", "parking": f"{session}: another stream's state, or an older one"})
            return None
        return parked

    async def close(self) -> None:
        """Writes what is to outlive the server."""
        if self.lasting:
            await self.settle()
        self.thread.shutdown(wait=True)
        if self._temporary is not None:
            self._temporary.cleanup()


def _found(folder: Path | None) -> Iterator[tuple[str, float]]:
    """The streams whose files lie in a folder, and since when."""
    if folder is None:
        return
    for path in folder.iterdir():
        if (name := NAME.fullmatch(path.name)) is not None and path.is_file():
            yield name[1], path.stat().st_mtime
