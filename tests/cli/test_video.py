"""The action in a clip, from files to a strip of frames, as a user meets it."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.cli import run as run_command
from throughtime.data.ragged import RaggedBatch
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.look import Look
from throughtime.runtime.video.windows import cut
from throughtime.tasks import find_task
from throughtime.tasks.video import pictures as video_shown

FAST = ["--hidden", "16", "--layers", "1", "--dropout", "0", "--cell", "gru", "--lr", "0.01", "--warmup", "0"]
FRAMES = ["--size", "24", "--fps", "6", "--features", "24", "--batch", "12", "--window", "4"]


@pytest.fixture(scope="module")
def films(stick_figures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of figures that fall or jump."""
    folder = tmp_path_factory.mktemp("films")
    for seed, (part, count) in enumerate({"train": 40, "valid": 8, "test": 16}.items()):
        stick_figures.write_clips(folder / part, count, seed, ("fall", "jump"))
    return folder


@pytest.fixture(scope="module")
def model(films: Path) -> Path:
    out = films.parent / f"{films.name}-run"
    arguments = ["train", "video", "--data", str(films), "--out", str(out), *FAST, *FRAMES, "--steps", "80"]
    assert run_command([*arguments, "--evaluate-every", "20"]) == 0
    return out


@pytest.fixture(scope="module")
def long_film(stick_figures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("long") / "long.mkv"
    return stick_figures.write_video(path, stick_figures.long_frames(16, 10, seed=5), 10)


def circles(folder: Path, rows: int = 60) -> Path:
    """Points that go round one way or the other."""
    random = np.random.default_rng(0)
    lines = []
    for number in range(rows):
        way, steps, begin = 1 - 2 * (number % 2), int(random.integers(8, 14)), random.uniform(0, 6)
        turns = begin + way * 0.4 * np.arange(steps)
        places = random.uniform(-5, 5, 2) + np.stack([np.cos(turns), np.sin(turns)], 1) + 0.02 * random.normal(size=2)
        lines.append(",".join(["left" if way > 0 else "right", *(f"{value:.4f}" for value in places.flatten())]))
    path = folder / "circles.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gestures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("gestures")
    path, out = circles(folder), folder / "run"
    arguments = ["train", "video", str(path), "--out", str(out), *FAST, "--batch", "16", "--steps", "60"]
    assert run_command([*arguments, "--evaluate-every", "20"]) == 0
    return path, out


def test_it_learns_and_says_so_beside_what_needs_no_time(call: Any, model: Path) -> None:
    found = call("evaluate", model, "--json").json
    assert found["accuracy"] >= 80
    assert found["majority_accuracy"] == 50
    assert 0 <= found["accuracy_without_time"] <= 100
    assert [row["label"] for row in found["tables"]["by label"]] == ["fall", "jump"]
    assert found["examples"] == 16


def test_the_run_holds_paths_and_no_pictures(model: Path, films: Path) -> None:
    first = json.loads((model / "train.jsonl").read_text().splitlines()[0])
    assert first["path"] == str((films / "train" / "fall" / "0000.mp4").absolute())
    assert (first["label"], first["begin"], first["points"]) == ("fall", 0, [])
    assert not [path for path in model.iterdir() if path.suffix == ".mp4"]


def test_a_clip_has_a_class_with_the_attention_over_time(call: Any, model: Path, films: Path) -> None:
    clip = films / "test" / "fall" / "0000.mp4"
    found = call("predict", model, clip, "--explain", "--json").json
    assert found["label"] == max(found["probabilities"], key=found["probabilities"].get)
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    (window,) = found["windows"]
    assert (window["start"], window["end"]) == (0, found["seconds"])
    assert len(window["attention"]) == round(found["seconds"] * 6)
    assert sum(window["attention"]) == pytest.approx(1, abs=1e-5)
    shown = call("predict", model, clip, "--explain", "--nbest", "2").out.splitlines()
    assert shown[0].endswith(str(clip))
    assert "fall" in shown[0]
    assert "jump" in shown[0]
    assert "█" in shown[1]
    assert "most at" in shown[1]


def test_a_folder_is_answered_file_by_file_as_evaluation_does(call: Any, model: Path, films: Path) -> None:
    found = call("predict", model, films / "test", "--json").lines
    hits = sum(one["label"] == Path(one["file"]).parent.name for one in found)
    assert 100 * hits / 16 == pytest.approx(call("evaluate", model, "--json").json["accuracy"])


def test_a_long_video_is_read_window_by_window(call: Any, model: Path, long_film: Path, tmp_path: Path) -> None:
    found = call("predict", model, long_film, "--json", "--explain").json
    windows = found["windows"]
    assert len(windows) > 3
    assert windows[0]["start"] == 0
    assert windows[-1]["end"] == found["seconds"] == pytest.approx(16, abs=0.01)
    for one, other in pairwise(windows):
        assert one["end"] == other["start"]
    mean = sum((w["end"] - w["start"]) * w["probabilities"]["fall"] for w in windows) / 16
    assert found["probabilities"]["fall"] == pytest.approx(mean, abs=1e-6)
    shown = call("predict", model, long_film, "--picture", tmp_path / "long.png").out
    assert " s  " in shown.splitlines()[1]
    assert (tmp_path / "long.png").stat().st_size > 5000


def test_windows_of_a_long_video_are_judged_as_clips_of_their_own(call: Any, model: Path, long_film: Path) -> None:
    found = call("predict", model, long_film, "--json", "--explain").json["windows"]
    opened = find_task("video").load(model, None)
    frames = np.stack(list(Video(long_film, Look(24, 6))))
    windows = cut(len(frames), opened.bound.vocabulary["window"])
    assert len(windows) == len(found)
    for window, (begin, steps) in zip(found, windows, strict=True):
        with torch.no_grad():
            log_probs, weights = opened.model.attend(RaggedBatch.of([frames[begin : begin + steps]]))
        assert (window["start"], window["end"]) == (begin / 6, (begin + steps) / 6)
        chances = dict(zip(["fall", "jump"], log_probs[0].exp().tolist(), strict=True))
        assert window["probabilities"] == pytest.approx(chances, abs=1e-5)
        assert window["attention"] == pytest.approx(weights[0].tolist(), abs=1e-5)


def test_the_strip_shows_frames_attention_and_classes(
    call: Any, model: Path, films: Path, long_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(video_shown, "save_figure", lambda figure, path: drawn.append(figure))
    for clip in (films / "test" / "jump" / "0001.mp4", long_film):
        found = call("predict", model, clip, "--picture", tmp_path / "a.png", "--explain", "--json").json
        figure = drawn.pop()
        strip, attention, *classes = figure.axes
        assert len(strip.images) == 12
        assert found["label"] in figure.get_suptitle()
        assert strip.get_xlim() == attention.get_xlim() == (0, found["seconds"])
        for patch, window in zip(attention.patches, found["windows"], strict=True):
            weights = len(window["attention"]) * np.array(window["attention"])
            np.testing.assert_allclose(patch.get_data().values, weights, rtol=1e-4)
            assert (patch.get_data().edges[[0, -1]] == (window["start"], window["end"])).all()
        edges = [(image.get_extent()[0], image.get_extent()[1]) for image in strip.images]
        assert edges[0][0] == 0
        assert edges[-1][1] == pytest.approx(found["seconds"])
        assert len(classes) == (len(found["windows"]) > 1)


def test_a_resumed_run_ends_with_the_same_bits(call: Any, films: Path, tmp_path: Path) -> None:
    options = [films, *FAST, *FRAMES, "--schedule", "constant", "--evaluate-every", "2"]
    assert call("train", "video", *options, "--out", tmp_path / "whole", "--steps", "4").code == 0
    assert call("train", "video", *options, "--out", tmp_path / "run", "--steps", "2").code == 0
    assert call("train", "video", "--out", tmp_path / "run", "--resume", "--steps", "4").code == 0
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole"))
    assert one == other


def test_longer_clips_are_cut_and_stay_together(call: Any, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(films / "test", tmp_path / "films")
    options = [*FAST, *FRAMES, "--window", "1", "--steps", "1", "--held-out", "0.3"]
    assert call("train", "video", tmp_path / "films", "--out", out, *options).code == 0
    parts = {
        part: [json.loads(line) for line in (out / f"{part}.jsonl").read_text().splitlines()]
        for part in ("train", "valid", "test")
    }
    clips = [{example["path"] for example in examples} for examples in parts.values()]
    assert sum(map(len, clips)) == len(set().union(*clips)) == 16
    every = [example for examples in parts.values() for example in examples]
    assert len(every) > 16
    assert all(3 <= example["steps"] < 9 for example in every)
    assert any(example["where"].endswith(" at 1 s") for example in every)


def test_key_points_have_a_line_a_sequence(call: Any, gestures: tuple[Path, Path], tmp_path: Path) -> None:
    path, out = gestures
    assert call("evaluate", out, path, "--json").json["accuracy"] > 95
    found = call("predict", out, path, "--json", "--explain").lines
    assert len(found) == 60
    labels = [line.split(",")[0] for line in path.read_text().splitlines()]
    assert sum(one["label"] == label for one, label in zip(found, labels, strict=True)) > 55
    assert all(len(one["attention"]) == one["steps"] for one in found)
    one = tmp_path / "one.csv"
    one.write_text(path.read_text().splitlines()[0].partition(",")[2] + "\n")  # without its class
    shown = call("predict", out, one, "--nbest", "2", "--explain", "--picture", tmp_path / "one.png").out
    assert shown.startswith("left ")
    assert f"{one}:1\n  steps 1–" in shown
    assert (tmp_path / "one.png").stat().st_size > 5000


def test_a_sequence_is_answered_as_among_others(call: Any, gestures: tuple[Path, Path], tmp_path: Path) -> None:
    path, out = gestures
    together = call("predict", out, path, "--json").lines
    for number in (0, 7):
        (tmp_path / "one.csv").write_text(path.read_text().splitlines()[number])
        alone = call("predict", out, tmp_path / "one.csv", "--json").json
        assert alone["probabilities"] == pytest.approx(together[number]["probabilities"], abs=1e-5)


def test_a_broken_clip_is_used_and_told(
    call: Any, model: Path, films: Path, tmp_path: Path, stick_figures: Any
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
    whole = stick_figures.write_video(tmp_path / "whole.mkv", frames, 10)
    for name in ("fall", "jump"):
        (tmp_path / "data" / name).mkdir(parents=True)
    cut = tmp_path / "data" / "fall" / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.rename(tmp_path / "data" / "jump" / "whole.mkv")
    answer = call("predict", model, cut)
    assert answer.code == 0
    assert f"throughtime: {cut}: ends after " in answer.err
    tables = call("evaluate", model, tmp_path / "data", "--json").json["tables"]
    assert {row["clip"] for row in tables["not read whole"]} == {str(cut.absolute())}
    options = [films, *FAST, *FRAMES, "--valid", tmp_path / "data", "--steps", "1"]
    told = call("train", "video", *options, "--out", tmp_path / "run").err
    assert f"{cut.absolute()}: ends after " in told


def _make(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        ({"a/x.mp4": "text", "b/y.mp4": "text"}, ".", "a/x.mp4: expected a video, got a file that cannot be read"),
        ({"a/x.mp4": "text"}, "a/x.mp4", "a/x.mp4: expected a folder that holds a folder of videos for every class"),
        ({"x.txt": "text"}, ".", "found no file of a known kind there"),
        (
            {"x.csv": "a,1,2\na,1,2,5,4\na,1,2,3,4\na,1,2,3,7\na,0,0,2,2\n"},
            "x.csv",
            "expected at least two labels, got only 'a'",
        ),
        ({"x.csv": "a,1,2\nb,3,x\n"}, "x.csv", "x.csv:2: expected a number in column 3, got 'x'"),
        (
            {"x.csv": "1,2\n3,4\n"},
            "x.csv",
            "x.csv:1: expected a class, got none in any row; a table of numbers is no video",
        ),
    ],
)
def test_bad_data_to_train_on(call: Any, tmp_path: Path, files: dict[str, str], given: str, message: str) -> None:
    data = _make(tmp_path / "data", files) / given
    answer = call("train", "video", data, "--out", tmp_path / "run", *FAST, "--held-out", "0.4")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
    assert not (tmp_path / "run").exists()


def test_bad_points_and_options(call: Any, gestures: tuple[Path, Path], tmp_path: Path) -> None:
    path, out = gestures
    steps = "clip,frame,label,x,y,z\n" + "".join(f"{c},{n},{'ab'[c % 2]},1,2,3\n" for c in range(9) for n in (1, 2))
    (tmp_path / "three.csv").write_text(steps)
    answer = call("train", "video", tmp_path / "three.csv", "--out", tmp_path / "run", *FAST)
    assert (answer.code, "--dims: expected a divisor of the 3 numbers" in answer.err) == (2, True)
    answer = call("predict", out, tmp_path / "three.csv")
    assert "three.csv:2: expected 2 numbers a step as in the training data, got 3" in answer.err
    answer = call("predict", out, path, "--picture", tmp_path / "x.png")
    assert "--picture: expected one input to draw, got 60" in answer.err
    (tmp_path / "x.mp4").write_bytes(b"")
    assert "expected a table of key points, got a video" in call("predict", out, tmp_path / "x.mp4").err
    (tmp_path / "empty.csv").write_text("")
    assert "expected sequences of key points, got an empty table" in call("predict", out, tmp_path / "empty.csv").err
    (tmp_path / "other.csv").write_text("up,1,2,3,4\n")
    answer = call("evaluate", out, tmp_path / "other.csv")
    assert "other.csv:1: unknown label 'up'" in answer.err
    said = call("predict", out, path, "--beam", "3").err
    assert "unknown option --beam" in said
    assert "this model has for predict: " in said
    assert all(option in said for option in ("--picture", "--explain", "--nbest"))


def test_frames_and_points_do_not_mix(call: Any, model: Path, films: Path, gestures: tuple[Path, Path]) -> None:
    path, _ = gestures
    answer = call("train", "video", films / "valid", path, "--out", path.parent / "mixed", *FAST, *FRAMES)
    assert (answer.code, "in the rest of the training data" in answer.err) == (2, True)
    assert "expected a video, got a table" in call("predict", model, path).err
