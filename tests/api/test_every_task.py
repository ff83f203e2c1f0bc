"""Every task through train, load and all that its model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import throughtime
from made_data import MAKERS, Made
from throughtime.tasks import TASKS

PREDICTS = [name for name in TASKS if name not in ("text", "agreement", "adding", "copy")]


def settings_of(made: Made) -> dict[str, Any]:
    """Options of the command line as settings by name, which Python's users write as numbers."""
    words = iter(made.options)
    given: dict[str, Any] = {}
    for name, value in zip(words, words, strict=True):
        number = float(value) if value.replace(".", "").isdigit() else value
        given[name[2:].replace("-", "_")] = int(number) if isinstance(number, float) and number.is_integer() else number
    return given


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


SIGNALS = ("speech", "music", "dna", "video")


def test_a_look_inside_prints(tmp_path: Path) -> None:
    made = MAKERS["sentiment"](tmp_path, "plain")
    run = throughtime.train("sentiment", made.data, progress=False, **settings_of(made))
    seen = run.inspect(out=tmp_path / "page", rows=2, length=12)
    assert seen.page.exists()
    assert seen.findings
    assert str(seen).endswith(f"the page: {seen.page}")
    assert seen.data["page"] == str(seen.page)
    assert "<table>" in seen._repr_html_()
