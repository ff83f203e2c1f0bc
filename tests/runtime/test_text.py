"""A language model that left Throughtime: its scores and texts are those of the run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import throughtime
from throughtime import runtime
from throughtime.errors import UserError
from throughtime.runtime.__main__ import main

pytest.importorskip("onnxruntime")

TEXT = "The quick brown fox jumps over the lazy dog. It didn't see the cat's tail, which was long!\nSo be it.\n" * 30
LINES = ["The quick fox.", "", "Ünknown  cat's—tail", "So\nbe it", "The lazy dog jumps over the quick brown fox."]

SMALL = {"hidden": 12, "embedding": 8, "batch": 4, "steps": 2, "progress": False}
RUNS: dict[str, dict[str, Any]] = {
    "characters": {"unit": "characters", "layers": 2},
    "tied words": {"unit": "words", "tied": True, "cell": "gru", "lowercase": True},
    "byte pairs": {"unit": "bytepairs", "max_vocab": 300, "cell": "mingru"},
    "adaptive sentences": {"unit": "words", "adaptive": True, "sentences": True, "zoneout": 0.1},
    "tokens of lines": {"unit": "tokens", "eos": "newline", "cell": "own_wave:Own"},
}


def trained(name: str, folder: Path) -> throughtime.Run:
    (folder / "text.txt").write_text(TEXT)
    options = {**SMALL, **RUNS[name]}
    return throughtime.train("text", folder / "text.txt", out=folder / "run", **options)


@pytest.fixture(scope="module", params=list(RUNS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Any]:
    folder = tmp_path_factory.mktemp("text")
    run = trained(request.param, folder)
    written = run.export(folder / "exported")
    assert {path.name: path.stat().st_size for path in written} == {path.name: size for path, size in written.items()}
    return run, runtime.open(folder / "exported")


def test_scores_are_those_of_the_run(pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    for expected, found in zip(run.score(LINES, tokens=True), model.score(LINES, tokens=True), strict=True):
        assert (found.text, found.tokens, found.unknown) == (expected.text, expected.tokens, expected.unknown)
        assert found.log_prob == pytest.approx(expected.log_prob, abs=1e-4)
        assert found.perplexity == pytest.approx(expected.perplexity, rel=1e-4)
        assert [each.token for each in found.each] == [each.token for each in expected.each]
        assert [each.log_prob for each in found.each] == pytest.approx([e.log_prob for e in expected.each], abs=1e-4)
    assert model.score("So")[0].each is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7, "top_k": 5},
        {"temperature": 1.3, "top_p": 0.8, "min_length": 20},
        {"temperature": 0},
    ],
    ids=str,
)
def test_a_seed_draws_the_same_text(options: dict[str, Any], pair: tuple[throughtime.Run, Any]) -> None:
    run, model = pair
    for prompt in ("", "The qu", "Ünknown\nSo "):
        expected = run.sample(prompt, seed=3, length=40, **options)
        assert model.sample(prompt, seed=3, length=40, **options) == expected.text
    assert list(model.stream("The", seed=3, length=9)) == list(run.sample("The", seed=3, length=9))


def test_what_is_asked_wrongly_is_told_in_a_line(pair: tuple[throughtime.Run, Any]) -> None:
    _, model = pair
    with pytest.raises(UserError, match="temperature of at least 0 and finite, got -1"):
        model.sample("", temperature=-1)
    with pytest.raises(TypeError, match=r"sample has no argument 'sead' \(did you mean 'seed'\?\)"):
        model.sample("", sead=1)
    with pytest.raises(UserError, match=r"lines: expected texts, got 3 as number 1"):
        model.score([3])
    with pytest.raises(UserError, match="a model of task 'text' predicts nothing"):
        model.predict(["a"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    trained("characters", folder).export(folder / "exported")
    return folder / "exported"


def broken(exported: Path, to: Path, **told: Any) -> Path:
    """A copy of the folder whose manifest says something else."""
    to.mkdir()
    for file in exported.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((to / "model.json").read_text())
    (to / "model.json").write_text(json.dumps({**manifest, **told}))
    return to


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"format": 2}, "expected format 1, got 2"),
        ({"runner": "speach"}, "no runner is called 'speach'"),
        ({"graphs": []}, "expected 'graphs' to be a dict"),
        ({"graphs": {"step": {"file": "../step.onnx", "inputs": [], "outputs": []}}}, "is no file of the folder"),
        ({"graphs": {}}, "has no graph 'sequence'"),
        ({"facts": {}}, "expected the fact 'vocabulary'"),
        ({"facts": {"vocabulary": 5}}, "expected 5 tokens, as model.json says, got 37"),
    ],
    ids=str,
)
def test_a_manifest_that_says_something_else_is_refused(
    told: dict[str, Any], message: str, exported: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        runtime.open(broken(exported, tmp_path / "broken", **told))


def test_files_that_are_damaged_or_not_there_are_told(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a folder that throughtime export made"):
        runtime.open(tmp_path)
    folder = broken(exported, tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"none")
    with pytest.raises(UserError, match=r"ONNX Runtime does not open it .*; export the run again"):
        runtime.open(folder).score(["a"])
    (folder / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"expected the file .*model\.onnx, which does not exist"):
        runtime.open(folder).score(["a"])


def test_a_shell_asks_without_pytorch(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = runtime.open(exported)
    assert main([str(exported), "score", "The fox", "--tokens"]) == 0
    assert json.loads(capsys.readouterr().out) == asdict(model.score("The fox", tokens=True)[0])
    assert main([str(exported), "sample", "The", "--seed", "3", "--top-k=4", "--length", "8"]) == 0
    assert capsys.readouterr().out == model.sample("The", seed=3, top_k=4, length=8) + "\n"
    assert main([str(exported), "stream", "The", "--seed", "3", "--length", "8"]) == 0
    assert capsys.readouterr().out == model.sample("The", seed=3, length=8) + "\n"
    for arguments, told in (
        (["sample", "--sead", "3"], "sample has no option --sead (did you mean '--seed'?)"),
        (["sampel"], "unknown command 'sampel' (did you mean 'sample'?)"),
        (["predict", "a"], "predicts nothing"),
        (["sample", "--seed", "x"], "--seed: expected a whole number, got 'x'"),
        (["sample", "--length", "1.5"], "--length: expected a whole number, got '1.5'"),
        (["sample", "--temperature", "[]"], "--temperature: expected a number, got '[]'"),
        (["sample", "--top-k"], "--top-k: expected a whole number, got nothing"),
        (["sample", "The", "fox"], "sample takes one prompt or file, got 2"),
        (["score", "a", "--tokens=false"], "--tokens takes no value"),
        ([], "the following arguments are required: command; expected: python -m throughtime.runtime FOLDER COMMAND"),
    ):
        assert main([str(exported), *arguments]) == 2
        said, lines = capsys.readouterr()
        *_, line = lines.splitlines()  # after what is to be known of the model
        assert line.startswith("throughtime: ")
        assert (told in line, said) == (True, "")


def test_options_and_inputs_stand_in_any_order(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main([str(exported), *arguments]) == 0
        return capsys.readouterr().out

    first = said("score", "The fox", "a", "--tokens")
    assert first == said("score", "--tokens", "The fox", "a") == said("score", "The fox", "--tokens", "--", "a")
    assert json.loads(said("score", "--", "--tokens"))["text"] == "--tokens"
    expected = said("sample", "The", "--seed", "3", "--length", "8")
    assert expected == said("sample", "--seed=3", "--length=8", "The")
