"""A one-way model reads an input as it comes, and tells what a prediction of all that came so far tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import throughtime
from made_data import MAKERS, settings_of
from throughtime.cli import run as call
from throughtime.errors import UserError
from throughtime.serving.live.seal import pack, unpack

WORDS = "The old planted cat, it isn't on\nthe  #mat ."
ROWS = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``train(task, **settings)``: a run of a small model."""

    def run(task: str, **settings: Any) -> throughtime.Run:
        folder = tmp_path_factory.mktemp(task)
        made = MAKERS[task](folder, "planted")
        given = {**settings_of(made), **settings}
        return throughtime.train(task, made.data or None, out=folder / "run", progress=False, **given)

    return run


def close(found: Any, expected: Any) -> bool:
    """Equal, numbers to 1e-5."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    return bool(found == pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else found == expected)


def told(prediction: throughtime.Prediction, like: dict[str, Any]) -> dict[str, Any]:
    """What a prediction tells of all that an event tells, but for the number of steps."""
    return {name: prediction.data.get(name) for name in like if name not in ("steps", "warnings")}


def same(event: dict[str, Any], prediction: throughtime.Prediction) -> bool:
    return close({name: event[name] for name in event if name not in ("steps", "warnings")}, told(prediction, event))


def among(run: throughtime.Run, pieces: list[Any]) -> None:
    """What is told of pieces is the same to the bit alone, among others, and after it was put away and taken out."""
    live = run.live()
    alone = run.open_stream()
    expected = [alone.push(piece) for piece in pieces]
    rows = live.side_by_side()
    readers, seats = [live.open({}) for _ in range(3)], [rows.open() for _ in range(3)]
    for number, piece in enumerate(pieces):
        beside = pieces[:1] if number == 0 else []
        inputs = [
            list(readers[0].push(piece)),
            *([x for p in beside for x in reader.push(p)] for reader in readers[1:]),
        ]
        while any(inputs):
            there = [n for n in (2, 0, 1) if inputs[n]]
            outputs = rows.step([seats[n] for n in there], [inputs[n].pop(0) for n in there]).numpy()
            for n, output in zip(there, outputs, strict=True):
                assert not readers[n].take(output.copy())
        partial = readers[0].partial()
        assert ([] if partial is None else [partial]) == expected[number]
        readers[0] = live.load(unpack(pack(readers[0].dump())))
        seats[0] = rows.open(rows.close(seats[0]))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_class_of_words(pooling: str, train: Any) -> None:
    run = train("sentiment", bidirectional=False, pooling=pooling, spelling="rnn", shapes=True, spelled=4, letter=4)
    stream, pieces = run.open_stream(), [f"{word} " for word in WORDS.split(" ")]
    for number, piece in enumerate(pieces, 1):
        read = "".join(pieces[:number])
        for event in stream.push(piece):
            assert same(event, *run.predict([read]))
    assert same(stream.end(), *run.predict([WORDS]))
    assert same(run.open_stream().end(), *run.predict([""]))
    among(run, pieces)


@pytest.mark.parametrize("tags", ["crf", "softmax"])
def test_names_among_words(tags: str, train: Any) -> None:
    run = train("entities", bidirectional=False, tags=tags)
    pieces = ["Anna sa", "w #planted", " ", "and Anna , ", "\r\nplanted planted"]
    stream, read = run.open_stream(nbest=2), ""
    for piece in pieces:
        read += piece
        whole = read.rsplit(" ", 1)[0] if piece[-1].isalpha() else read
        for event in stream.push(piece):
            expected = run.predict([whole])[0].data["entities"]
            assert event["entities"] == [{n: e[n] for n in ("start", "end", "type", "text")} for e in expected]
    assert same(stream.end(), *run.predict([read], nbest=2))
    among(run, pieces)
    with pytest.raises(UserError, match="at most 2,000 words, as all of their tags depend on one another"):
        run.open_stream().push("a " * 2002)
    with pytest.raises(UserError, match="expected the option nbest, got 'beam'"):
        run.open_stream(beam=3)


def test_a_class_of_letters(train: Any) -> None:
    run = train("dna", bidirectional=False)
    stream, letters = run.open_stream(), "ACGTNRYACG"
    found = [event for letter in letters for event in stream.push(letter)]
    assert [event["steps"] for event in found] == list(range(1, len(letters) - 1))  # two wait for their neighbours
    assert same(stream.end(), *run.predict([letters]))
    assert same(run.open_stream().end(), *run.predict([""]))
    among(run, list(letters))
    with pytest.raises(UserError, match="a stream: expected letters of DNA"):
        run.open_stream().push("ACQ")


def test_a_class_of_rows(train: Any) -> None:
    run = train("video", bidirectional=False)
    stream = run.open_stream()
    for number, row in enumerate(ROWS, 1):
        (event,) = stream.push([row.tolist()] if number % 2 else {"rows": row[None]})
        (expected,) = run.predict([ROWS[:number]])
        assert same(event, expected)
        assert event["steps"] == expected.data["steps"]
    assert same(stream.end(), *run.predict([ROWS]))
    among(run, [ROWS[:1], ROWS[1:4], ROWS[4:]])
    for bad, message in (
        ([[1.0]], "rows of 2 numbers each, got 1 × 1"),
        ("1 2", "rows of 2 numbers each, got '1 2'"),
        ([[1.0, float("nan")]], "none that is a number"),
        ([[1e30, 1.0]], "at most 1e\\+15 from 0"),
        ([[1.0, 2.0], [1.0]], "rows of 2 numbers each, got"),
    ):
        stream = run.open_stream()
        with pytest.raises(UserError, match=message):
            stream.push(bad)
        with pytest.raises(UserError, match="expected nothing after the end"):
            stream.push(ROWS)
    with pytest.raises(UserError, match="at least 1 step before the end, got 0"):
        run.open_stream().end()


TUNE = [(0, 2, 64), (0, 1, 60), (1, 1, 62), (3.5, 0.5, 60), (20, 1, 67)]


def test_notes_are_read_and_drawn(train: Any) -> None:
    run = train("music", model="events")
    stream = run.open_stream(nbest=3)
    found = [event for note in TUNE for event in stream.push({"notes": [note]})]
    assert [(note["start"], note["beats"], note["pitch"]) for event in found for note in event["notes"]] == sorted(
        TUNE
    )[:-1]
    assert all(len(event["next"]) == 3 for event in found)
    assert close(stream.end(), told(run.predict([TUNE])[0], {"nats_per_event": 0, "events": 0}))
    among(run, [[TUNE[0]], TUNE[1:3], TUNE[3:]])
    for seed in (1, 2):
        stream = run.open_stream()
        events = [*stream.push([(0, 1, 60), (1, 1, 64)]), *stream.push({"draw": {"seed": seed, "length": 40}})]
        expected = run.sample("C4 E4", seed=seed, length=40).data["notes"]
        drawn = {(note["start"], note["pitch"]) for event in events for note in event["notes"]}
        assert drawn >= {(note["start"], note["pitch"]) for note in expected}
        assert len(drawn) - len(expected) in (0, 1)  # a pitch that was drawn last has its duration here
        ended = events[-1].get("ended", False)
        assert events[-1]["drawing"] is False
        assert ended == (sum(len(event["events"]) for event in events) < 5 + 40), events
        stream.push([(1000, 1, 60)])
        with pytest.raises(UserError, match="in the order in which they begin, got one at 2 beats"):
            stream.push([(2, 1, 60)])
    with pytest.raises(UserError, match="unknown genre 'jigs'"):
        run.open_stream(genre="jigs")


def test_frames_of_keys_are_read_and_drawn(train: Any) -> None:
    run = train("music", model="keys")
    chords = [[60, 64], [60, 64], [], [67]]
    roll = np.zeros((4, 88), np.uint8)
    for step, chord in enumerate(chords):
        roll[step, [key - 21 for key in chord]] = 1
    stream = run.open_stream(nbest=2)
    for number, chord in enumerate(chords, 1):
        (event,) = stream.push(chord if number % 2 else {"notes": [chord]})
        expected = run.predict([roll[:number]], nbest=2)[0].data
        assert close(event["next"], expected["next"])
        assert [frame["keys"] for frame in event["frames"]] == [chord]
    assert same(stream.end(), *run.predict([roll], nbest=2))
    among(run, [chords[:1], chords[1:3], chords[3:]])
    stream = run.open_stream()
    stream.push([60])
    (event,) = stream.push({"draw": {"seed": 3, "length": 5, "temperature": 2.0}})
    assert len(event["frames"]) == 5
    again = run.open_stream()
    again.push([60])
    assert again.push({"draw": {"seed": 3, "length": 5, "temperature": 2.0}}) == [event]
    with pytest.raises(UserError, match="MIDI numbers of a piano's keys, 21 to 108, got 3"):
        run.open_stream().push([3])
    with pytest.raises(UserError, match="got 'prompt'"):
        run.open_stream().push({"draw": {"prompt": "C4"}})


def test_pieces_that_wait_together_are_told_as_those_that_come_alone(train: Any) -> None:
    for run, pieces in (
        (train("text"), ["the cat ", "sat ", "near"]),
        (train("music", model="keys"), [[60], [64], [60, 64]]),
        (train("music", model="events"), [[TUNE[0]], TUNE[1:3], TUNE[3:]]),
    ):
        alone, reader, rows = run.open_stream(), run.live().open({}), run.live().side_by_side()
        for piece in pieces:
            alone.push(piece)
        seat = rows.open()
        for together in (pieces[:1], pieces[1:], None):
            pushed = [reader.end()] if together is None else [reader.push(piece) for piece in together]
            for found in (step for steps in pushed for step in steps):
                reader.take(rows.step([seat], [found])[0].numpy().copy())
        assert reader.final() == alone.end()


SAID: list[dict[str, Any]] = [
    {},
    {"rate": 11_025, "nbest": 3},
    {"beam": 5, "explain": True},
    {"rate": 44_100, "lm": "letters", "lm_weight": 0.7, "nbest": 2, "explain": True},
    {"lm": "words", "word_bonus": 0.5},
]


def test_sound_is_the_same_to_the_bit_wherever_it_is_cut_and_however_it_is_heard(train: Any) -> None:
    run = train("speech", bidirectional=False, frames=3)
    run.model.softmax.weight.data.mul_(30)  # so that it hears something
    helpers = {"letters": train("text", unit="characters").folder, "words": train("text", sentences=True).folder}
    draws = np.random.default_rng(1)
    live, rows = run.live(), run.live().side_by_side()

    def heard(pieces: list[Any], said: dict[str, Any], parked: bool) -> tuple[list[bytes], Any]:
        reader, seat, found = live.open(said), rows.open(), []
        for piece in [*pieces, None]:
            for step in reader.end() if piece is None else reader.push(piece):
                found.append(rows.step([seat], [step])[0].numpy().copy())
                reader.take(found[-1])
            if piece is not None:
                reader.partial()
            if parked:
                reader, seat = live.load(unpack(pack(reader.dump()))), rows.open(rows.close(seat))
        return [one.tobytes() for one in found], reader.final()

    for said in SAID:
        asked = {**said, "lm": helpers[said["lm"]]} if "lm" in said else said
        sound = (0.3 * draws.standard_normal(3000 * said.get("rate", 8000) // 8000)).astype(np.float32)
        whole = heard([sound], asked, parked=False)
        assert whole[1]["text"], said
        for number in range(4):
            pieces = np.split(sound, np.sort(draws.integers(0, len(sound), 4)))
            assert heard(pieces, asked, parked=number % 2 == 1) == whole, said


def test_lines_are_pieces_on_the_command_line(train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("video", bidirectional=False)
    lines = tmp_path / "rows.csv"
    lines.write_text("".join(f"{a},{b}\n" for a, b in ROWS.tolist()))
    assert call(["predict", str(run.folder), str(lines), "--stream", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["steps"] for event in found] == [1, 2, 3, 4, 5, 6, 6]
    assert same(found[-1], *run.predict([ROWS]))
    assert call(["predict", str(run.folder), str(lines), "--stream"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    lines.write_text("1,2\n1,x\n")
    assert call(["predict", str(run.folder), str(lines), "--stream"]) == 2
    assert f"{lines}:2: expected numbers with commas between them, got '1,x'" in capsys.readouterr().err
    assert call(["predict", str(run.folder), str(lines), "--stream", "--explain"]) == 2
    assert "expected a stream without options, got 'explain'" in capsys.readouterr().err


def test_a_text_is_scored_as_it_comes(train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("text")
    lines = tmp_path / "text.txt"
    lines.write_text("the cat\nsat near .")
    assert call(["predict", str(run.folder), str(lines), "--stream", "--json", "--top", "1"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["token"] for event in found[:-1] for each in event["tokens"]] == ["the", "cat", "\n", "sat", "near"]
    assert {len(event["next"]) for event in found[:-1]} == {1}
    assert found[-1]["tokens"] == 6
    assert call(["predict", str(run.folder), "--line", "the cat"]) == 2
    assert "has nothing to predict" in capsys.readouterr().err
