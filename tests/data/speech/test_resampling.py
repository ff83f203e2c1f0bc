"""Sound at another rate is the same to the bit wherever it is cut, and put away between."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.speech.resampling import REMEMBERED, Resampler

RATES = [(48000, 16000), (44100, 16000), (24000, 16000), (8000, 16000), (44100, 8000), (16000, 8000), (44056, 16000)]
STRANGE = [(11111, 8000), (192000, 8000), (8000, 48000), (1000, 16000), (96000, 44100)]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(rates=st.sampled_from(RATES + STRANGE), parts=st.lists(st.floats(0, 1), max_size=4), loud=st.floats(0.001, 30))
def test_a_stream_goes_on_elsewhere_with_the_same_bits(rates: tuple[int, int], parts: list[float], loud: float) -> None:
    length = 12 * max(REMEMBERED, REMEMBERED * rates[0] // rates[1]) // 5
    sound = (loud * np.random.default_rng(0).standard_normal(length)).astype(np.float32)
    undisturbed = soxr.ResampleStream(*rates, 1, dtype="float32")
    stream = Resampler(*rates)
    for piece in np.split(sound, sorted(round(part * length) for part in parts)):
        assert np.array_equal(stream.push(piece), undisturbed.resample_chunk(piece))
        dumped = stream.dump()
        assert len(dumped["latest"]) <= stream.most
        stream = Resampler(*rates)
        stream.load(dumped)
    assert np.array_equal(stream.finish(), undisturbed.resample_chunk(np.zeros(0, np.float32), last=True))


@pytest.mark.parametrize("rates", RATES)
def test_twice_as_many_samples_are_kept_as_its_filters_remember(rates: tuple[int, int]) -> None:
    sound = np.random.default_rng(1).standard_normal(60_000).astype(np.float32)
    for count in (50_000, 55_555, 59_999):
        stream = Resampler(*rates)
        stream.push(sound[:count])
        dumped = stream.dump()
        dumped["latest"] = dumped["latest"][len(dumped["latest"]) // 2 :]
        shorter = Resampler(*rates)
        shorter.load(dumped)
        assert np.array_equal(shorter.push(sound[count:]), stream.push(sound[count:]))
        assert np.array_equal(shorter.finish(), stream.finish())
