"""Music from files to sampled tunes, as a user meets it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from throughtime.cli import run as run_command
from throughtime.data.music.midi import read_midi, write_midi
from throughtime.runtime.music.tunes import Tune

pytest.importorskip("symusic")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("matplotlib")

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "8", "--dropout", "0", "--lr", "0.02"]
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def tune(seed: int, up: bool) -> Tune:
    """A walk up the scale and round again, or down."""
    draw = random.Random(seed)
    first, length = draw.randrange(8), draw.choice((6, 12))
    walk = [SCALE[(first + (n if up else -n)) % 8] for n in range(12)]
    return Tune.of([(n * length, length, pitch) for n, pitch in enumerate(walk)])


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tunes")
    for seed in range(48):
        write_midi(folder / f"{'down' if seed % 2 else 'up'}{seed}.mid", tune(seed, seed % 2 == 0), 12)
    return folder


@pytest.fixture(scope="module")
def events(tunes: Path) -> Path:
    out = tunes.parent / f"{tunes.name}-events"
    options = ["--steps", "120", "--evaluate-every", "40"]
    assert run_command(["train", "music", str(tunes), "--out", str(out), *TINY, *options]) == 0
    return out


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a two-voice round that never changes."""
    folder = tmp_path_factory.mktemp("keys")
    steps = [[60, 67], [60, 67], [62, 65], [64]] * 4
    parts = {part: [steps[shift:] for shift in range(4)] for part in ("train", "valid", "test")}
    (folder / "round.json").write_text(json.dumps(parts))
    options = ["--steps", "100", "--evaluate-every", "50", "--steps-per-beat", "1"]
    assert (
        run_command(["train", "music", str(folder / "round.json"), "--out", str(folder / "run"), *TINY, *options]) == 0
    )
    return folder / "run"


def test_what_was_found_is_told(call: Any, tunes: Path, tmp_path: Path) -> None:
    (tmp_path / "tunes").mkdir()
    for path in tunes.iterdir():
        (tmp_path / "tunes" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tunes" / "up99.mid").write_bytes(b"MThd")
    answer = call("train", "music", tmp_path / "tunes", "--out", tmp_path / "run", *TINY, "--steps", "1", "--json")
    assert answer.json["steps"] == 1
    told = [line for line in answer.err.splitlines() if "up99.mid" in line]
    assert len(told) == 1
    assert "left out: expected a MIDI file, which this is not, or a broken one" in told[0]
    assert told[0].endswith(f"({tmp_path}/tunes/up99.mid)")

    assert all(f": {count} examples, " in answer.err for count in (38, 5, 5))
    assert "event by event, genres down, up" in answer.err


def test_a_model_of_events_is_better_than_guesses(call: Any, events: Path) -> None:
    found = call("evaluate", events, "--json").json
    assert found["nats_per_event"] < 0.6 * found["unigram_nats_per_event"]
    assert found["perplexity"] < found["unigram_perplexity"]
    assert {row["genre"] for row in found["tables"]["by genre"]} == {"down", "up"}


def test_a_model_of_keys_is_better_than_guesses(call: Any, keys: Path) -> None:
    found = call("evaluate", keys, "--json").json
    assert found["nats_per_frame"] < found["repeat_nats_per_frame"] < found["unigram_nats_per_frame"]
    assert found["frame_accuracy"] > found["repeat_frame_accuracy"]
    assert found["tunes"] == 4


def test_a_genre_makes_a_tune_that_is_written_in_every_format(call: Any, events: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"tune.{suffix}" for suffix in ("mid", "wav", "png")]
    outs = [part for file in files for part in ("--out", file)]
    found = call("sample", events, "--prompt", "up C4", "--length", "60", "--seed", "3", "--json", *outs).json
    assert found["text"].startswith("up: C4")
    assert found["prompt"] == "up C4"
    written = read_midi(files[0], 12)
    assert [note["pitch"] for note in found["notes"]] == [pitch for *_, pitch in written.notes]
    assert [note["start"] * 12 for note in found["notes"]] == pytest.approx([start for start, *_ in written.notes])
    sound, rate = soundfile.read(files[1])
    assert len(sound) / rate == pytest.approx(written.steps / 12 / 2, abs=0.01)  # two beats a second
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert 0 < found["in_key"] <= 1


def test_samples_are_shown_as_they_come_and_the_same_again(call: Any, events: Path, tmp_path: Path) -> None:
    given = ["sample", events, "--prompt", "down", "--length", "30", "--seed", "5", "--count", "2"]
    answer = call(*given, "--out", tmp_path / "a.mid")
    assert (answer.code, answer.err) == (0, "")
    first, second = answer.out.split("─" * 40)
    assert first.startswith("down: ")
    assert second.strip().startswith("down: ")
    assert call(*given).out == answer.out
    assert {path.name for path in tmp_path.iterdir()} == {"a-1.mid", "a-2.mid"}


def test_a_tune_is_gone_on_with(call: Any, keys: Path, events: Path, tmp_path: Path) -> None:
    write_midi(tmp_path / "begin.mid", Tune.of([(0, 1, 60), (1, 1, 62)]), 1)
    for model, grid in ((keys, 1), (events, 12)):
        given = ["--prompt", tmp_path / "begin.mid", "--length", "12", "--out", tmp_path / "whole.mid", "--seed", "0"]
        assert call("sample", model, *given).out.startswith("C4 D4")
        read = read_midi(tmp_path / "whole.mid", grid)
        assert {(0, grid, 60), (grid, grid, 62)} <= set(read.notes)
        assert len(read.notes) > 2


def test_keys_go_round(call: Any, keys: Path) -> None:
    given = ["--prompt", "C4+G4 C4+G4 D4+F4", "--temperature", "0", "--length", "6"]
    assert call("sample", keys, *given).out == "C4+G4 - D4+F4 E4 C4+G4 - D4+F4 E4 C4+G4\n"


def test_a_file_is_judged(call: Any, events: Path, tunes: Path, tmp_path: Path) -> None:
    path = tunes / "up0.mid"
    out = ["--picture", tmp_path / "a.png", "--out", tmp_path / "a.mid"]
    found = call("predict", events, path, "--nbest", "99999", "--json", *out).json
    assert found["tune"] == str(path)
    assert found["nats_per_event"] < 3
    assert sum(one["probability"] for one in found["next"]) == pytest.approx(1, abs=1e-4)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    given, longer = read_midi(path, 12), read_midi(tmp_path / "a.mid", 12)
    assert longer.notes[: len(given.notes) - 1] == given.notes[:-1]
    assert f"{path}  {found['nats_per_event']:.3f} nats per event  next: " in call("predict", events, path).out


def test_frames_of_a_file_are_judged(call: Any, keys: Path) -> None:
    found = call("predict", keys, keys.parent / "round.json", "--json").lines
    judged = call("evaluate", keys, "--json").json
    assert len(found) == 4
    nats = sum(one["nats_per_frame"] * one["frames"] for one in found) / sum(one["frames"] for one in found)
    assert nats == pytest.approx(judged["nats_per_frame"], rel=1e-5)
    assert found[0]["next"][0]["name"] in ("C4", "G4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "waltz"], "unknown genre 'waltz'; the training data has: down, up"),
        (["--prompt", "none.mid"], "none.mid: no such file or folder"),
        (["--prompt", "up H4 C4"], "expected notes such as C4, F#3 or C4+E4+G4, got 'H4'"),
        (["--out", "a.mp3"], "--out: expected a file that ends in .mid, .midi, .wav, .png, .svg, .pdf, got a.mp3"),
        (["--out", "nowhere/a.mid"], "--out: expected a folder that exists, got nowhere; make it first"),
        (["--temperature", "-1"], "--temperature: input should be greater than or equal to 0, got -1.0"),
    ],
)
def test_bad_samples(
    call: Any, events: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call("sample", events, *arguments)
    assert (answer.code, answer.out, answer.err) == (2, "", f"throughtime: {message}\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mid", b"MThd", "expected a MIDI file, which this is not, or a broken one"),
        ("a.abc", b"X:1\nT:none\nK:C\n", "expected notes, found none"),
        ("a.json", b'{"train": [[["C"]]]}', "train 1, step 0: expected a MIDI pitch"),
        ("a.mat", b"no", "expected a MATLAB file"),
        ("a.ogg", b"no", "expected a file that ends in .mid"),
    ],
)
def test_bad_files_are_named(call: Any, events: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    path = tmp_path / name
    train = ["train", "music", path, "--out", tmp_path / "run"]
    for command in (train, ["evaluate", events, path], ["predict", events, path]):
        answer = call(*command)
        assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "", 1)
        assert name in answer.err
        assert message in answer.err
    assert not (tmp_path / "run").exists()


def test_nothing_to_train_on(call: Any, tmp_path: Path) -> None:
    answer = call("train", "music", tmp_path, "--out", tmp_path / "run")
    assert (answer.code, answer.out) == (2, "")
    assert f"expected tunes to train on in {tmp_path} (.mid, .midi, .abc, .mat, .json), found none" in answer.err


def test_a_task_without_samples_says_so(call: Any, events: Path, tmp_path: Path) -> None:
    config = json.loads((events / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "task": "my_task:Mine"}))
    answer = call("sample", tmp_path)
    assert answer.code == 2
    assert "pass --task my_task:Mine if you trust it" in answer.err
