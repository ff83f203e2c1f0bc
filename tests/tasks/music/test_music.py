"""The task of music: what it reads, how it judges, and that samples are drawn as the model says."""

from __future__ import annotations

import importlib
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.applications.settings import check_settings
from throughtime.data.music.midi import write_midi
from throughtime.decoding import Sampling
from throughtime.errors import UserError
from throughtime.runtime.music.events import Events, Likely
from throughtime.runtime.music.tunes import KEYS, LOWEST, Tune, best_scale, read_notes
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.music.events import EventModel, WellFormed
from throughtime.tasks.music.keys import Keys, draw_keys
from throughtime.tasks.music.task import Music, MusicSampler
from throughtime.tasks.music.tunes import MusicSettings, TuneExample, find_tunes, genre_of, read_tunes

pytest.importorskip("symusic")

SMALL = {"hidden": 8, "embedding": 4, "dropout": 0.0}


def stats() -> Any:
    """A second's import, which not every process that collects tests should pay."""
    return importlib.import_module("scipy.stats")


def example(text: str, length: int = 1, genre: str = "", rolled: bool = True) -> TuneExample:
    tune = read_notes(text, length)
    return TuneExample(list(tune.notes), tune.steps, genre, rolled, text)


def music(examples: list[TuneExample], **options: Any) -> tuple[Music, Any]:
    settings = MusicSettings(**{**SMALL, **options})
    task = Music(settings, json.loads(json.dumps(Music.learn(examples, settings))))
    torch.manual_seed(0)
    model = task.build()
    task.initialise(model)
    return task, model.eval()


TUNES = [example("C4 E4 G4 C4+E4"), example("C4 G4"), example("A4 C5 E5")]
JIGS = [example("C4 E4", 6, genre, rolled=False) for genre in ["jigs"] * 5 + ["reels"] * 5 + ["rare"]]


# Files.


def midi(path: Path, *pitches: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(path, Tune.of([(2 * n, 2, pitch) for n, pitch in enumerate(pitches)]), 4)
    return path


def test_parts_are_folders_and_genres_are_what_is_left(tmp_path: Path) -> None:
    songs = tmp_path / "Songs"
    for name in ("train/jigs1.mid", "train/Waltz/A Train.mid", "valid/b.midi", "test/c.mid", "d.mid"):
        midi(songs / name, 60)
    (songs / "train" / "notes.txt").write_text("no music")
    found = find_tunes([songs])
    names = {part: [str(path.relative_to(songs)) for path in paths] for part, paths in found.items()}
    assert names == {
        "train": ["d.mid", "train/Waltz/A Train.mid", "train/jigs1.mid"],
        "valid": ["valid/b.midi"],
        "test": ["test/c.mid"],
    }
    genres = [example.genre for example in read_tunes(found["train"], MusicSettings())]
    assert genres == ["songs", "waltz", "jigs"]


@pytest.mark.parametrize(
    ("path", "genre"),
    [("x/jigs340.mid", "jigs"), ("x/reelsa-c1.mid", "reelsa-c"), ("x/Slip 2.mid", "Slip"), ("x/7.mid", "x"),
     ("train/Swan.mid", ""), ("Waltz/Swan.mid", "Waltz"), ("x/xmas.abc", "xmas")],
)  # fmt: skip
def test_genres_by_name(path: str, genre: str) -> None:
    assert genre_of(Path(path)) == genre


def test_parts_inside_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "chorales.json"
    path.write_text(json.dumps({"train": [[[60]], [[62]]], "test": [[[64], [64]]]}))
    found = find_tunes([path])
    assert found == {"train": [path / "train"], "test": [path / "test"]}
    train, test, whole = ([*read_tunes(paths, MusicSettings())] for paths in (found["train"], found["test"], [path]))
    assert [one.notes for one in train] == [[(0, 1, 60)], [(0, 1, 62)]]
    assert test == whole == [TuneExample([(0, 2, 64)], 2, "", True, f"{path}: test 1")]


def test_rhythms_of_abc_are_genres(tmp_path: Path) -> None:
    text = "X:1\nR:Slip Jig\nM:4/4\nL:1/4\nK:C\nCDEF|\n\nX:2\nM:4/4\nL:1/4\nK:C\nEFGA|\n"
    (tmp_path / "reels.abc").write_text(text)
    found = list(read_tunes([tmp_path], MusicSettings()))
    assert [(one.genre, one.where) for one in found] == [
        ("slip jig", f"{tmp_path}/reels.abc:1"),
        ("reels", f"{tmp_path}/reels.abc:8"),
    ]
    assert not any(one.rolled for one in found)


def test_a_broken_tune_among_others_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    midi(tmp_path / "a.mid", 60, 62)
    (tmp_path / "b.mid").write_bytes(b"MThd")
    midi(tmp_path / "c.mid")
    (tmp_path / "d.abc").write_text("X:1\nT:none\nK:C\n\nX:2\nM:4/4\nL:1/4\nK:C\nEFGA|\n")
    found = list(read_tunes([tmp_path], MusicSettings()))
    assert [Path(one.where).name for one in found] == ["a.mid", "d.abc:5"]
    told = capsys.readouterr().err.splitlines()
    for line, name in zip(told, ["b.mid: ", "c.mid: ", "d.abc:1: "], strict=True):
        assert line.startswith(f"throughtime: {tmp_path / name}")
    assert [line.endswith("; left out") for line in told] == [True] * 3
    assert "d.abc:1: expected notes, found none" in told[2]


def test_a_broken_roll_among_others_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    midi(tmp_path / "a.mid", 60)
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.mat").write_bytes(b"no matrix")
    with noting() as notes:
        assert find_tunes([tmp_path]) == {"train": [tmp_path / "a.mid"]}
    assert list(notes.left_out.values()) == [[f"{tmp_path}/b.json"], [f"{tmp_path}/c.mat"]]
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match=r"b\.json: expected a JSON object of train"):
        find_tunes([tmp_path / "b.json"])


def test_nothing_but_broken_tunes_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(b"")
    midi(tmp_path / "b.mid")
    with pytest.raises(UserError, match=r"a\.mid: expected a MIDI file"):
        list(read_tunes([tmp_path], MusicSettings()))
    with pytest.raises(UserError, match=r"x\.wav: expected a file that ends in \.mid, "):
        list(read_tunes([tmp_path / "x.wav"], MusicSettings()))


def test_the_grid_follows_the_model(tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", 60)  # half a beat
    for options, steps in (({}, 6), ({"model": "keys"}, 2), ({"model": "events", "steps_per_beat": 4}, 2)):
        (found,) = read_tunes([path], MusicSettings(**options))
        assert found.notes == [(0, steps, 60)]
    task, _ = music(TUNES)  # the data chose keys
    (found,) = task.read([path], task.settings)
    assert found.notes == [(0, 2, 60)]


# Keys.


def test_piano_rolls_make_a_model_of_keys_and_notes_one_of_events() -> None:
    assert Music.learn(TUNES, MusicSettings())["model"] == "keys"
    assert Music.learn(JIGS, MusicSettings())["model"] == "events"
    assert Music.learn(TUNES, MusicSettings(model="events"))["model"] == "events"


def test_how_often_keys_sound_by_hand() -> None:
    learnt = Keys.learn([example("C4 C4+E4 E4"), example("E4")])
    key = {name: pitch - LOWEST for name, pitch in (("C4", 60), ("E4", 64), ("G4", 67))}
    assert [learnt["sounds"][key[name]] for name in key] == [2.5 / 5, 3.5 / 5, 0.5 / 5]
    # C4 is silent before frames 1 of either tune, and sounds in one of them; sounds before 2, goes on in one.
    assert learnt["sounds_after_silence"][key["C4"]] == 1.5 / 3
    assert learnt["sounds_on"][key["C4"]] == 1.5 / 3
    assert learnt["sounds_after_silence"][key["E4"]] == 2.5 / 4
    assert learnt["sounds_on"][key["E4"]] == 1.5 / 2


def test_the_report_by_hand() -> None:
    """A network that knows how often keys sound, and no more, is the unigram guess."""
    task, model = music(TUNES)
    with torch.no_grad():
        model.keys.weight.zero_()
    found = task.evaluate(model, TUNES, None).figures
    sounds = np.array(task.vocabulary["sounds"])
    frames = np.concatenate([one.tune.frames() for one in TUNES])
    nats = -np.log(np.where(frames == 1, sounds, 1 - sounds)).sum(1)
    assert found["nats_per_frame"] == pytest.approx(nats.mean(), rel=1e-5)
    assert found["unigram_nats_per_frame"] == pytest.approx(nats.mean())
    assert found["nats_per_frame_without_first"] == pytest.approx(np.delete(nats, [0, 4, 6]).mean(), rel=1e-5)
    # C4 sounds in 3 of 9 frames, less than half: nothing is said. Only the last tune's repeats hit nothing either.
    assert found["frame_accuracy"] == 0
    assert found["repeat_frame_accuracy"] == 0
    assert (found["frames"], found["tunes"]) == (9, 3)


def test_repeated_frames_by_hand() -> None:
    task, model = music(TUNES)
    found = task.evaluate(model, [example("C4+E4 C4 C4+G4")], None).figures
    # Before C4+E4 nothing: 2 missed. C4 after C4+E4: 1 hit, 1 too many. C4+G4 after C4: 1 hit, 1 missed.
    assert found["repeat_frame_accuracy"] == pytest.approx(100 * 2 / 6)
    chance = {name: np.array(task.vocabulary[name]) for name in ("sounds_after_silence", "sounds_on")}
    nats, before = 0.0, np.zeros(KEYS)
    for frame in example("C4+E4 C4 C4+G4").tune.frames():
        p = np.where(before == 1, chance["sounds_on"], chance["sounds_after_silence"])
        nats -= np.log(np.where(frame == 1, p, 1 - p)).sum() / 3
        before = frame
    assert found["repeat_nats_per_frame"] == pytest.approx(nats)


def test_frame_accuracy_counts_hits_misses_and_false_keys() -> None:
    task, model = music(TUNES)
    with torch.no_grad():
        model.keys.weight.zero_()
        model.keys.bias.fill_(-1)
        model.keys.bias[60 - LOWEST] = 1  # C4 is always said
    assert task.evaluate(model, [example("C4 C4+E4 G4")], None).figures["frame_accuracy"] == pytest.approx(100 * 2 / 5)


def test_training_moves_whole_tunes_and_judging_moves_none() -> None:
    task, _ = music(TUNES, transpose=3)
    torch.manual_seed(0)
    plain = task.batch(TUNES).frames
    assert [torch.equal(roll[: one.steps], torch.from_numpy(one.tune.frames()).float())
            for roll, one in zip(plain, TUNES, strict=True)] == [True] * 3  # fmt: skip
    seen: Counter[int] = Counter()
    for _ in range(300):
        for before, after in zip(plain, task.training_batch(TUNES).frames, strict=True):
            by = int(after.any(0).nonzero()[0] - before.any(0).nonzero()[0])
            assert torch.equal(before.roll(by, 1), after)
            seen[by] += 1
    assert sorted(seen) == list(range(-3, 4))
    assert stats().chisquare(list(seen.values())).pvalue > 1e-3


def test_a_tune_at_the_end_of_the_piano_stays_on_it() -> None:
    task, _ = music([example("A0 C8"), example("A0")], transpose=6)
    for _ in range(30):
        whole, low = task.training_batch([example("A0 C8"), example("A0")]).frames
        assert whole[0, 0] == whole[1, KEYS - 1] == 1
        assert low[0, :7].sum() == 1


def test_keys_are_drawn_by_their_probabilities() -> None:
    logits, generator = torch.tensor([0.3, -1.0, 2.0]), torch.Generator().manual_seed(0)
    for temperature in (1.0, 2.0):
        drawn = torch.stack([draw_keys(logits, temperature, generator) for _ in range(4000)]).double()
        chances = (logits / temperature).sigmoid().tolist()
        for said, chance in zip(drawn.sum(0).int().tolist(), chances, strict=True):
            assert stats().binomtest(said, 4000, chance).pvalue > 1e-3


def test_frames_follow_the_model() -> None:
    """At temperature 0 each frame is what the model finds likelier after all frames before it, computed anew."""
    task, model = music(TUNES)
    with torch.no_grad():
        model.keys.weight.normal_(std=3)
        model.keys.bias.fill_(-0.5)
    drawn = list(task.kind.draw(model, read_notes("C4 E4", 2).frames(), Sampling(temperature=0.0, length=6)))
    frames = torch.from_numpy(np.array([frame for _, frame in drawn])).float()
    assert len(frames) == 4 + 6
    before = torch.cat([torch.zeros(1, KEYS), frames[:-1]])
    expected = model.logits(before.unsqueeze(0))[0][0] > 0
    assert torch.equal(frames[4:].bool(), expected[4:])
    assert [word for word, _ in drawn[:4]] == ["C4", "-", "E4", "-"]


def test_what_keys_cannot_do_is_refused() -> None:
    task, model = music(TUNES)
    sampler = MusicSampler(task, model)
    for options in ({"top_k": 3}, {"top_p": 0.5}, {"min_length": 3}):
        (name,) = options
        with pytest.raises(UserError, match=f"unknown option --{name.replace('_', '-')}"):
            check_settings(task.drawing, {"prompt": "C4", **options})
    with pytest.raises(UserError, match="knows no genres, got 'jigs'"):
        sampler.sample(task.drawing(prompt="jigs"))


# Events.


def test_rare_genres_are_not_told() -> None:
    task, _ = music(JIGS)
    assert list(task.kind.genres) == ["jigs", "reels"]
    ids = task.kind.batch(JIGS, moved=False).targets[:, 0].tolist()
    assert ids == [Events.GENRE] * 5 + [Events.GENRE + 1] * 5 + [Events.PITCH + 60]


def test_training_tells_most_genres_and_moves_pitches() -> None:
    task, _ = music(JIGS, transpose=2)
    torch.manual_seed(0)
    told, moved = 0, Counter[int]()
    for _ in range(200):
        batch = task.training_batch(JIGS[:5])
        for row, length in zip(batch.targets.tolist(), batch.lengths.tolist(), strict=True):
            told += row[0] == Events.GENRE
            first, second = (pitch for *_, pitch in Events(["jigs", "reels"]).decode(row[:length]).notes)
            assert second - first == 4
            by = first - 60
            moved[by] += 1
    assert stats().binomtest(told, 1000, 0.8).pvalue > 1e-3
    assert sorted(moved) == [-2, -1, 0, 1, 2]
    assert stats().chisquare(list(moved.values())).pvalue > 1e-3


def test_the_report_of_events_by_hand() -> None:
    task, model = music(JIGS)
    with torch.no_grad():
        model.softmax.weight.zero_()
        model.softmax.bias.zero_()  # every token is as likely
    found = task.evaluate(model, JIGS, None)
    V = len(Events(["jigs", "reels"]))
    # C4, its length, a move, E4, its length, the end; the genre is given.
    assert found.figures["events"] == 6 * 11
    assert found.figures["nats_per_event"] == pytest.approx(math.log(V), rel=1e-5)
    assert found.figures["perplexity"] == pytest.approx(V, rel=1e-4)
    assert found.figures["beats"] == 11
    assert found.figures["nats_per_beat"] == pytest.approx(6 * math.log(V), rel=1e-5)
    assert [row[0] for row in found.tables[0].rows] == ["jigs", "rare", "reels"]
    # Lengths make a third of all events, each of the others a sixth; a count of one is added to all.
    total = 66 + V - 2
    guessed = (2 * math.log(23 / total) + 4 * math.log(12 / total)) / 6
    assert found.figures["unigram_nats_per_event"] == pytest.approx(-guessed)


def test_events_are_drawn_by_their_probabilities() -> None:
    task, model = music(JIGS)
    kind = task.kind
    assert isinstance(kind, EventModel)
    with torch.no_grad():
        model.softmax.bias[Events.PITCH + 60 : Events.PITCH + 64] += 6
        model.softmax.bias[Events.GENRE :] += 4
    log_probs, _ = WellFormed(model, kind.events).next_log_probs(torch.tensor([[-1]]))
    chances = log_probs[0].detach().double().exp()
    legal = [token for token in range(len(chances)) if chances[token] > 0]
    assert set(legal) == {*range(Events.PITCH, Events.FOR + 1), Events.GENRE, Events.GENRE + 1}
    drawn = Counter(next(iter(kind.draw(model, [], Sampling(length=2, seed=seed))))[0] for seed in range(400))
    common = {
        kind.events.name(token, beat=12): float(chances[token] / chances.sum())
        for token in legal
        if chances[token] > 0.02
    }
    assert sum(common.values()) > 0.5
    for name, chance in common.items():
        said = drawn[f"{name}:"] if name in kind.genres else drawn[name]
        assert stats().binomtest(said, 400, chance).pvalue > 1e-3


def test_what_comes_next_is_a_note_and_where_it_begins() -> None:
    task, model = music(JIGS)
    kind = task.kind
    assert isinstance(kind, EventModel)
    tune = JIGS[0].tune
    found = kind.next(model, tune, 10**6)
    assert sum(likely.probability for likely in found) == pytest.approx(1, abs=1e-4)
    assert found == sorted(found, key=lambda likely: -likely.probability)
    chances = {(likely.name, likely.beats): likely.probability for likely in found}
    # Token after token, by the model's own probabilities of what is well formed.
    formed, read = WellFormed(model, kind.events), kind.events.encode(tune, end=False)

    def after(*tokens: int) -> Any:
        with torch.no_grad():
            return formed.next_log_probs(torch.tensor([[-1, *read, *tokens]]))[0][0].softmax(0)

    half = Events.MOVE + 6
    assert chances["G4", 0.5] == pytest.approx(float(after()[half] * after(half)[Events.PITCH + 67]), rel=1e-4)
    assert chances["G4", 0.0] == pytest.approx(float(after()[Events.PITCH + 67]), rel=1e-4)
    assert chances["end", None] == pytest.approx(float(after()[Events.END]), rel=1e-4)
    silent = sum(float(after()[move] * after(move)[Events.MOVE + 1 :].sum()) for move in range(half - 5, half + 91))
    assert chances["silence", 8.0] == pytest.approx(silent, rel=1e-3)


@pytest.mark.parametrize(
    ("beats", "name", "told"),
    [
        (1.5, "G4", "G4 after 1 1/2 beats"),
        (0.0, "G4", "G4 at the same time"),
        (8.0, "silence", "silence for 8 beats"),
        (None, "end", "end"),
    ],
)
def test_what_comes_next_reads_as_musicians_say_it(
    monkeypatch: pytest.MonkeyPatch, beats: float | None, name: str, told: str
) -> None:
    task, model = music(JIGS)
    monkeypatch.setattr(EventModel, "next", lambda *_: [Likely(name, 0.25, beats)])
    with torch.no_grad():
        shown = str(task._predict(model, JIGS[0], task.predicting()))
    assert shown.endswith(f" nats per event  next: {told} (25 %)")


def test_a_sample_is_the_same_again_and_another_with_another_seed() -> None:
    task, model = music(JIGS)
    sampler = MusicSampler(task, model)

    def drawn(seed: int) -> dict[str, Any]:
        sample = sampler.sample(task.drawing(prompt="jigs C4+E4 G4", length=40, seed=seed))
        assert "".join(sample) == sample.data["text"]
        return sample.data

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    assert first["text"].startswith("jigs: C4+E4 ")
    notes = [(note["start"], note["beats"], note["name"]) for note in first["notes"]]
    assert notes[:2] == [(0.0, 1.0, "C4"), (0.0, 1.0, "E4")]
    assert (1.0, 1.0, "G4") in notes


def test_a_prompt_is_a_genre_notes_or_a_file(tmp_path: Path) -> None:
    task, model = music(JIGS)
    sampler = MusicSampler(task, model)
    with pytest.raises(
        UserError, match=r"unknown genre 'jig' \(did you mean 'jigs'\?\); the training data has: jigs, reels"
    ):
        sampler.sample(task.drawing(prompt="jig"))
    with pytest.raises(UserError, match="expected notes such as C4, F#3 or C4\\+E4\\+G4, got 'H4'"):
        sampler.sample(task.drawing(prompt="C4 H4"))
    with pytest.raises(UserError, match=r"none\.mid: no such file"):
        sampler.sample(task.drawing(prompt="none.mid"))
    sample = sampler.sample(task.drawing(prompt=str(midi(tmp_path / "a.mid", 60, 64)), length=4, seed=0))
    list(sample)
    assert sample.tune.notes[:2] == ((0, 6, 60), (6, 6, 64))


DATA = Path(os.environ.get("THROUGHTIME_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data is not at {DATA}; set THROUGHTIME_DATA")
def test_real_files_are_read() -> None:
    """Counts of the literature, and of the folder's own listing."""
    rolls = find_tunes([DATA / "poly_music_mat" / "JSB_Chorales.mat"])
    parts = {part: list(read_tunes(paths, MusicSettings())) for part, paths in rolls.items()}
    assert {part: len(tunes) for part, tunes in parts.items()} == {"train": 229, "valid": 76, "test": 77}
    assert sum(tune.steps for tune in parts["test"]) == 4725
    voices = list(read_tunes([DATA / "jsb_chorales" / "Jsb16thSeparated.json" / "valid"], MusicSettings()))
    assert len(voices) == 76
    abc = list(read_tunes([DATA / "nottingham" / "ABC_cleaned" / "waltzes.abc"], MusicSettings()))
    midi = list(read_tunes(sorted((DATA / "nottingham" / "MIDI").glob("waltzes*.mid")), MusicSettings()))
    assert len(abc) == len(midi) == 52
    assert {tune.genre for tune in (*abc, *midi)} == {"waltzes"}
    # Tunes that people play are in key, whichever file they are read from.
    assert np.mean([best_scale([pitch for *_, pitch in tune.notes])[0] for tune in (*abc, *midi)]) > 0.95
