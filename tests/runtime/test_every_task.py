"""Every task leaves Throughtime, and answers there as its run does; or says in a line why it has no form."""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import throughtime
from made_data import MAKERS
from throughtime import runtime
from throughtime.cli import run as call
from throughtime.errors import UserError
from throughtime.runtime.__main__ import main
from throughtime.tasks import TASKS
from throughtime.tasks.memory.adding import Adding
from throughtime.tasks.memory.copying import Copying

pytest.importorskip("onnxruntime")

NONE = {
    "sentiment-trees": "its steps follow a tree",
    "series": "its task declares none",
    "forecast": "made of a whole history",
}
"""Why a task has no form."""

ELSEWHERE = {"text", "sentiment", "entities", "translation", "pronunciation", "speech", "music"}
"""Tasks whose answers are compared in files of their own, over all options."""

DNA = ["ACGTNNRYACGTTAGA", "acgt", "GATTACA" * 9, ""]
POINTS = [np.random.default_rng(0).normal(size=(steps, 2)).astype(np.float32) for steps in (5, 1, 9)]


def trained(task: str, folder: Path) -> throughtime.Run:
    made = MAKERS[task](folder, "planted")
    assert call(["train", task, *map(str, made.data), "--out", str(folder / "run"), *made.options]) == 0
    return throughtime.load(folder / "run")


def close(found: Any, expected: Any) -> bool:
    """Equal, numbers to 1e-4."""
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(close(found[name], expected[name]) for name in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(close, found, expected))
    return bool(found == pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else found == expected)


def predicted(run: throughtime.Run, inputs: list[Any], **options: Any) -> list[dict[str, Any]]:
    return [each.data for each in run.predict(inputs, **options)]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_leaves_or_says_why(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(task, tmp_path)
    if task in NONE:
        with pytest.raises(UserError, match=NONE[task]):
            run.export(tmp_path / "exported")
        assert not (tmp_path / "exported").exists()
        return
    run.export(tmp_path / "exported")
    model: Any = runtime.open(tmp_path / "exported")
    assert model.folder.task == task
    reads_or_refuses(model, tmp_path, capsys)
    of_nothing(task, run, model)
    remarks(task, run, model, tmp_path)
    of_another(task, tmp_path)
    if task in ARRAYS:
        of_files(ARRAYS[task], model, tmp_path)
    if task == "dna":
        assert close(model.predict(DNA), predicted(run, DNA))
    elif task == "video":
        assert close(model.predict(POINTS), predicted(run, POINTS))
        assert close(model.predict(POINTS, explain=True), predicted(run, POINTS, explain=True))
    elif task == "agreement":
        remembered(run, model)
    elif task == "adding":
        examples = list(Adding.make("test", run.settings))[:5]
        batch = Adding(run.settings, {}).batch(examples)
        with torch.no_grad():
            expected = run.model(batch.features, batch.lengths).tolist()
        assert close(model.predict(list(batch.features.numpy())), [{"numbers": each} for each in expected])
    elif task == "copy":
        read = Copying(run.settings, {}).batch(list(Copying.make("test", run.settings))[:5]).words
        with torch.no_grad():
            said = run.model.scores(read).argmax(2).tolist()
        assert model.predict(list(read.words.numpy())) == [{"symbols": each} for each in said]
        with pytest.raises(UserError, match="input 1: expected whole numbers from 0 to 9"):
            model.predict([[10]])
    else:
        assert task in ELSEWHERE


ARRAYS: dict[str, Any] = {
    "video": POINTS[0],
    "adding": np.ones((4, 2)),
    "copy": np.array([1, 0, 3]),
    "music": np.eye(6, 88, 40, dtype=np.uint8),
}
"""An input that is an array."""


def of_files(array: Any, model: Any, folder: Path) -> None:
    """A file of NumPy's is the array in it."""
    np.save(folder / "a.npy", array)
    assert model.predict([str(folder / "a.npy")]) == model.predict([array])
    (folder / "b.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"b\.npy: expected arrays that NumPy wrote"):
        model.predict([folder / "b.npy"])


STRANGE: dict[str, list[Any]] = {
    "sentiment": ["the cat", "cat " * 2001],
    "entities": ["the cat", "cat " * 2001],
    "translation": ["the", "zyx q", ""],
    "pronunciation": ["cat", "héß"],
    "dna": ["acgt", "ACGT" * 501],
    "speech": ["torn.wav"],
}
"""Inputs that something should be known of."""


def remarks(task: str, run: throughtime.Run, model: Any, folder: Path) -> None:
    """What the run tells of a model and of inputs is told without it, too."""
    assert list(model.folder.cautions) == list(run.cautions)
    inputs = STRANGE.get(task, [])
    if task == "speech":
        inputs = [str(folder / inputs[0])]
        (sound,) = list(folder.rglob("*.wav"))[:1]
        Path(inputs[0]).write_bytes(sound.read_bytes()[: sound.stat().st_size * 2 // 3])
    with runtime.noting() as notes:
        if task == "text":
            model.sample("zyx the", length=1)
        elif inputs:
            model.predict(inputs)
    names = inputs if task == "speech" else [f"line {number}" for number in range(1, 1 + len(inputs))]
    found = run.predict(inputs) if inputs else []
    expected = [f"{n}: {told}" for n, each in zip(names, found, strict=True) for told in each.warnings]
    assert notes.lines() == (list(run.sampler.warnings("zyx the")) if task == "text" else expected)
    assert (task in STRANGE or task == "text") == bool(notes.lines())
    if task in STRANGE:
        with redirect_stderr(StringIO()) as told:
            assert main([str(model.folder.path), "predict", *inputs]) == 0
        cautions = [f"{model.folder.path}: {caution}" for caution in run.cautions]
        assert told.getvalue().splitlines() == [f"throughtime: {line}" for line in [*cautions, *expected]]


NOTHING: dict[str, list[Any]] = {
    "text": [[], [""], ["\n"], [" "]],
    "sentiment": [[], "", [""], [" "], ["a", ""]],
    "entities": [[], "", [""], [[]], [" "], ["a", ""]],
    "translation": [[], "", [""], [" "]],
    "pronunciation": [[], "", [""], [" "]],
    "dna": [[], "", [""], [" "], ["ACGT", ""]],
    "speech": [[], "", [""], [(np.zeros(0, np.float32), 8000)], [(np.zeros(10, np.float32), 8000)]],
    "music": [[], "", [""], [[]], [np.zeros((0, 88), np.uint8)]],
    "video": [[], "", [""], [[]], [np.zeros((0, 2))], [np.zeros((3, 0))]],
    "agreement": [[], "", [""]],
    "adding": [[], "", [[]], [np.zeros((0, 2))]],
    "copy": [[], "", [[]], [np.zeros(0, np.int64)]],
}
"""Inputs without anything in them."""

WHOLE: dict[str, list[Any]] = {
    **{task: ["the cat"] for task in ("text", "sentiment", "entities", "translation", "pronunciation")},
    **{task: [array] for task, array in ARRAYS.items()},
    "dna": ["ACGTACGTA"],
    "agreement": ["the"],
}
"""An input that is answered."""


def of_another(task: str, folder: Path) -> None:
    """A manifest that tells a fact of another kind, or other values of a graph, is refused where that is read."""
    file = folder / "exported" / "model.json"
    whole = file.read_text()
    inputs = WHOLE[task] if task in WHOLE else [str(folder / "torn.wav")]

    def refusal(*place: str | int, value: Any) -> str | None:
        told = json.loads(whole)
        inner = told
        for name in place[:-1]:
            inner = inner[name]
        inner[place[-1]] = value
        file.write_text(json.dumps(told))
        try:
            getattr(runtime.open(folder / "exported"), "score" if task == "text" else "predict")(inputs)
        except UserError as error:
            return str(error)
        return None

    told = json.loads(whole)
    assert refusal("version", value=told["version"]) is None
    for fact in set(told["facts"]) - UNREAD:
        for odd in (None, [["x"]], {}):
            assert f"model.json: expected the fact {fact!r} to be" in str(refusal("facts", fact, value=odd))
    name = "sequence" if "sequence" in told["graphs"] else "encoder"
    for side in ("inputs", "outputs"):
        for part, odd in (("name", "x"), ("type", "uint8"), ("shape", [7])):
            place = ("graphs", name, side, 0, part)
            if told["graphs"][name][side][0][part] != odd:
                assert refusal(*place, value=odd)
            assert "the file is damaged" in str(refusal(*place, value=None))
    file.write_text(whole)


UNREAD = {"unit", "scheme"}
"""Facts that tell others what a tokenizer says itself, or that are read of some inputs alone."""

REMEMBERED = ("agreement", "adding", "copy")
"""Tasks that a run itself reads no inputs of."""


def of_nothing(task: str, run: throughtime.Run, model: Any) -> None:
    """Inputs without anything are answered as the run does, or refused; no graph is given what ends the process."""
    own = "score" if task == "text" else "predict"
    for inputs in NOTHING[task]:
        found, expected = (told_of(side, own, inputs) for side in (model, run))
        if task in REMEMBERED:
            assert found is None or len(found) == len(inputs) or inputs == ""
        else:
            assert close(found, expected), inputs
    for network in model.folder.graphs.values():
        for missing in {size for value in network.inputs.values() for size in value.shape if isinstance(size, str)}:
            fed = {name: zeros(value.shape, missing) for name, value in network.inputs.items()}
            with pytest.raises(UserError, match="expected a row and a step at least, got"):
                network({}, **fed)


def zeros(shape: Any, missing: str) -> Any:
    """One of every dimension that has a name, none of one of them."""
    return np.zeros([size if isinstance(size, int) else int(size != missing) for size in shape])


def told_of(side: Any, method: str, inputs: Any) -> Any:
    """What is told of inputs; None where they are refused in a line."""
    try:
        found = getattr(side, method)(inputs)
    except UserError:
        return None
    return [vars(each) if method == "score" else each if isinstance(each, dict) else each.data for each in found]


def reads_or_refuses(model: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that the task is trained on is read in a shell, or refused in a line: it never becomes a text itself."""
    (folder / "a.txt").write_text("made by the task\n")
    made = [path for path in folder.rglob("*") if path.is_file() and not {"run", "exported"} & {*path.parts}]
    file = min(made, key=lambda path: (path.suffix == ".txt", path))  # transcripts, or all that there is
    capsys.readouterr()
    status = main([str(model.folder.path), "predict", str(file)])
    said, told = capsys.readouterr()
    if model.instead is None:
        assert (status, bool(said)) == (0, True)
    else:
        *_, refused = told.splitlines()  # after what is to be known of the model
        assert (status, said) == (2, "")
        assert refused.startswith(f"throughtime: {file}: a model of task {model.folder.task!r} reads no files of this ")
        assert refused.endswith(f"give it {model.instead}")


def remembered(run: throughtime.Run, model: Any) -> None:
    task = TASKS["agreement"].load(run.folder).bound
    examples = list(task.make("test", run.settings))[:6]
    with torch.no_grad():
        expected = run.model.log_probs(task.batch(examples).steps).double().exp()
    found = model.predict([" ".join(example.words) for example in examples])
    for row, each in zip(expected.tolist(), found, strict=True):
        assert close(
            {name: each["probabilities"][name] for name in task.forms.symbols},
            dict(zip(task.forms.symbols, row, strict=True)),
        )
