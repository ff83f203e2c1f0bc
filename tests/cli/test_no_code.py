"""No folder runs code unasked: every task, every command, every text in every file of the folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strange_folders import changed, commands, copied, refused, texts, write
from throughtime.applications.text_model import TextModel
from throughtime.errors import UserError
from throughtime.tasks import TASKS
from throughtime.tasks.speech.fusion import open_fusion
from throughtime.training.checkpoint import load_tensors, save_tensors

EVIL = "evil:Cell"
CODE = [EVIL, "antigravity:Cell", "throughtime.cells.lstm:LSTMCell"]


@pytest.fixture(autouse=True)
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module that says when it is imported."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "evil.py").write_text("raise SystemExit('evil was imported')\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield
    assert "evil" not in sys.modules
    assert "antigravity" not in sys.modules


PLACES = [("settings",), ("model",), ("settings", "model")]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("places", PLACES, ids="+".join)
def test_no_command_imports_the_cell_that_a_folder_names(
    call: Any, folders: dict[str, Path], tmp_path: Path, task: str, places: tuple[str, ...]
) -> None:
    run = copied(folders[task], tmp_path)
    config = json.loads((run / "config.json").read_text())
    for name in CODE:
        bad = config
        for place in places:
            bad = changed(bad, (place, "cell"), name)
        write(run / "config.json", bad)
        for command, arguments in commands(task, run).items():
            message = refused(call, *arguments)
            if command in ("evaluate", "inspect"):
                told = f"pass --cell {name} if you trust it" if len(places) == 2 else "expected the same cell"
                assert told in message
        with pytest.raises(UserError):
            TASKS[task].load(run)


@pytest.mark.parametrize("task", TASKS)
def test_no_command_imports_the_task_that_a_folder_names(
    call: Any, folders: dict[str, Path], tmp_path: Path, task: str
) -> None:
    run = copied(folders[task], tmp_path)
    config = json.loads((run / "config.json").read_text())
    for name in CODE:
        write(run / "config.json", {**config, "task": name})
        for command, arguments in commands(task, run).items():
            told = "got one of task" if command in ("score", "train") else f"pass --task {name} if you trust it"
            assert told in refused(call, *arguments)


@pytest.mark.parametrize("task", TASKS)
def test_no_text_of_a_folder_is_imported(call: Any, folders: dict[str, Path], tmp_path: Path, task: str) -> None:
    """Another text may be a word, a label or a name of a file: it does no harm, or is refused in a line."""
    run = copied(folders[task], tmp_path)
    for name in ("config.json", "vocabulary.json"):
        if not (run / name).exists():
            continue
        whole = (run / name).read_text(encoding="utf-8")
        for path in texts(json.loads(whole)):
            write(run / name, changed(json.loads(whole), path, EVIL))
            for command in ("evaluate", "train") if path[0] == "settings" else ("evaluate",):
                answer = call(*commands(task, run)[command])
                assert answer.code in (0, 2), (path, answer.err)
                assert "Traceback" not in answer.err
                assert answer.code == 0 or len(answer.err.splitlines()) == 1, (path, answer.err)
        (run / name).write_text(whole, encoding="utf-8")


@pytest.mark.parametrize("task", TASKS)
def test_no_text_of_a_checkpoint_is_imported(call: Any, folders: dict[str, Path], tmp_path: Path, task: str) -> None:
    run = copied(folders[task], tmp_path)
    path = run / "checkpoint.safetensors"
    tensors, data = load_tensors(path)
    data |= {"cell": "lstm", "task": task}
    for place in texts(data):
        save_tensors(path, tensors, changed(data, place, EVIL))
        assert call(*commands(task, run)["train"]).code in (0, 2)


@pytest.mark.parametrize("place", ["settings", "model"])
def test_a_language_model_beside_a_search_imports_nothing(
    call: Any, folders: dict[str, Path], tmp_path: Path, place: str
) -> None:
    lm = copied(folders["text"], tmp_path)
    config = json.loads((lm / "config.json").read_text())
    song = next(folders["speech"].parent.rglob("*.wav"))
    for name in CODE:
        write(lm / "config.json", changed(config, (place, "cell"), name))
        refused(call, "predict", folders["speech"], song, "--lm", lm)
        refused(call, "evaluate", folders["speech"], "--lm", lm)
        with pytest.raises(UserError):
            TextModel(lm)
        with pytest.raises(UserError):
            open_fusion(lm, ["", "a"], "characters")


OWN = """
from typing import ClassVar
from throughtime.layers import Recurrent
from throughtime.applications.settings import option
from throughtime.tasks.memory.adding import Adding, AddingSettings
from throughtime.models import Regressor

class Settings(AddingSettings):
    inner: str = option("lstm", "A second cell.", "Model")

class Mine(Adding):
    name: ClassVar[str] = "mine"
    settings_type = Settings

    def build(self):
        return Regressor(Recurrent(self.settings.inner, 2, self.settings.hidden))
"""


def test_a_setting_of_an_own_task_gives_no_leave(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own_task_of_two_cells.py").write_text(OWN)
    Path("good_cell.py").write_text("from throughtime.cells.gru import GRUCell as Cell\n")
    task, run, good = "own_task_of_two_cells:Mine", tmp_path / "run", "good_cell:Cell"
    sizes = ["--examples", "20", "--held-out", "10", "--length", "10", "--hidden", "4", "--steps", "2", "--cell", "gru"]
    assert call("train", task, "--out", run, *sizes, "--inner", good).code == 0
    monkeypatch.delitem(sys.modules, "good_cell")
    assert f"pass --cell {good} if you trust it" in refused(call, "evaluate", run, "--task", task)
    assert f"pass --cell {good} if you trust it" in refused(call, "train", task, "--out", run, "--resume")
    assert "good_cell" not in sys.modules
    assert call("evaluate", run, "--task", task, "--cell", f"gru,{good}").code == 0
    assert call("train", task, "--out", run, "--resume", "--inner", good, "--steps", "3").code == 0
