"""What somebody meets who works from Python: rooms on request, arguments misspelt, paths, and how things look."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import throughtime
from throughtime import UserError


def test_rooms_load_when_they_are_asked_for() -> None:
    script = "import throughtime; print(*throughtime.tasks.TASKS, throughtime.data.vocabulary.Vocabulary.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "Vocabulary"
    with pytest.raises(AttributeError, match=r"has no attribute 'LTSM' \(did you mean 'LSTM'\?\)"):
        throughtime.LTSM  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no attribute 'layer' \(did you mean 'layers'\?\)"):
        throughtime.layer  # noqa: B018


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_an_argument_misspelt_brings_the_nearest(layer: str) -> None:
    for wrong, right in (("zonout", "zoneout"), ("batchfirst", "batch_first"), ("bidirectionl", "bidirectional")):
        with pytest.raises(TypeError, match=f"{layer} has no argument '{wrong}' .did you mean '{right}'"):
            getattr(throughtime, layer)(3, 4, **{wrong: 0.1})
    with pytest.raises(TypeError, match=r"Recurrent has no argument 'proj' .did you mean 'proj_size'"):
        throughtime.Recurrent("lstm-projected", 3, 4, proj=2)


def test_one_text_is_no_list_of_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three\n" * 40, encoding="utf-8")
    run = throughtime.train(
        "text", tmp_path / "a.txt", out=str(tmp_path / "run"), steps=2, hidden=4, batch=2, bptt=8, progress=False
    )
    model = throughtime.TextModel(str(tmp_path / "run"))
    assert repr(model) == f"TextModel('{tmp_path / 'run'}', Tokenizer(characters, {len(model.tokenizer)} tokens))"
    assert len(run.score("one two")) == 1
    for call in (model.score, model.tokenizer.train):
        with pytest.raises(UserError, match="expected a list of texts, got one text 'one two'; put it into a list"):
            call("one two")
    for wrong, words in (
        (5, "lines: expected a list of texts, got 5"),
        (["a", 7], "lines: expected texts, got 7 as number 2"),
    ):
        with pytest.raises(UserError, match=words):
            run.score(wrong)
    with pytest.raises(UserError, match=r"--device: expected auto, cpu, cuda, got 'gpu'"):
        throughtime.load(tmp_path / "run", device="gpu")


def test_paths_may_be_texts() -> None:
    """What the rooms' front doors take as a path; tasks are handed theirs by the program."""
    rooms = ("throughtime", "training", "inspection", "layers", "engine", "models", "decoding")
    for room in rooms:
        module = throughtime if room == "throughtime" else getattr(throughtime, room)
        for name in module.__all__:
            thing = getattr(module, name)
            inner = vars(thing) if inspect.isclass(thing) else {}
            members = [m for k, m in inner.items() if not k.startswith("_") or k == "__init__"]
            for call in [thing, *members]:
                if inspect.isfunction(call):
                    for parameter in inspect.signature(call).parameters.values():
                        kinds = str(parameter.annotation)
                        assert "Path" not in kinds or "str" in kinds, (room, name, call.__name__, parameter.name)


def test_what_people_hold_shows_itself() -> None:
    tasks = [repr(task) for task in throughtime.tasks.TASKS.values()]
    vocabulary = throughtime.data.vocabulary.Vocabulary(["no", "yes"])
    stream = throughtime.Recurrent("lstm", 3, 4).stream()
    for shown in (*tasks, repr(vocabulary), repr(stream)):
        assert " object at 0x" not in shown
    assert repr(vocabulary) == "Vocabulary(2 symbols: no, yes)"
