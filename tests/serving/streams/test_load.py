"""What a stream is told does not depend on the streams beside it, to the bit."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from throughtime.applications.live import Live
from throughtime.serving import House
from throughtime.serving.live import Pool, Session

OTHERS = 500


def pieces_of(kind: str, draws: np.random.Generator, count: int) -> list[Any]:
    """Texts, or sound, cut at random."""
    if kind == "text":
        return ["".join(draws.choice(list("the cat,which")) for _ in range(draws.integers(1, 4))) for _ in range(count)]
    return [draws.uniform(-0.3, 0.3, draws.integers(50, 900)).astype(np.float32) for _ in range(count)]


def heard(session: Session) -> list[bytes]:
    """What the model gives a stream, step by step, as bits."""
    found: list[bytes] = []
    take = session.reader.take

    def hear(output: Any) -> Any:
        found.append(output.tobytes())
        return take(output)

    session.reader.take = hear  # type: ignore[method-assign]
    return found


async def told(live: Live, kind: str, others: int) -> tuple[list[bytes], str, int]:
    """The outputs of one stream and its final event, beside others that come and go, and the most rows of a step."""
    pool = Pool(live, sessions=others + 1, queue=1 << 20, lag=1e9)
    most, step = 0, pool.rows.step

    def watched(rows: Any, inputs: Any) -> Any:
        nonlocal most
        most = max(most, len(rows))
        return step(rows, inputs)

    pool.rows.step = watched  # type: ignore[method-assign]
    draws = np.random.default_rng(1)

    async def other(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(int(random.integers(1, 3))):
            session = pool.open({})
            for piece in pieces_of(kind, random, int(random.integers(1, 4))):
                await session.push(piece, 1)
                await asyncio.sleep(float(random.uniform(0, 0.01)))
            if random.integers(2):
                session.end()
                async for _ in session.events():
                    pass
            pool.leave(session)

    crowd = [asyncio.create_task(other(seed)) for seed in range(2, others + 2)]
    await asyncio.sleep(0.005)
    session = pool.open({})
    outputs = heard(session)
    for piece in pieces_of(kind, draws, 30):
        await session.push(piece, 1)
        await asyncio.sleep(0.003 if others else 0)
    session.end()
    events = [event async for event in session.events()]
    await asyncio.gather(*crowd)
    pool.close()
    pool.thread.join(10)
    return outputs, json.dumps({name: value for name, value in events[-1].items() if name != "event"}), most


@pytest.mark.parametrize("kind", ["text", "speech"])
def test_a_stream_beside_500_others_is_the_one_alone(house: House, kind: str) -> None:
    live = house[kind].run.live()
    alone, final, one = asyncio.run(told(live, kind, 0))
    beside, same, many = asyncio.run(told(live, kind, OTHERS))
    assert one == 1
    assert many > 50
    assert len(alone) > 20
    assert beside == alone
    assert same == final
