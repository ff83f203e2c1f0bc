"""Cross-validation: a run for every fold, what they come to, and what is refused before the first step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

import throughtime
from api.conftest import REVIEWS, Reviews
from throughtime.applications.folder.folds import Folds
from throughtime.applications.task import Report
from throughtime.cli import run as command_line
from throughtime.training import Trainer

TINY: dict[str, Any] = {"hidden": 4, "embedding": 4, "min_count": 1, "batch": 8, "steps": 2, "lr": 0.05}
OPTIONS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
BITS = "model.safetensors"


def call(*arguments: object) -> int:
    return command_line([str(argument) for argument in arguments])


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in REVIEWS[:14] + REVIEWS[16:20]))
    return path


@pytest.fixture(scope="module")
def folds(table: Path, tmp_path_factory: pytest.TempPathFactory) -> throughtime.CrossValidation:
    out = tmp_path_factory.mktemp("folds") / "run"
    return throughtime.train("sentiment", table, folds=3, out=out, progress=False, **TINY)


def test_every_fold_is_a_run_and_all_examples_are_tested_on_once(
    folds: throughtime.CrossValidation, table: Path, tmp_path: Path
) -> None:
    tested = [lines(run.folder / "test.jsonl") for run in folds.runs]
    assert [run.folder for run in folds.runs] == [folds.folder / f"fold-{number}" for number in (1, 2, 3)]
    for run, test in zip(folds.runs, tested, strict=True):
        others = lines(run.folder / "train.jsonl") + lines(run.folder / "valid.jsonl")
        assert not set(test) & set(others)
        assert len(set(test) | set(others)) == 18
    assert len({line for test in tested for line in test}) == sum(map(len, tested)) == 18
    for run, figures in zip(folds.runs, folds.figures, strict=True):
        assert run.evaluate().figures == figures
        assert run.predict("a fine film")
    alone = throughtime.train("sentiment", table, folds=3, fold=2, out=tmp_path / "alone", progress=False, **TINY)
    assert (alone.folder / BITS).read_bytes() == (folds.runs[1].folder / BITS).read_bytes()


def test_mean_and_spread_are_those_of_the_folds(folds: throughtime.CrossValidation) -> None:
    for name in ("accuracy", "nats"):
        values = [float((figures or {})[name]) for figures in folds.figures]
        assert folds.mean[name] == pytest.approx(mean(values))
        assert folds.spread[name] == pytest.approx(stdev(values))
    assert "examples" not in folds.mean
    report = folds.report
    assert report.figures["examples"] == 18
    assert report.figures["accuracy_spread"] == folds.spread["accuracy"]
    assert [row[0] for row in folds.table.rows] == [1, 2, 3]
    assert str(report) == str(folds)
    assert str(folds).startswith("3 folds; spread: standard deviation over folds, n - 1\nfigure ")
    assert f"task='sentiment', folds=3, accuracy={folds.mean['accuracy']:.4g}±" in repr(folds)
    assert folds._repr_html_().count("<table>") == 2
    written = json.loads((folds.folder / "folds.json").read_text())
    assert written["mean"] == folds.mean
    assert written["spread_is"] == "standard deviation over folds, n - 1"


def test_all_folds_are_judged_anew(folds: throughtime.CrossValidation, table: Path, capsys: Any) -> None:
    assert folds.evaluate().figures == folds.report.figures
    other = folds.evaluate(table)
    assert other.figures["examples"] == 18
    assert other.figures["accuracy"] == pytest.approx(
        mean(run.evaluate(table).figures["accuracy"] for run in folds.runs)
    )
    capsys.readouterr()
    assert call("evaluate", folds.folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: told[name] for name in folds.mean} == folds.mean
    assert [row["fold"] for row in told["tables"]["by fold"]] == [1, 2, 3]
    for command in ("predict", "inspect", "score", "sample"):
        assert call(command, folds.folder, *(["-"] if command in ("predict", "score") else [])) == 2
        assert "holds a cross-validation, a model for every fold; name one of them" in capsys.readouterr().err


def test_the_command_line_gives_the_same_and_goes_on_where_it_was_left(
    folds: throughtime.CrossValidation, table: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of the second fold; the first is not trained again."""
    out, made = tmp_path / "run", 0
    step = Trainer._step

    def stopping(self: Trainer[Any], batch: Any) -> None:
        nonlocal made
        step(self, batch)
        made += 1
        if made == 3:
            self.stop()

    monkeypatch.setattr(Trainer, "_step", stopping)
    assert call("train", "sentiment", table, "--folds", 3, "--out", out, *OPTIONS) == 130
    told = capsys.readouterr().err
    assert f"stopped in fold 2 of 3 at step 1\nstopped; go on with: throughtime train sentiment --out {out}" in told
    assert [each is None for each in Folds.load(out).figures] == [False, True, True]
    unfinished = throughtime.CrossValidation(out)
    assert not unfinished.finished
    assert str(unfinished).startswith("1 of 3 folds")
    with pytest.raises(throughtime.UserError, match="expected all folds to be trained, 1 of 3 are"):
        unfinished.evaluate()
    assert call("train", "sentiment", "--out", out, "--resume", "--json") == 0
    answer = capsys.readouterr()
    assert made == 6
    assert "fold 1 of 3" not in answer.err
    assert {name: json.loads(answer.out)[name] for name in folds.mean} == folds.mean
    for number in (1, 2, 3):
        name = f"fold-{number}/{BITS}"
        assert (out / name).read_bytes() == (folds.folder / name).read_bytes()
    assert call("train", "sentiment", "--out", out, "--resume", "--json") == 0
    assert made == 6
    assert unfinished.resume(steps=3, progress=False).finished
    assert made == 9


def test_one_example_a_fold_has_no_spread(tmp_path: Path, capsys: Any) -> None:
    texts = [(f"a {word}", label) for label, words in (("good", "pqr"), ("bad", "xy")) for word in words]
    found = throughtime.train(Reviews, texts, folds=5, held_out=0, progress=False, **TINY)
    assert [len(lines(run.folder / "test.jsonl")) for run in found.runs] == [1] * 5
    right = [(figures or {})["accuracy"] for figures in found.figures]
    assert set(right) <= {0.0, 100.0}
    figures = found.report.figures
    assert figures["accuracy"] == pytest.approx(mean(right))
    assert figures["majority_accuracy"] == 60.0
    assert found.spread == {}
    assert not {"macro_f1", "accuracy_spread"} & figures.keys()
    assert str(found).startswith(
        "leave one out: each of 5 examples judged by a model that was trained on the others\nfigure "
    )
    assert "by fold" not in str(found)
    kept = found.save(tmp_path / "kept").runs[4]
    assert kept.evaluate().figures == found.figures[4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--folds", "1"], "--folds: input should be greater than or equal to 2, got 1"),
        (["--folds", "19"], "--folds: expected at most 18, as many as there are examples that differ"),
        (["--folds", "3", "--group", "^(.)"], "--folds: expected at most 1,"),
        (["--folds", "3", "--cell", "rnn,gru"], "--folds: expected one --cell, got rnn,gru"),
        (["--folds", "3", "--fold", "4"], "--fold: expected one of the folds that --folds counts, got 4"),
        (["--folds", "3", "--test", "{table}"], "--folds: each fold is tested on in turn, but a test part is there"),
        (["--folds", "3", "--cell", "ltsm"], "unknown cell 'ltsm'"),
        (["--folds", "3", "--held-out", "0", "--patience", "2"], "--patience 2: goes by validation, and nothing is"),
        (["--folds", "3", "--held-out", "0", "--schedule", "plateau"], "--schedule plateau: goes by validation"),
        (["--held-out", "0", "--cell", "rnn,gru"], "--cell: nothing is held out to compare rnn, gru by"),
        (["--cell", "rnn,gruu"], "unknown cell 'gruu'"),
        (["--cell", "gru,rnn", "--cell-option", "memory=9"], "--cell-option: cell rnn has no option 'memory'"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_step(
    options: list[str], expected: str, table: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda self: pytest.fail("it trains"))
    given = [option.format(table=table) for option in options]
    assert call("train", "sentiment", table, "--out", tmp_path / "a" / "run", *OPTIONS, *given) == 2
    told = capsys.readouterr().err.splitlines()
    assert len([line for line in told if line.startswith("throughtime: ")]) == 1
    assert told[-1].startswith(f"throughtime: {expected}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--folds", "4"], "--folds: a resumed run keeps 3, got 4"),
        (["--hidden", "5"], "--hidden: a resumed run keeps 4, got 5"),
        (["--fold", "2"], "to go on with one: --out {out}/fold-2 --resume"),
    ],
)
def test_what_would_change_a_cross_validation_is_refused(
    options: list[str], expected: str, folds: throughtime.CrossValidation, capsys: Any
) -> None:
    assert call("train", "sentiment", "--out", folds.folder, "--resume", *options) == 2
    assert expected.format(out=folds.folder) in capsys.readouterr().err
    assert folds.finished


def test_what_an_evaluation_lacks_shows_before_the_first_step(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(self: Any, model: Any, examples: Any, options: Any) -> Report:
        raise throughtime.UserError("evaluating needs a library")

    monkeypatch.setattr(Reviews, "evaluate", lacking)
    monkeypatch.setattr(Trainer, "run", lambda self: pytest.fail("it trains"))
    with pytest.raises(throughtime.UserError, match="needs a library"):
        throughtime.train(Reviews, table, folds=3, out=tmp_path / "run", progress=False, **TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_a_stranger_leads_nowhere_and_is_held_against_its_form(
    folds: throughtime.CrossValidation, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(folds.folder, run)
    (run / "fold-2").rename(tmp_path / "theirs")
    (run / "fold-2").symlink_to(tmp_path / "theirs")
    with pytest.raises(throughtime.UserError, match=r"fold-2: a link that leads out of the model folder"):
        throughtime.CrossValidation(run)
    (run / "fold-2").unlink()
    whole = json.loads((run / "folds.json").read_text())
    for name, value in (("format", 2), ("examples", [0, 1, 2]), ("figures", [None]), ("figures", [{"a": "b"}] * 3)):
        (run / "folds.json").write_text(json.dumps({**whole, name: value}))
        with pytest.raises(throughtime.UserError, match=r"folds\.json"):
            throughtime.CrossValidation(run)
    (run / "folds.json").unlink()
    with pytest.raises(throughtime.UserError, match=r"expected a cross-validation, found no folds\.json"):
        throughtime.CrossValidation(run)


def test_minutes_are_of_each_fold(table: Path, tmp_path: Path, capsys: Any) -> None:
    given = {**TINY, "minutes": 0.5}
    throughtime.train("sentiment", table, folds=2, out=tmp_path / "run", **given)
    told = capsys.readouterr().err.splitlines()[0]
    assert told.endswith(
        "2 models, each judged by 9 examples that it is not trained on; each has --minutes 0.5, 1 at most in all"
    )
