"""What the video task learns of its data, and how a long video is divided and summed up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.applications.prediction import bars
from throughtime.runtime.video.windows import Window, cut, overall, windows_of
from throughtime.tasks.video.examples import ClipExample, VideoSettings
from throughtime.tasks.video.pictures import FRAMES, Samples
from throughtime.tasks.video.task import ActionOptions, VideoActions


def points(label: str, *steps: list[float]) -> ClipExample:
    return ClipExample("x.csv", label, f"x.csv:{label}", label, 0, len(steps), list(steps))


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9))
def test_windows_come_as_a_whole_video_would_be_cut(steps: int, longest: int) -> None:
    frames = [np.array([number]) for number in range(steps)]
    found = list(windows_of(iter(frames), longest))
    assert [(begin, len(values)) for begin, values in found] == cut(steps, longest)
    assert np.concatenate([values for _, values in found]).flatten().tolist() == list(range(steps))
    sizes = [len(values) for _, values in found]
    assert all(size == longest for size in sizes[:-1])
    assert len(sizes) == 1 or longest / 2 <= sizes[-1] < 1.5 * longest


def test_no_more_than_two_windows_are_held() -> None:
    taken = 0

    def frames() -> Any:
        nonlocal taken
        while taken < 100:
            taken += 1
            yield np.zeros(1)

    ahead = [taken - begin for begin, _ in windows_of(frames(), 5)]
    assert max(ahead) <= 10


def test_units_and_means_of_points_by_hand() -> None:
    # From where each begins: 3, 4 and 0, 0; all moves are that one step.
    train = [points("a", [1, 1], [4, 5]), points("b", [2, 2], [2, 2])]
    learnt = VideoActions.learn(train, VideoSettings())
    assert learnt["labels"] == ["a", "b"]
    assert (learnt["of_points"], learnt["numbers"], learnt["window"]) == (True, 2, 2)
    unit = (25 / 8) ** 0.5
    assert learnt["scales"] == pytest.approx([unit, unit])
    assert learnt["means"][0] == pytest.approx([1.5 / unit, 2 / unit], abs=1e-4)
    assert learnt["means"][1] == [0, 0]


def test_what_needs_no_time_is_told_by_the_nearest_mean() -> None:
    settings_ = VideoSettings(hidden=4, layers=1)
    train = [points("a", [0, 0], [2, 0]), points("b", [0, 0], [0, 2])]
    application = VideoActions(settings_, VideoActions.learn(train, settings_))
    judged = [points("a", [5, 5], [9, 5]), points("b", [5, 5], [9, 5]), points("b", [1, 1], [1, 3])]
    found = application.evaluate(application.build().eval(), judged, ActionOptions()).figures
    assert found["accuracy_without_time"] == pytest.approx(200 / 3)


def test_windows_count_by_their_length() -> None:
    one, other = Window(0, 2, {"a": 1.0, "b": 0.0}, [0.5, 0.5]), Window(2, 3, {"a": 0.1, "b": 0.9}, [1.0])
    assert overall([one, other]) == pytest.approx({"a": 0.7, "b": 0.3})
    assert list(overall([other])) == ["b", "a"]
    assert Window(1, 3, {"a": 1.0}, [0.1, 0.2, 0.6, 0.1]).best == (2.25, 0.6)


def test_bars_are_as_high_as_the_mean_of_what_they_show() -> None:
    assert bars([1.0]) == "█"
    assert bars([0.0, 0.5, 1.0]) == "▁▅█"
    assert bars([0.0] * 60 + [1.0] * 60) == "▁" * 30 + "█" * 30


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 50))
def test_samples_are_few_and_evenly_spaced(steps: int, window: int) -> None:
    samples = Samples()
    for begin in range(0, steps, window):
        samples.add(begin, np.arange(begin, min(begin + window, steps)))
    assert len(samples.kept) <= 8 * FRAMES
    assert list(samples.kept) == list(range(0, steps, samples.every))
    assert all(int(samples.nearest(step)) == step for step in samples.kept)
    assert samples.every == 1 or len(samples.kept) >= 4 * FRAMES - 1
