"""Shards of text become a run's ids: as of the same files unpacked, by any number of processes, after any kill."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from throughtime import files
from throughtime.applications.settings import check_settings
from throughtime.applications.text_model import TextSettings
from throughtime.data.shards import survey, tokens
from throughtime.data.shards.crew import WorkerLostError, worked
from throughtime.data.shards.dealing import Deal, Reading
from throughtime.data.shards.documents import ShardTexts
from throughtime.data.shards.names import Shard
from throughtime.data.shards.survey import Look, load_seen, places, sampled
from throughtime.data.shards.tokens import Encode, chunks_of, jobs_for, joined
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.text import sharded
from throughtime.tasks.text.sharded import beside
from throughtime.tasks.text.task import TextTask

SMALL: dict[str, Any] = {
    "hidden": 4,
    "embedding": 4,
    "steps": 1,
    "batch": 2,
    "bptt": 10,
    "engine": "reference",
    "device": "cpu",
    "workers": 1,
    "unit": "words",
}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Four files of text, and the same packed."""
    draw, folder = Random(0), tmp_path / "shards"
    folder.mkdir()
    for number in range(4):
        lines = (" ".join(draw.choices([f"w{n}" for n in range(30)], k=8)) for _ in range(40 + 20 * number))
        text = "".join(f"{line}\n" * (1 + (at % 9 == 4)) + "\n" * (at % 13 == 5) for at, line in enumerate(lines))
        (folder / f"{number}.txt").write_text(text)
        (folder / f"{number}.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def ids(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(run.glob("*.ids"))}


def train(paths: Sequence[str], out: Path, **options: Any) -> dict[str, bytes]:
    TextTask().start(paths, out, {**SMALL, **options})
    return ids(out)


@pytest.mark.parametrize(
    "options", [{"held_out": 0}, {"sentences": True, "bptt": 0}, {"eos": "newline", "held_out": 0}]
)
def test_shards_give_the_bits_of_the_same_files_unpacked(
    options: dict[str, Any], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train([str(shards / f"{n}.txt") for n in range(4)], tmp_path / "plain", **options)
    monkeypatch.setattr(tokens, "PIECES", 23)  # many chunks
    assert train([str(shards / "*.txt.gz")], tmp_path / "packed", **options) == plain
    assert json.loads((tmp_path / "plain/data.json").read_text())["parts"]["train"]["examples"] > 0
    tokenizers = [(tmp_path / run / "tokenizer.json").read_text() for run in ("plain", "packed")]
    assert tokenizers[0] == tokenizers[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_last_records_are_held_out_whole(tmp_path: Path) -> None:
    texts = [f"text {n} {'x ' * (n % 5)}\nmore" for n in range(100)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    train([str(path)], tmp_path / "run", text_column="body", held_out=0.2)
    run = tmp_path / "run"
    tokenizer = Tokenizer.load(run / "tokenizer.json")
    read = json.loads((run / "data.json").read_text())["parts"]
    counts = {part: read[part]["examples"] for part in ("train", "valid")}
    assert sum(counts.values()) == 100
    assert 15 <= counts["valid"] <= 25
    eos = [list(memoryview(found).cast("H")).count(tokenizer.eos) for found in ids(run).values()]
    assert dict(zip(("train", "valid"), eos, strict=True)) == counts


class Killed(BaseException):
    """As if the process were gone."""


def test_a_kill_at_any_write_costs_nothing_but_a_chunk(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, options = [str(shards / "*.gz")], {**SMALL, "held_out": 0.2}
    monkeypatch.setattr(tokens, "PIECES", 40)
    expected = train(paths, tmp_path / "whole", **options)
    replace, killed = files.os.replace, 0
    for at in range(0, 100, 5):
        left = at

        def break_off(*places: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            replace(*places)

        out = tmp_path / f"run{at}"
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "replace", break_off)
            patch.setattr("shutil.rmtree", lambda *_, **__: None)  # a process that is gone tidies nothing up
            try:
                with noting():
                    train(paths, out, **options)
            except Killed:
                killed += 1
        if out.exists():
            TextTask().resume(out, {})
        else:
            train(paths, out, **options)
        assert ids(out) == expected
        assert not (tmp_path / f".run{at}.shards").exists()
    assert killed > 5


def test_going_on_is_told_and_does_not_begin_anew(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tokens, "PIECES", 40)
    with pytest.raises(UserError, match="--batch"):
        train([str(shards / "*.gz")], tmp_path / "run", batch=5000)
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]  # so little is not worth keeping
    monkeypatch.setattr(sharded, "KEPT", 0)
    with pytest.raises(UserError, match="--batch"):
        train([str(shards / "*.gz")], tmp_path / "run", batch=5000)  # refused when all is tokenised
    assert "what is tokenised stays there" in capsys.readouterr().err
    monkeypatch.setattr(tokens, "encode_to_file", None)
    monkeypatch.setattr(survey.Look, "__call__", None)
    train([str(shards / "*.gz")], tmp_path / "run")
    assert "tokenising went on where it was stopped" in (tmp_path / "run/data.json").read_text()


def begun(shards: Path, out: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(UserError, match="--batch"):  # noqa: PT012
        patch.setattr(sharded, "KEPT", 0)
        train([str(shards / "*.gz")], out, batch=5000)


def test_what_was_changed_meanwhile_is_refused(shards: Path, tmp_path: Path) -> None:
    out, paths = tmp_path / "run", [str(shards / "*.gz")]
    begun(shards, out)
    with pytest.raises(UserError, match="--unit: tokenising for this --out began with 'words', got 'characters'; rem"):
        train(paths, out, unit="characters")
    with pytest.raises(
        UserError, match=r"shards/0.txt: expected the shards that tokenising began with; this one was n"
    ):
        train([*paths, str(shards / "0.txt")], out)
    with pytest.raises(UserError, match=r"shards/3.txt.gz: expected the shards that tokenising began with, in their"):
        train([str(shards / "[0-2].txt.gz")], out)
    (shards / "1.txt.gz").write_bytes(gzip.compress(b"other words\n" * 50))
    with pytest.raises(UserError, match=r"shards/1.txt.gz: expected .* began with; this one was written again since"):
        train(paths, out)


def test_a_broken_shard_is_told_before_anything_is_tokenised_and_leaves_nothing(shards: Path, tmp_path: Path) -> None:
    path = shards / "3.txt.gz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"shards/3.txt.gz: about line \d+: the gzip data end in the middle"):
        train([str(shards / "*.gz")], tmp_path / "below" / "run")
    assert list(tmp_path.iterdir()) == [shards]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").touch()
    with pytest.raises(UserError, match="run: already exists"):
        train([str(shards / "*.gz")], tmp_path / "run")
    assert not (tmp_path / ".run.shards").exists()


def test_two_at_once_do_not_meet(shards: Path, tmp_path: Path) -> None:
    texts, settings = ShardTexts([str(shards / "*.gz")]), check_settings(TextSettings, SMALL)
    with beside(tmp_path / "run", texts, settings), pytest.raises(UserError, match="is tokenising there; wait"):  # noqa: SIM117
        with beside(tmp_path / "run", texts, settings):
            pass


def test_any_number_of_processes_gives_the_same_bits(shards: Path, tmp_path: Path) -> None:
    """Fewer shards than processes, too: then several of them read one."""
    texts = ShardTexts([str(shards / "[01].txt.gz")])
    reading, made = Reading("text", check_settings(TextSettings, SMALL).split), []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        folder.mkdir()
        jobs = [(number, shard, 100_000) for number, shard in enumerate(texts.shards)]
        assert sum(worked(Look(reading, 0, folder), jobs, workers)) == sum(
            load_seen(folder, n).characters for n in range(2)
        )
        seen = [load_seen(folder, number) for number in range(2)]
        deal = Deal(False, cut=3000, whole=False)
        Tokenizer.train(sampled(seen, deal), "words").save(folder / "tokenizer.json")
        left = jobs_for(texts.shards, places(seen), folder, workers)
        assert len(left) == {1: 2, 3: 4}[workers]
        list(worked(Encode(reading, deal, folder, pieces=20), left, workers))
        assert len(chunks_of(folder, 1)) > 3
        out = tmp_path / f"out{workers}"
        out.mkdir()
        files = joined(folder, texts.shards, seen, out)
        assert set(files) == {"train", "valid"}
        made.append((ids(out), (folder / "tokenizer.json").read_text()))
    assert made[0] == made[1]


def test_a_process_that_fails_or_dies_is_told(tmp_path: Path) -> None:
    reading = Reading("text", check_settings(TextSettings, SMALL).split)
    with pytest.raises(UserError, match=r"expected the file none.txt, which does not exist"):
        list(worked(reading.pieces, [Shard("none.txt", 1)] * 2, 2))
    with pytest.raises(WorkerLostError, match="ended with status 3; is there memory enough"):
        list(worked(os._exit, [3, 3], 2))  # type: ignore[arg-type]


def test_a_sample_is_as_large_as_asked_and_of_the_seed(shards: Path, tmp_path: Path) -> None:
    (shard,) = ShardTexts([str(shards / "3.txt.gz")]).shards
    reading = Reading("text", check_settings(TextSettings, SMALL).split)

    def drawn(seed: int, budget: int) -> tuple[list[str], int]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(survey, "BLOCK", 200)
            list(Look(reading, seed, tmp_path)((0, shard, budget)))
        seen = load_seen(tmp_path, 0)
        return list(sampled([seen], Deal(False))), seen.characters

    (some, characters), (other, _), (everything, _) = drawn(0, 1000), drawn(1, 1000), drawn(0, 10**6)
    assert some != other
    assert some == drawn(0, 1000)[0]
    assert 600 < sum(map(len, some)) <= 1000
    assert "".join(everything) == (shards / "3.txt").read_text()
    assert characters == len("".join(everything))


def test_workers_fit_into_the_memory(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--workers: expected at most 3 in --memory 864, got 8; .* pass --memory 1664"):
        train([str(shards / "*.gz")], tmp_path / "run", workers=8, memory=864)


def test_validation_shards_are_read_with_the_vocabulary_of_training(shards: Path, tmp_path: Path) -> None:
    found = train([str(shards / "[012].txt.gz")], tmp_path / "run", valid=str(shards / "3*.gz"))
    tokenizer = Tokenizer.load(tmp_path / "run" / "tokenizer.json")
    text = (shards / "3.txt").read_text()
    expected = [token for line in text.splitlines(keepends=True) for token in tokenizer.encode(line)]
    assert list(memoryview(found["valid.ids"]).cast("H")) == [*expected, tokenizer.eos]
    with pytest.raises(UserError, match="--shuffle-window: running text is read as it stands, in streams"):
        train([str(shards / "*.gz")], tmp_path / "other", shuffle_window=10)
    with pytest.raises(UserError, match="--text-column: expected JSON lines or parquet, which have fields and"):
        train([str(shards / "0.txt")], tmp_path / "other", text_column="body")


def test_a_model_of_records_is_judged_on_records_and_on_plain_text(shards: Path, tmp_path: Path) -> None:
    texts = [f"w{n} w{n + 1} w{n + 2}" for n in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    TextTask().start([str(tmp_path / "a.jsonl")], tmp_path / "trained", {**SMALL, "text_column": "body"}).run()
    trained = TextTask().load(tmp_path / "trained")
    records = trained.evaluate([str(tmp_path / "a*.jsonl")]).figures
    assert (records["tokens"], records["characters"]) == (4 * len(texts), sum(map(len, texts)))
    assert trained.evaluate([str(shards / "0.txt")]).figures["tokens"] > 300
