"""A recogniser of speech, from recordings to transcripts, as a user meets it; its words are tones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from throughtime.cli import run as run_command

RATE = 8000
PITCH = {"do": 400.0, "mi": 800.0, "so": 1600.0}
TINY = ["--unit", "words", "--hidden", "24", "--layers", "1", "--mels", "20", "--batch", "10", "--lr", "0.02"]
TINY += ["--time-masks", "0", "--band-masks", "0"]


def sing(words: list[str], seed: int = 0) -> npt.NDArray[np.float32]:
    """Every word as a tone of 0.12 s, between pauses of 0.06 s with a faint noise."""
    draw = np.random.default_rng(seed)
    times = np.arange(int(0.12 * RATE)) / RATE
    pause = np.zeros(int(0.06 * RATE))
    tones = [0.3 * np.hanning(len(times)) * np.sin(2 * np.pi * PITCH[word] * times) for word in words]
    sound = np.concatenate([pause, *(part for tone in tones for part in (tone, pause))])
    return (sound + 1e-3 * draw.standard_normal(len(sound))).astype(np.float32)


def write_songs(folder: Path, count: int, seed: int) -> Path:
    """A folder of recordings of one to four tones, each with its text beside it."""
    folder.mkdir(parents=True)
    draw = random.Random(seed)
    for number in range(count):
        words = draw.choices(list(PITCH), k=draw.randint(1, 4))
        soundfile.write(folder / f"{number:02}.wav", sing(words, number), RATE)
        (folder / f"{number:02}.txt").write_text(" ".join(words) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for seed, (part, count) in enumerate({"train": 60, "valid": 10, "test": 12}.items()):
        write_songs(folder / part, count, seed)
    return folder


def learn(data: Path, name: str, *options: str) -> Path:
    out = data.parent / f"{data.name}-{name}"
    steps = ["--steps", "60", "--evaluate-every", "20"]
    assert run_command(["train", "speech", str(data), "--out", str(out), *TINY, *steps, *options]) == 0
    return out


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    """Reads in both directions."""
    return learn(data, "both")


@pytest.fixture(scope="module")
def one_way(data: Path) -> Path:
    return learn(data, "oneway", "--no-bidirectional")


@pytest.fixture(scope="module")
def song(data: Path) -> Path:
    path = data.parent / "song.wav"
    soundfile.write(path, sing(["so", "do", "do", "mi"], 99), RATE)
    return path


def test_it_learns_and_says_so_beside_the_commonest_transcript(call: Any, model: Path, data: Path) -> None:
    found = call("evaluate", model, "--json").json
    assert found["word_error"] == found["character_error"] == 0
    assert found["exact"] == 100
    assert found["commonest_word_error"] > 60
    assert found["recordings"] == 12
    assert sum(row["said"] for row in found["tables"]["by word"]) == found["words"]
    assert sum(row["recordings"] for row in found["tables"]["by length"]) == 12
    read = json.loads((model / "data.json").read_text())
    assert f"{data / 'train'}" in json.dumps(read["parts"]["train"])
    assert json.loads((model / "vocabulary.json").read_text())["units"] == ["do", "mi", "so"]
    assert "RIFF" not in (model / "test.jsonl").read_text()


def test_what_was_found_is_told(call: Any, data: Path, tmp_path: Path) -> None:
    answer = call("train", "speech", data, "--out", tmp_path / "run", *TINY, "--steps", "1")
    assert answer.code == 0
    assert all(f": {count} examples, " in answer.err for count in (60, 10, 12))
    assert "h of sound at 8,000 Hz, 3 words, lstm 1 × 24" in answer.err


@pytest.mark.parametrize("options", [[], ["--nbest", "2"], ["--beam", "5"]])
def test_a_file_is_heard(call: Any, model: Path, song: Path, options: list[str]) -> None:
    assert call("predict", model, song, *options).out.splitlines()[0] == f"{song}  so do do mi"
    found = call("predict", model, song, *options, "--json").json
    assert (found["file"], found["text"], found["seconds"]) == (str(song), "so do do mi", 0.78)
    if "--nbest" in options:
        first, second = found["hypotheses"]
        assert first["text"] == "so do do mi" != second["text"]
        assert 0 > first["acoustic"] == first["score"] > second["score"]
        assert first["language"] == 0


def test_a_folder_is_heard_file_by_file(call: Any, model: Path, data: Path) -> None:
    lines = call("predict", model, data / "test", "--json").lines
    texts = [(data / "test" / f"{number:02}.txt").read_text().strip() for number in range(12)]
    assert [line["text"] for line in lines] == texts


@pytest.mark.parametrize("options", [[], ["--beam", "4"]])
def test_symbols_have_their_time(call: Any, one_way: Path, model: Path, song: Path, options: list[str]) -> None:
    for run in (one_way, model):
        symbols = call("predict", run, song, "--explain", "--json", *options).json["symbols"]
        assert [one["symbol"] for one in symbols] == ["so", "do", "do", "mi"]
        for number, one in enumerate(symbols):
            begin = 0.06 + number * 0.18
            assert begin - 0.03 <= one["start"] < one["end"] <= begin + 0.12 + 0.12  # a one-way model may wait a little
            assert 0.5 < one["probability"] <= 1
    shown = call("predict", model, song, "--explain", *options).out.splitlines()
    assert len(shown) == 5
    assert shown[1].endswith("%  so")


def test_a_stream_ends_with_what_the_file_gives(call: Any, one_way: Path, song: Path) -> None:
    whole = call("predict", one_way, song, "--json").json
    for given in ({"stdin": song.read_bytes()}, {}):
        *partial, final = call("predict", one_way, *([] if given else [song]), "--stream", "--json", **given).lines
        assert [line["partial"] for line in partial][-1] == "so do do mi"
        assert partial[0]["partial"] == "so"
        assert [line["seconds"] for line in partial] == sorted({line["seconds"] for line in partial})
        assert {**final, "file": whole["file"]} == whole
    shown = call("predict", one_way, song, "--stream").out.splitlines()
    assert shown[0] == "so"
    assert shown[-1] == "so do do mi"
    *_, final = call("predict", one_way, song, "--stream", "--beam", "3", "--nbest", "2", "--json").lines
    assert final == call("predict", one_way, song, "--beam", "3", "--nbest", "2", "--json").json


def test_a_language_model_helps_to_hear(call: Any, model: Path, song: Path, data: Path, tmp_path: Path) -> None:
    """Its sentences know nothing but one tone said four times: with a great weight, that is what is heard."""
    (tmp_path / "text.txt").write_text("mi mi mi mi\n" * 30 + "so do mi\n" * 5)
    options = ["--sentences", "--unit", "words", "--hidden", "8", "--embedding", "8", "--lr", "0.05"]
    options += ["--steps", "40", "--batch", "8"]
    assert call("train", "text", tmp_path / "text.txt", "--out", tmp_path / "lm", *options, "--bptt", "0").code == 0
    found = call("predict", model, song, "--lm", tmp_path / "lm", "--lm-weight", "0.0", "--nbest", "2", "--json").json
    assert found["text"] == "so do do mi"
    assert found["hypotheses"][0]["language"] < -3
    other = call("predict", model, song, "--lm", tmp_path / "lm", "--lm-weight", "50", "--json").json
    assert other["text"] != "so do do mi"
    assert call("evaluate", model, "--lm", tmp_path / "lm", "--lm-weight", "0", "--json").json["word_error"] == 0
    assert call("evaluate", model, "--lm", tmp_path / "lm", "--lm-weight", "50", "--json").json["word_error"] > 20
    assert "language" in call("predict", model, song, "--lm", tmp_path / "lm", "--nbest", "2").out


def test_a_picture_is_drawn(call: Any, model: Path, song: Path, tmp_path: Path) -> None:
    assert call("predict", model, song, "--picture", tmp_path / "song.png").code == 0
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_run_goes_on_with_the_same_bits(call: Any, data: Path, tmp_path: Path) -> None:
    """Speed, noise and masks are drawn from what the checkpoint holds."""
    options = [*TINY[:-4], "--noise", "20", "--evaluate-every", "4", "--schedule", "constant"]
    for name, steps in (("whole", "8"), ("parts", "3")):
        assert call("train", "speech", data, "--out", tmp_path / name, *options, "--steps", steps).code == 0
    assert call("train", "speech", "--resume", "--out", tmp_path / "parts", "--steps", "8").code == 0
    one, other = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    tensors = [content[8 + int.from_bytes(content[:8], "little") :] for content in (one, other)]
    assert tensors[0] == tensors[1]


def cut(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


def test_a_broken_recording_is_heard_as_far_as_it_goes(call: Any, model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "broken.wav", sing(["so", "do", "mi", "do"]), RATE)
    answer = call("predict", model, cut(tmp_path / "broken.wav"), "--json")
    assert answer.json["text"].startswith("so do")
    assert answer.err.startswith(f"throughtime: {tmp_path / 'broken.wav'}: the recording is cut off or broken")
    assert len(answer.err.splitlines()) == 1


def test_broken_training_data_is_used_and_named(call: Any, tmp_path: Path) -> None:
    cut(write_songs(tmp_path / "data", 30, 0) / "03.wav")
    answer = call("train", "speech", tmp_path / "data", "--out", tmp_path / "run", *TINY, "--steps", "1")
    assert answer.code == 0
    told = "03.wav: the recording is cut off or broken"
    judged = call("evaluate", tmp_path / "run", tmp_path / "data", "--json").json
    assert told in answer.err or told in str(judged)
    assert [row["recording"] for row in judged["tables"]["broken recordings"]] == [str(tmp_path / "data" / "03.wav")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "{here}/empty.wav"], "empty.wav: expected sound, got none: the recording is empty"),
        (["{run}", "{here}/text.wav"], "text.wav: expected sound (.wav, .flac, .ogg, .oga, .mp3), which this is not"),
        (["{run}", "{here}/short.wav"], "short.wav: expected sound, got a recording shorter than 0.010 s"),
        (["{run}", "{here}/none.wav"], "none.wav: no such file"),
        (["{run}", "{song}", "--stream"], "--stream: this model reads in both directions"),
        (["{one_way}", "--stream"], "standard input: expected sound (wav (with its head)), which this is not"),
        (["{run}", "{song}", "--lm", "{run}"], "expected a model of task 'text', got one of task 'speech'"),
        (["{run}", "{song}", "--lm-weight", "2"], "--lm-weight: expected a language model"),
        (["{run}", "{song}", "--out", "x.txt"], "--out: expected a table, a manifest or another file of inputs"),
        (["{run}", "--line", "so"], "does not read lines of text"),
    ],
)
def test_bad_input_is_named(
    call: Any, model: Path, one_way: Path, song: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "short.wav", np.zeros(20), RATE)
    (tmp_path / "text.wav").write_text("so do mi\n" * 100)
    given = [part.format(run=model, one_way=one_way, song=song, here=tmp_path) for part in arguments]
    answer = call("predict", *given, stdin=b"hello, world" * 100)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1


def test_bad_data_is_named_and_nothing_is_left(call: Any, data: Path, tmp_path: Path) -> None:
    wav = data / "train" / "00.wav"
    (tmp_path / "train.tsv").write_text(f"path\ttext\n{wav}\tdo\n")
    (tmp_path / "test.tsv").write_text(f"path\ttext\n{wav}\tmi\n")
    answer = call("train", "speech", tmp_path, "--out", tmp_path / "run", *TINY)
    assert answer.code == 2
    assert f"test.tsv:2: expected 00.wav to say 'do', as in {tmp_path / 'train.tsv'}:2, got 'mi'" in answer.err
    (tmp_path / "test.tsv").unlink()
    (tmp_path / "train.tsv").write_text(f"path\ttext\n{wav}\t{'do ' * 100}\n{data / 'train' / '01.wav'}\tmi\n")
    answer = call("train", "speech", tmp_path, "--valid", data / "valid", "--out", tmp_path / "run", *TINY)
    assert answer.code == 2
    assert "train.tsv:2: expected at most " in answer.err
    assert not (tmp_path / "run").exists()


def test_manifests_that_disagree_with_named_parts_are_found(call: Any, data: Path, tmp_path: Path) -> None:
    (tmp_path / "other.tsv").write_text(f"path\ttext\n{data / 'train' / '00.wav'}\tdo do do do do do\n")
    answer = call("train", "speech", data / "train", "--valid", tmp_path / "other.tsv", "--out", tmp_path / "r", *TINY)
    assert answer.code == 2
    assert "other.tsv:2: expected 00.wav to say" in answer.err
