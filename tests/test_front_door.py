"""What somebody meets who works from Python: rooms on request, arguments misspelt, paths, and how things look."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

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


def _calls() -> Iterator[tuple[str, Any]]:
    """What the front door hands out, and what a run, a cross-validation and a model of texts can be asked for."""
    for name in throughtime.__all__:
        thing = getattr(throughtime, name)
        if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, Exception)):
            continue
        if inspect.isclass(thing) and not issubclass(thing, torch.nn.Module):
            yield from (
                (f"{name}.{method}", inner)
                for kind in thing.__mro__[:-1]
                for method, inner in vars(kind).items()
                if inspect.isfunction(inner) and (method == "__init__" or not method.startswith("_"))
            )
        elif not inspect.isclass(thing) or thing is throughtime.LanguageModel:
            yield name, thing


CALLS = dict(_calls())
OWN = {"Cell"}
"""Whose arguments are those of a user's own class."""


@pytest.mark.parametrize("name", CALLS)
def test_what_the_front_door_hands_out_brings_the_nearest_argument(name: str) -> None:
    parameters = inspect.signature(CALLS[name]).parameters
    named = [p for p in parameters if p != "self"]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if takes_any or not named or name.partition(".")[0] in OWN:
        return  # options have a test of their own
    for right in named:
        wrong = f"{right[:-1]}{right[-1] * 2}"
        with pytest.raises(TypeError, match=rf"has no argument '{wrong}' \(did you mean '{right}'\?\); it takes "):
            CALLS[name](**{wrong: 1})
    assert len(named) > 0


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda run: throughtime.train("sentiment", progres=False), "progress"),
        (lambda run: throughtime.train("sentiment", vaild="a.csv"), "valid"),
        (lambda run: run.resume(progres=False), "progress"),
        (lambda run: run.sample(nummber=2), "number"),
        (lambda run: run.sample(promt="a"), "prompt"),
        (lambda run: run.evaluate(dta="a.txt"), "data"),
    ],
)
def test_beside_options_arguments_may_be_meant(texts: throughtime.Run, call: Any, right: str) -> None:
    with pytest.raises(UserError, match=rf"unknown option '\w+' \(did you mean '{right}'\?\)"):
        call(texts)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> throughtime.Run:
    path = tmp_path_factory.mktemp("texts") / "a.txt"
    path.write_text("one two three\n" * 40, encoding="utf-8")
    return throughtime.train("text", path, steps=1, hidden=4, batch=2, bptt=8, progress=False)


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
