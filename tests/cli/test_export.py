"""``throughtime export``: what a model can become, files whole or not at all, and what is asked wrongly in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import throughtime
from throughtime import runtime
from throughtime.errors import UserError
from throughtime.export import onnx
from throughtime.models import LanguageModel, LanguageModelConfig, TreeClassifier, TreeClassifierConfig

pytest.importorskip("onnxruntime")


def test_without_options_forms_and_their_sizes_are_told(call: Any, model: Path) -> None:
    rows = [line.split()[:2] for line in call("export", model).out.splitlines()]
    assert rows == [["form", "file"], ["sequence", "model.onnx"], ["step", "step.onnx"]]
    told = call("export", model, "--json").json
    names = {form: [value["name"] for value in part["inputs"]] for form, part in told.items()}
    assert names == {"sequence": ["inputs", "targets", "lengths", "h", "c"], "step": ["inputs", "h", "c"]}
    assert told["step"]["bytes"] == len(onnx(throughtime.load(model), form="step").SerializeToString())


def test_a_folder_and_files_are_written(call: Any, model: Path, tmp_path: Path) -> None:
    out, step = tmp_path / "made" / "out", tmp_path / "one.onnx"
    told = call("export", model, "--out", out, "--step", step).err.splitlines()
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.onnx", "step.onnx", "tokenizer.json"]
    assert [line.split(": ")[1] for line in told] == [
        *(str(out / name) for name in ("model.onnx", "step.onnx", "tokenizer.json", "model.json")),
        str(step),
    ]
    assert step.read_bytes() == (out / "step.onnx").read_bytes()
    (score,) = runtime.open(out).score("The cat")
    assert score.log_prob == pytest.approx(throughtime.load(model).score("The cat")[0].log_prob, abs=1e-4)


def test_what_is_asked_wrongly_is_a_line_and_nothing_is_written(call: Any, model: Path, tmp_path: Path) -> None:
    before = sorted(model.rglob("*"))
    for arguments, told in (
        (["--out", model], "already exists; pass another --out"),
        (["--out", tmp_path / "a", "--onnx", tmp_path / "none" / "b.onnx"], "expected a folder that exists"),
        (["--stepp", tmp_path / "b.onnx"], "'--step'"),
    ):
        answer = call("export", model, *arguments)
        assert answer.code == 2
        assert told in answer.err
        assert len(answer.err.splitlines()) == 1
    with pytest.raises(UserError, match=r"has no form 'stp' \(did you mean 'step'\?\); it has sequence, step"):
        throughtime.load(model).export(stp=tmp_path / "b.onnx")
    assert list(tmp_path.iterdir()) == []
    assert sorted(model.rglob("*")) == before


def test_a_model_by_itself_becomes_a_graph_or_says_why_not() -> None:
    language = LanguageModel(LanguageModelConfig(vocabulary=9, hidden=4, embedding=3))
    metadata = {each.key: each.value for each in onnx(language, form="step").metadata_props}
    assert metadata["model_type"] == "throughtime-LanguageModel-step"
    with pytest.raises(UserError, match=r"has no form 'steps' \(did you mean 'step'\?\)"):
        onnx(language, form="steps")
    trees = TreeClassifier(TreeClassifierConfig(words=3, labels=2, hidden=2, embedding=2))
    with pytest.raises(UserError, match="its steps follow a tree, whose shape changes from input to input"):
        onnx(trees)


def test_metadata_tell_what_a_program_needs(model: Path) -> None:
    told = {each.key: each.value for each in onnx(throughtime.load(model)).metadata_props}
    assert told["model_type"] == "throughtime-text-sequence"
    assert (told["task"], told["unit"], told["line_ends"], told["cell"]) == ("text", "characters", "0", "lstm")
    assert told["version"] == throughtime.__version__
