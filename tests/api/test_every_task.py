"""Every task through train, load and all that its model does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import throughtime
from made_data import MAKERS, Made, settings_of
from throughtime.tasks import TASKS

PREDICTS = [name for name in TASKS if name not in ("text", "agreement", "adding", "copy")]


@pytest.fixture(scope="module", params=TASKS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Made]:
    folder = tmp_path_factory.mktemp(request.param)
    made = MAKERS[request.param](folder, "plain")
    out = folder / "run"
    throughtime.train(request.param, made.data or None, out=out, progress=False, **settings_of(made))
    return throughtime.load(out), made


def test_a_task_is_judged_and_used_from_python(trained: tuple[throughtime.Run, Made], tmp_path: Path) -> None:
    run, made = trained
    name = run.task.name
    report = run.evaluate()
    assert report.figures
    assert "figure" in str(report)
    assert run.history.rows
    if name in PREDICTS:
        inputs = [word if name not in SIGNALS else Path(word) for word in made.inputs if word != "--line"]
        found = run.predict(inputs)
        assert found
        assert all(isinstance(prediction, throughtime.Prediction) for prediction in found)
        assert all("plain" in str(found) or prediction.data for prediction in found)
    else:
        with pytest.raises(throughtime.UserError):
            run.predict(["the cat"])
    if name in ("text", "music"):
        drawn = run.sample(made.prompt, length=8, seed=0)
        assert drawn.text == run.sample(made.prompt, length=8, seed=0).text
        assert drawn.data["text"]
        assert str(drawn) in repr(drawn) or "\n" in str(drawn)
        suffix = ".txt" if name == "text" else ".mid"
        drawn.save(tmp_path / f"drawn{suffix}")
        assert (tmp_path / f"drawn{suffix}").stat().st_size
    else:
        with pytest.raises(throughtime.UserError, match="draws nothing"):
            run.sample("a")
    if name == "text":
        assert run.score("the cat")[0].log_prob < 0
    else:
        with pytest.raises(throughtime.UserError, match="scores no lines"):
            run.score("the cat")


SHOWN = {
    "text": r"(\w+|\.|⏎)( (\w+|\.|⏎))*",
    "sentiment": r"\w+( \w+)* plain \. → (good|plain)",
    "sentiment-trees": r"plain (\w+) \1 → [0-4]",
    "entities": r"anna saw plain \. → B-plain O B-loc O",
    "translation": r"\w+( \w+)* plain \. → \. plain \w+( \w+)*",
    "pronunciation": r"p l a i n( \w){4} → plain( [A-Z]){4}",
    "speech": r".*/train/plain\d\.wav: 0\.50 s → the plain",
    "music": r".*/plaintune\d+\.mid: (plaintune )?C4 · for 1 beat · after 1 beat · .* …",
    "dna": r"[ACGT]{20} → (donor|plain)",
    "video": r".*/plain\.csv:\d+: 6 steps × 2 numbers: (-?[\d.]+ -?[\d.]+, ){3}… → (left|plain)",
    "series": r".*/train\.csv:\d+: 12 steps × 1 channel: (-?[\d.]+, ){3}… → (left|plain)",
    "forecast": r".*/plain\.csv:\d+: (plain|five|noise), \d+ steps from 2024-01-01T00:00:00: (-?[\d.]+, ){6}…",
    "agreement": r"the \w+ ,.* → \w+",
    "adding": r"8 steps × 2 features, marked 0\.\d{4} at step \d and 0\.\d{4} at step \d → [01]\.\d{4}",
    "copy": r"(\d ){5}(_ ){7}>( _){5} →( \d){5}",
}
"""An example as the model sees it, by task."""


def test_a_run_tells_what_it_read_and_what_guessing_comes_to(trained: tuple[throughtime.Run, Made]) -> None:
    run, made = trained
    read, name = run.read, run.task.name
    train, valid = read.parts["train"], read.parts["valid"]
    assert train.source
    assert valid.source
    assert train.files if made.data else not train.files
    for part in (train, valid):
        assert part.examples > 0
        assert 0 < part.lengths.median <= part.lengths.longest <= part.lengths.total
        assert part.lengths.unit
    assert len(read.shown) == 3
    for line in read.shown:
        assert re.fullmatch(SHOWN[name], line), line
        assert not re.search(r"\w+\(|\b(where|label|text|words|audio|notes|path): ", line)
    guess = read.guess
    assert guess is not None
    last = run.history.rows[-1]
    assert guess.figure in dict(zip(run.history.columns, last, strict=True))
    assert guess.beaten(guess.value + (1e-6 if guess.higher else -1e-6))
    assert not guess.beaten(guess.value - (1e-6 if guess.higher else -1e-6))


def test_an_evaluation_no_better_than_guessing_says_so(trained: tuple[throughtime.Run, Made]) -> None:
    run, _ = trained
    with torch.no_grad():
        for weight in run.model.parameters():
            weight.zero_()
    report = run.evaluate()
    told = [remark for remark in report.remarks if remark.startswith("no better than guessing")]
    assert all(remark in told or " is worse than " in remark for remark in report.remarks)
    if not told:  # whoever says the same symbol for ever may have luck
        assert (run.task.name, report.figures["accuracy"] > report.figures["chance"]) == ("copy", True)
        return
    found = re.fullmatch(r"no better than guessing: (.+?) ([\d.,]+)(?: \S+)?, and .+ gives ([\d.,]+)(?: \S+)?", *told)
    assert found is not None
    assert report.figures[found[1].replace(" ", "_")] == pytest.approx(float(found[2].replace(",", "")), rel=1e-2)
    assert str(report).endswith(report.remarks[-1])


SIGNALS = ("speech", "music", "dna", "video", "series", "forecast")


@pytest.mark.usefixtures("undrawn")
def test_a_look_inside_prints(tmp_path: Path) -> None:
    made = MAKERS["sentiment"](tmp_path, "plain")
    run = throughtime.train("sentiment", made.data, progress=False, **settings_of(made))
    seen = run.inspect(out=tmp_path / "page", rows=2, length=12)
    assert seen.page.exists()
    assert seen.findings
    assert str(seen).endswith(f"the page: {seen.page}")
    assert seen.data["page"] == str(seen.page)
    assert "<table>" in seen._repr_html_()


WAYS = "stream: .* reads in both directions, .* train one with --no-bidirectional"
PAIRS = "a stream: .* reads none, as it reads an input in both directions before .* give it whole inputs"
NO_STREAM = {
    **dict.fromkeys(("sentiment", "entities", "dna", "video", "series", "speech"), WAYS),
    **dict.fromkeys(("translation", "pronunciation"), PAIRS),
    **dict.fromkeys(("agreement", "adding", "copy"), "a stream: a model of task .* reads none; give it whole inputs"),
    "forecast": r"a stream: expected the time of its first number, .* pass --start 2024-01-01T00:00 \(start=\)",
    "sentiment-trees": "a stream: .* reads none, as its steps follow a tree up to the root; give it whole inputs",
}
"""Why a model of both directions, or of a task that needs an input as a whole, reads none as it comes."""


def test_a_model_that_needs_the_whole_of_an_input_says_why(trained: tuple[throughtime.Run, Made]) -> None:
    run, _ = trained
    if run.task.name not in NO_STREAM:
        assert run.open_stream().takes == {"text": "text", "music": "notes"}[run.task.name]
        return
    for ask in (run.open_stream, lambda: list(run.stream(None))):
        with pytest.raises(throughtime.UserError, match=NO_STREAM[run.task.name]) as refused:
            ask()
        assert "\n" not in str(refused.value)
