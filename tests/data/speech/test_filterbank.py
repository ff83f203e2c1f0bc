"""Features as the sound comes are those of the whole."""

from __future__ import annotations

import kaldi_native_fbank
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.speech.filterbank import FilterBank, FrameStream

SOUND = (0.1 * np.random.default_rng(0).standard_normal(9000)).astype(np.float32)


def whole(sound: npt.NDArray[np.float32], rate: int, mels: int) -> npt.NDArray[np.float32]:
    """The library's own computation, all at once."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither, options.frame_opts.snip_edges = rate, 0.0, False
    options.mel_opts.num_bins = mels
    online = kaldi_native_fbank.OnlineFbank(options)
    online.accept_waveform(rate, sound.tolist())
    online.input_finished()
    return np.stack([np.array(online.get_frame(n)) for n in range(online.num_frames_ready)])


@settings(derandomize=True, deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 9000), max_size=6), rate=st.sampled_from([8000, 16000]), mels=st.integers(10, 40))
def test_however_sound_is_cut_the_frames_are_those_of_the_whole(cuts: list[int], rate: int, mels: int) -> None:
    found = FilterBank(rate, mels).frames(np.split(SOUND, sorted(cuts)))
    assert np.array_equal(found, whole(SOUND, rate, mels))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 9000), max_size=5), rate=st.sampled_from([8000, 11025, 16000]))
def test_a_stream_goes_on_elsewhere_with_what_is_left_of_it(cuts: list[int], rate: int) -> None:
    bank = FilterBank(rate, 12)
    stream, found = FrameStream(bank), []
    for piece in np.split(SOUND, sorted(cuts)):
        found.append(stream.push(piece))
        left = stream.left
        assert len(left.samples) <= 5 * rate * bank.shift + 0.03 * rate
        stream = FrameStream(bank, left)
    assert np.array_equal(np.concatenate([*found, stream.finish()]), whole(SOUND, rate, 12))


def test_a_frame_comes_as_soon_as_its_sound_is_there() -> None:
    stream = FrameStream(FilterBank(8000, 20))
    counts = [len(stream.push(SOUND[at : at + 800])) for at in range(0, 8000, 800)]
    assert counts == [9, *[10] * 9]  # the last frame waits for the sound after it
    assert len(stream.finish()) == 1


def test_a_tone_is_in_the_band_of_its_pitch() -> None:
    times = np.arange(8000) / 8000
    bands = []
    for hertz in (200, 800, 3000):
        frames = FilterBank(8000, 40).frames([np.sin(2 * np.pi * hertz * times).astype(np.float32)])
        mel = 1127 * np.log(1 + hertz / 700)  # edges: 20 Hz and 4000 Hz
        low, high = (1127 * np.log(1 + edge / 700) for edge in (20, 4000))
        assert frames[50].argmax() == pytest.approx((mel - low) / (high - low) * 41 - 1, abs=1)
        bands.append(int(frames[50].argmax()))
    assert bands == sorted(set(bands))


def test_silence_is_finite() -> None:
    frames = FilterBank(8000, 40).frames([np.zeros(800, np.float32)])
    assert np.isfinite(frames).all()


@pytest.mark.parametrize(("rate", "shift"), [(8000, 0.01), (11025, 110 / 11025)])
def test_the_shift_is_whole_samples(rate: int, shift: float) -> None:
    bank = FilterBank(rate, 20)
    assert bank.shift == shift
    assert len(bank.frames([np.zeros(rate * 5, np.float32)])) == pytest.approx(5 / shift, abs=1)


def test_nothing_gives_no_frame() -> None:
    assert FilterBank(8000, 12).frames([]).shape == (0, 12)
