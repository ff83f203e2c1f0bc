"""Clips from memory, and what is told of them: as of those in files."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from throughtime.applications.prediction import COMMON
from throughtime.errors import UserError
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.look import Look
from throughtime.runtime.video.memory import FPS, Film
from throughtime.tasks.video.examples import ClipExample, VideoSettings, steps_of
from throughtime.tasks.video.memory import as_clip, write_film
from throughtime.tasks.video.predictions import ActionWindow, VideoPrediction
from throughtime.tasks.video.task import ActionOptions, VideoActions

pytest.importorskip("av")
RANDOM = np.random.default_rng(0)


def frames(steps: int, height: int = 16, width: int = 16) -> Any:
    return RANDOM.integers(0, 256, (steps, height, width, 3), dtype=np.uint8)


def read(data: Any, folder: Path, **options: Any) -> list[ClipExample]:
    return list(VideoActions.read(VideoActions.spill(data, folder), VideoSettings(**options)))


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    st.integers(1, 12),
    st.sampled_from([1 / 60, 0.5, 6, 10, 23.976, 25, 29.97, 300, 1000]),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_frames_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, steps: int, fps: float, sides: tuple[int, int]
) -> None:
    given_ = frames(steps, *sides)
    side = max(sides)
    clip = write_film(Film(given_, fps), tmp_path_factory.mktemp("film") / "a.avi")
    found = np.stack(list(Video(clip, Look(side, fps, colour=True))))
    top, left = (side - sides[0]) // 2, (side - sides[1]) // 2
    inside = found[:, :, top : top + sides[0], left : left + sides[1]]
    np.testing.assert_array_equal(inside.transpose(0, 2, 3, 1), given_)


def test_frames_in_memory_are_clips(tmp_path: Path) -> None:
    one, other = frames(5), frames(9)
    options = {"size": 16, "fps": 6, "colour": True, "window": 1.0}
    found = read([((one, 6), "a/b"), ((other, 6.0), "train")], tmp_path, **options)
    # Nine steps are a window of six, and three.
    assert [(clip.label, clip.begin, clip.steps) for clip in found] == [("a/b", 0, 5), ("train", 0, 6), ("train", 6, 3)]
    assert found[0].path == found[0].recording == found[0].where == str(tmp_path / "000001.avi")
    assert found[2].where == f"{tmp_path / '000002.avi'} at 1 s"
    assert VideoActions.refers(found[0]) == [found[0].path]
    for clip, given_ in zip(found, (one, other[:6], other[6:]), strict=True):
        np.testing.assert_array_equal(steps_of(clip, VideoSettings(**options)).transpose(0, 2, 3, 1), given_)
    # Where no rate is told, a step of the default settings is a frame.
    assert VideoSettings().fps == FPS
    (tmp_path / "more").mkdir()
    assert [clip.steps for clip in read(([one, other], ["a", "b"]), tmp_path / "more", size=16)] == [5, 9]


def test_paths_with_labels_are_read_as_those_in_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fall", "jump"):
        (tmp_path / "films" / name).mkdir(parents=True)
        write_film(Film(frames(4)), tmp_path / "films" / name / "x.avi")
    wanted = list(VideoActions.read([tmp_path / "films"], VideoSettings()))
    monkeypatch.chdir(tmp_path)
    rows: Any = [(f"films/{name}/x.avi", name) for name in ("fall", "jump")]
    forms = [rows, [(Path(path), label) for path, label in rows], {"path": ["films/fall/x.avi", "films/jump/x.avi"]}]
    forms[-1]["label"] = ["fall", "jump"]
    for number, form in enumerate(forms):
        (tmp_path / str(number)).mkdir()
        assert read(form, tmp_path / str(number)) == wanted
    (tmp_path / "list.jsonl").write_text("".join(json.dumps({"path": p, "label": n}) + "\n\n" for p, n in rows))
    assert list(VideoActions.read([tmp_path / "list.jsonl"], VideoSettings())) == wanted


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, list])
def test_key_points_come_back_as_they_were(tmp_path: Path, kind: Any) -> None:
    random = np.random.default_rng(1)
    given_ = [100 * random.normal(size=(steps, 4)) for steps in (3, 1, 7)]
    arrays = [one.tolist() if kind is list else one.astype(kind) for one in given_]
    found = read(list(zip(arrays, ["a", 'b, "c"', "a"], strict=True)), tmp_path)
    assert [example.label for example in found] == ["a", 'b, "c"', "a"]
    for example, array in zip(found, arrays, strict=True):
        assert example.points == np.asarray(array, np.float64).tolist()
        assert (example.steps, example.begin) == (len(array), 0)
    assert len({example.recording for example in found}) == 3


def test_key_points_are_those_of_a_file(tmp_path: Path) -> None:
    rows = [[[0.1, 0.2], [0.3, 1e-9]], [[5, 6], [7, 8], [9, 10.5]]]
    text = "".join(",".join(["ab"[n], *(str(v) for step in row for v in step)]) + "\n" for n, row in enumerate(rows))
    (tmp_path / "a.csv").write_text(text)
    wanted = list(VideoActions.read([tmp_path / "a.csv"], VideoSettings()))
    found = read(([np.array(row) for row in rows], ["a", "b"]), tmp_path)
    assert [(one.label, one.points, one.steps) for one in found] == [(o.label, o.points, o.steps) for o in wanted]


ONE = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([(ONE, "a"), (np.zeros((3, 4)), "b")], "example 2: expected 2 numbers a step as in the first example, got 4"),
        ([(ONE, "a"), (frames(2), "b")], "example 2: expected key points as in the first example, got a video"),
        ([(frames(2), "a"), (ONE, "b")], "example 2: expected a video as in the first example, got key points"),
        ([(np.full((2, 2), np.nan), "a")], "example 1: expected numbers at most 1e+15 from 0"),
        ([(np.full((2, 2), 1e16), "a")], "example 1: expected numbers at most 1e+15 from 0"),
        ([(np.zeros((3, 2, 2)), "a")], "got an array of float64 [3, 2, 2]"),
        ([(np.zeros((3, 8, 8, 3)), "a")], "expected key points [T, k], frames [T, H, W, 3] of uint8"),
        ([(np.zeros((0, 2)), "a")], "got an array of float64 [0, 2]"),
        ([([[1, 2], [3]], "a")], "example 1: expected key points [T, k]"),
        ([(None, "a")], "got a NoneType"),
        ([((frames(2), 0), "a")], "example 1: expected from 0.017 to 1000 frames a second, got 0"),
        ([((frames(2), "fast"), "a")], "frames a second, got 'fast'"),
        ([{"clip": ONE}], "example 1: expected clip (or path) and label, got clip"),
        ([(ONE, " ")], "expected a class, got none"),
        ([(frames(2), " ")], "clips.jsonl:1: expected texts under path and label"),
        ([("nowhere.mp4", "a")], "nowhere.mp4"),
        ([(ONE,)], "example 1: expected (clip, label)"),
    ],
)
def test_what_is_no_clip_is_named(tmp_path: Path, data: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        read(data, tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_clip_is_told_as_the_model_sees_it(tmp_path: Path) -> None:
    found = read([([[0.5, 1], [0.25, 2], [0, 3], [1, 4]], "a"), ([[1.0, 0.0]], "b")], tmp_path)
    task, _ = model(VideoActions.learn(found, VideoSettings()))
    assert [task.as_read(each).removeprefix(f"{tmp_path}/") for each in found] == [
        "points.csv:2: 4 steps × 2 numbers: 0.5 1, 0.25 2, 0 3, … → a",
        "points.csv:6: 1 step × 2 numbers: 1 0 → b",
    ]


def test_clips_may_be_tensors(tmp_path: Path) -> None:
    points = torch.tensor([[0.5, 1.0], [0.25, 2.0]], requires_grad=True)
    (found,) = read([(points, "a")], tmp_path)
    assert found.points == points.tolist()
    assert isinstance(as_clip((torch.from_numpy(frames(2)), 6), "a"), Film)
    assert as_clip(points.to(torch.bfloat16), "a") == points.tolist()


@pytest.mark.parametrize(
    "line",
    [
        '{"path": "no.avi", "label": "a"}',
        '{"path": "a.avi"}',
        '{"path": 3, "label": "a"}',
        '{"path": "", "label": "a"}',
        "[]",
    ],
)
def test_a_broken_line_of_a_list_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.jsonl").write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=r"list\.jsonl:2: expected "):
        list(VideoActions.read([tmp_path / "list.jsonl"], VideoSettings()))


def model(learnt: dict[str, Any], **options: Any) -> tuple[VideoActions, Any]:
    torch.manual_seed(0)
    application = VideoActions(VideoSettings(hidden=4, layers=1, features=8, **options), learnt)
    return application, application.build().eval()


def of_points() -> tuple[VideoActions, Any]:
    learnt = {"labels": ["a", "b"], "of_points": True, "window": 9, "means": [[0.0, 0.0]] * 2}
    return model({**learnt, "numbers": 2, "scales": [1.0, 1.0]})


def of_frames() -> tuple[VideoActions, Any]:
    means = [[0.0] * 144] * 2
    return model({"labels": ["a", "b"], "of_points": False, "window": 4, "means": means}, size=16, fps=5)


@torch.no_grad()
@pytest.mark.parametrize("explain", [False, True])
def test_arrays_are_told_as_the_rows_of_a_table(tmp_path: Path, explain: bool) -> None:
    application, built = of_points()
    arrays = [RANDOM.normal(size=(steps, 2)) for steps in (3, 5)]
    text = "".join(",".join(map(repr, array.flatten().tolist())) + "\n" for array in arrays)
    (tmp_path / "a.csv").write_text(text)
    options = ActionOptions(explain=explain)
    wanted = list(application.predict_file(built, tmp_path / "a.csv", options))
    found = application.predict_items(built, arrays, options)
    for number, (one, other) in enumerate(zip(found, wanted, strict=True), 1):
        place = f"input {number}"
        assert one.data == {**other.data, "where": place, "clip": place}
        assert list(one.data) == list(other.data)
        assert list(one.data)[-1] == ("attention" if explain else "steps")
        assert one.shown.plain == other.shown.plain.replace(f"{tmp_path / 'a.csv'}:{number}", place)
    mixed = application.predict_items(built, [arrays[0], tmp_path / "a.csv", str(tmp_path / "a.csv")], options)
    assert [one.data["steps"] for one in mixed] == [3, 3, 5, 3, 5]
    with pytest.raises(UserError, match="input 2: expected key points, as this model was trained on, got frames"):
        application.predict_items(built, [arrays[0], frames(2)], options)
    with pytest.raises(UserError, match="input 1: expected 2 numbers a step"):
        application.predict_items(built, [np.zeros((2, 3))], options)


@torch.no_grad()
@pytest.mark.parametrize("explain", [False, True])
def test_frames_are_told_as_a_video(tmp_path: Path, explain: bool) -> None:
    application, built = of_frames()
    given_ = frames(12, 20, 12)
    path = write_film(Film(given_, 5.0), tmp_path / "a.avi")
    options = ActionOptions(explain=explain)
    (wanted,) = application.predict_file(built, path, options)
    found = application.predict_items(built, [path, (given_, 5)], options)
    assert found[0].data == wanted.data
    assert found[1].data == {**wanted.data, "file": "input 2"}
    assert list(wanted.data) == ["file", "label", "probabilities", "seconds", "windows"]
    keys = ["start", "end", "label", "probabilities", *(["attention"] if explain else [])]
    assert [list(window) for window in wanted.data["windows"]] == [keys] * 3
    assert {field.name for field in fields(wanted)} - COMMON == set(wanted.data)
    assert wanted.data["seconds"] == pytest.approx(2.4)
    assert application.predict_items(built, [given_], options)[0].data["seconds"] == pytest.approx(1.2)
    with pytest.raises(UserError, match="input 1: expected frames, as this model was trained on, got key points"):
        application.predict_items(built, [ONE], options)


def test_a_notebook_shows_windows_as_bars_that_act_on_nothing() -> None:
    windows = [
        ActionWindow(0.0, 1.0, "<i>", {"<i>": 0.75, "b": 0.25}),
        ActionWindow(1.0, 4.0, "b", {"b": 0.6, "<i>": 0.4}),
    ]
    chances = {"b": 0.5125, "<i>": 0.4875}
    found = VideoPrediction(Text("b"), file="x", label="b", probabilities=chances, seconds=4.0, windows=windows)
    page = found._repr_html_()
    assert "<i>" not in page
    # b stands at the top of both windows, the other one below it.
    assert [part.partition(' fill="')[0] for part in page.split("<rect ")[1:]] == [
        'x="0" y="0" width="250" height="25"',
        'x="0" y="25" width="250" height="75"',
        'x="250" y="0" width="750" height="60"',
        'x="250" y="60" width="750" height="40"',
    ]
    one = VideoPrediction(Text("b"), file="x", label="b", probabilities=chances, seconds=1.0, windows=windows[:1])
    assert "<svg" not in one._repr_html_()
