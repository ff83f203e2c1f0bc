"""Parked streams: sealed, bounded, and only the one that was parked last is taken up again."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import UserError
from throughtime.serving.live.parking import ARGUMENTS, Parked, Parking
from throughtime.serving.live.seal import Seal, pack, server_key, unpack
from throughtime.serving.live.told import UNSEEN, Told
from throughtime.serving.refusal import RefusedError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def session(number: int) -> str:
    return f"{number:032x}"


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), PLAIN, max_size=4), st.data())
def test_plain_data_and_arrays_come_back_and_any_change_is_noticed(value: dict[str, Any], data: st.DataObject) -> None:
    seal = Seal(bytes(range(32)))
    arrays = {kind: np.arange(6, dtype=kind).reshape(2, 3) for kind in ("<f4", "<f8", "<i8", "|u1")}
    sealed = seal.close("parked", {"plain": value, "arrays": arrays})
    found = seal.open("parked", sealed)
    assert found["plain"] == value
    assert {name: (one.dtype.str, one.tolist()) for name, one in found["arrays"].items()} == {
        name: (name, one.tolist()) for name, one in arrays.items()
    }
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))
    for forged in (bytes(changed), sealed[:place], sealed + b"\0", b""):
        with pytest.raises(RefusedError, match="expected a state that this server sealed"):
            seal.open("parked", forged)
    with pytest.raises(RefusedError, match="sealed"):
        seal.open("export", sealed)
    with pytest.raises(RefusedError, match="sealed"):
        Seal(bytes(32)).open("parked", sealed)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_what_was_never_packed_is_refused_within_its_own_size(content: bytes) -> None:
    for tried in (content, len(content).to_bytes(4, "little") + content, pack({"a": [1]})[: len(content)]):
        with suppress(RefusedError):
            assert isinstance(unpack(tried), dict)


def test_arrays_are_no_larger_than_what_holds_them() -> None:
    for kind, shape in (("<f4", [2**40]), ("|O", [1]), ("<f4", [-1, 3]), (3, [1]), ("<f4", "x")):
        text = f'{{"a": {{"array": [{kind!r}, {shape!r}]}}}}'.replace("'", '"').encode()
        with pytest.raises(RefusedError, match="expected the state of a stream"):
            unpack(len(text).to_bytes(4, "little") + text)


def test_a_token_is_one_servers(tmp_path: Path) -> None:
    one, other = Seal(server_key(tmp_path / "a")), Seal(server_key(tmp_path / "b"))
    token = one.token(session(1))
    assert Seal(server_key(tmp_path / "a")).session(token) == session(1)
    for forged in (other.token(session(1)), token[:-1], token[:-1] + "g", "", None, session(2) + token[32:]):
        with pytest.raises(RefusedError, match="resume: expected the token"):
            one.session(forged)


def test_the_key_is_its_owners(tmp_path: Path) -> None:
    key = server_key(tmp_path / "parked")
    path = tmp_path / "parked" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server_key(tmp_path / "parked") == key
    path.chmod(0o640)
    with pytest.raises(UserError, match="its owner alone"):
        server_key(tmp_path / "parked")
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(UserError, match="expected a key of 32 bytes, got 5"):
        server_key(tmp_path / "parked")


Body = Callable[[Parking], Coroutine[Any, Any, None]]


def parked(parking: Parking, number: int, turn: int = 1, since: float | None = None) -> Parked:
    found = Parked(session(number), "text", "mark", time.time() if since is None else since, turn, None)
    value = {name: getattr(found, name) for name in ARGUMENTS} | {"state": np.full(3, turn, np.float32)}
    found.sealed = parking.seal.close("parked", value)
    return found


def parking_in(folder: Path | None, events: list[Any] | None = None, **limits: Any) -> Parking:
    given_limits = {"kept": 100.0, "in_memory": 2, "on_disk": 3} | limits
    return Parking(folder, log=(events if events is not None else []).append, **given_limits)


def test_the_oldest_go_to_the_disk_and_then_go(tmp_path: Path) -> None:
    async def body() -> None:
        parking = parking_in(None)
        for number in range(6):
            parking.put(parked(parking, number))
            await parking.settle()
        assert list(parking.memory) == [session(4), session(5)]
        assert [path.stat().st_mode & 0o777 for path in parking.folder.iterdir()] == [0o600] * 4
        assert await parking.settle() == [session(0)]
        folder = parking.folder
        with pytest.raises(RefusedError, match="expected a stream that is kept"):
            await parking.take(session(0))
        found = await parking.take(session(1))
        assert parking.seal.open("parked", found.sealed or b"")["state"].tolist() == [1, 1, 1]
        with pytest.raises(RefusedError, match="is kept"):
            await parking.take(session(1))
        assert sorted(path.name for path in folder.iterdir()) == [f"{session(n)}.stream" for n in (2, 3)]
        await parking.close()
        assert not folder.exists()

    asyncio.run(body())


def test_a_named_folder_outlives_the_server_that_is_killed(tmp_path: Path) -> None:
    async def body() -> None:
        first = parking_in(tmp_path)
        first.put(parked(first, 1))
        await first.settle()  # and then no more
        second = parking_in(tmp_path)
        assert (await second.take(session(1))).turn == 1
        third = parking_in(tmp_path)
        with pytest.raises(RefusedError, match="is kept"):
            await third.take(session(1))

    asyncio.run(body())


def test_of_several_servers_with_one_folder_one_goes_on_with_a_stream(tmp_path: Path) -> None:
    async def body() -> None:
        first, second = parking_in(tmp_path), parking_in(tmp_path)
        for number in range(4):
            first.put(parked(first, number))
        await first.settle()
        assert session(3) in first.memory
        assert (await second.take(session(3))).turn == 1
        for number in range(4):
            takes = (one.take(session(number)) for one in (first, second))
            found = await asyncio.gather(*takes, return_exceptions=True)
            assert [isinstance(one, Parked) for one in found].count(True) == (number < 3)
        second.put(parked(second, 1, turn=2))
        await second.settle()
        first.put(parked(first, 1, since=time.time() - 101))  # what it knows of it is old
        assert await first.settle() == [session(1)]
        assert (await parking_in(tmp_path).take(session(1))).turn == 2
        first.put(parked(first, 8))
        await first.settle()
        second.put(replace(await second.take(session(8)), turn=3, sealed=parked(second, 8, turn=3).sealed))
        await second.settle()
        assert (await first.take(session(8))).turn == 3  # not what it remembers

    asyncio.run(body())


def test_old_swapped_and_damaged_files_are_refused(tmp_path: Path) -> None:
    async def body() -> None:
        events: list[Any] = []
        parking = parking_in(tmp_path, events, in_memory=0, on_disk=9)
        for number in range(4):
            parking.put(parked(parking, number))
        await parking.settle()
        files = [tmp_path / f"{session(number)}.stream" for number in range(4)]
        files[1].write_bytes(files[0].read_bytes())  # another's
        files[2].write_bytes(files[2].read_bytes()[:-1])
        before = files[3].read_bytes()
        await parking.take(session(3))
        parking.put(parked(parking, 3, turn=2))
        await parking.settle()
        files[3].write_bytes(before)  # an older one of the same stream
        files[0].rename(tmp_path / "aside")
        os.symlink(tmp_path / "aside", files[0])
        for number in range(4):
            with pytest.raises(RefusedError, match="expected a stream that is kept"):
                await parking.take(session(number))
        assert len(events) == 3
        files[3].write_bytes(before)  # of one that went on
        with pytest.raises(RefusedError, match="is kept"):
            await parking.take(session(3))
        parking.put(parked(parking, 7, since=time.time() - 101))
        assert await parking.settle() == [session(7)]

    asyncio.run(body())


def test_a_full_disk_is_told_and_ends_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        events: list[Any] = []
        parking = parking_in(tmp_path, events)

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device", "file")

        monkeypatch.setattr("throughtime.serving.live.parking.write_chunks", full)
        parking.put(parked(parking, 1))
        await parking.settle()
        assert len(events) == 1
        assert (await parking.take(session(1))).turn == 1

    asyncio.run(body())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3000)), max_size=40))
def test_events_come_once_in_order_and_what_is_kept_is_bounded(moves: list[tuple[int, int]]) -> None:
    async def body() -> None:
        told, heard = Told(100_000), []
        for move, size in moves:
            if move == 0:
                told.add({"text": "x" * size})
            elif move == 1 and heard:
                told.saw(min(size, heard[-1]))
            else:
                reading = told.after(heard[-1] if heard else 0)
                for _ in range(told.count - (heard[-1] if heard else 0)):
                    heard.append((await anext(reading))[0])
                await reading.aclose()
            assert told._bytes - told._waiting <= UNSEEN + 3100
            told = Told.load(told.dump(), 100_000)
        assert heard == list(range(1, len(heard) + 1))

    asyncio.run(body())


def test_what_is_not_kept_any_more_is_not_passed_over() -> None:
    async def body() -> None:
        told = Told(1000)
        for _ in range(100):
            told.add({"text": "x" * 500})
        assert told.full
        told.finish()
        assert [number async for number, _, _ in told.after(0)] == list(range(1, 101))
        assert not told.full
        told.add({"text": "more"})
        with pytest.raises(RefusedError, match=r"the events up to \d+ are not kept any more"):
            await anext(told.after(0))

    asyncio.run(body())
