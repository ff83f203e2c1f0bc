"""Clips in memory: what is written is read back as it was, and predicted as from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from throughtime.data.video.clips import Look, Video
from throughtime.errors import UserError
from throughtime.tasks.video.examples import VideoSettings
from throughtime.tasks.video.memory import write_clip
from throughtime.tasks.video.task import VideoActions


def test_key_points_come_back_to_the_last_bit(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    clips = [draw.normal(size=(steps, 4)) for steps in (3, 7, 1)]
    paths = VideoActions.spill([(clip, label) for clip, label in zip(clips, "aba", strict=True)], tmp_path)
    found = list(VideoActions.read(paths, VideoSettings()))
    assert [example.label for example in found] == ["a", "b", "a"]
    for example, clip in zip(found, clips, strict=True):
        assert np.array_equal(np.array(example.points), clip)


def test_frames_come_back_to_the_last_bit(tmp_path: Path) -> None:
    pytest.importorskip("av")
    frames = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    seen = np.stack(list(Video(write_clip(tmp_path / "clip", frames, 10.0), Look(32, 10.0, colour=True))))
    assert seen.shape[0] == 5
    bright = frames.astype(float).mean((1, 2))
    assert np.abs(seen.astype(float).mean((2, 3)) - bright).max() < 40  # light and contrast are evened when read
    folder = tmp_path / "data"
    folder.mkdir()
    paths = VideoActions.spill([(frames, "rise"), (frames[::-1].copy(), "fall")], folder)
    found = list(VideoActions.read(paths, VideoSettings(size=32)))
    assert {(example.label, example.steps) for example in found} == {("rise", 5), ("fall", 5)}


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected key points \[T, k\], or frames"):
        VideoActions.spill([(np.zeros(3), "a")], tmp_path)
    with pytest.raises(UserError, match="expected a class that can name a folder"):
        VideoActions.spill([(np.zeros((2, 8, 8, 3), np.uint8), "../b")], tmp_path)
    with pytest.raises(UserError, match=r"got float64 \[2, 8, 8, 3\]"):
        write_clip(tmp_path / "clip", np.zeros((2, 8, 8, 3)), 10.0)
