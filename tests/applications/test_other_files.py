"""A model of any task is given files of others: it reads them, or refuses them in a line."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest

import throughtime
from throughtime.cli import run
from throughtime.errors import UserError
from throughtime.tasks import TASKS

FOLDERS = Path(__file__).parents[1] / "folders"

FILES = {
    "heads.conllu": "# label = 1\n1\tso\t_\tADV\t_\t_\t2\tadvmod\t_\t_\n2\tgood\t_\tADJ\t_\t_\t0\troot\t_\t_\n\n",
    "lines.txt": "what a day\n(1 (0 a) (1 b))\n",
    "rows.csv": "text,label\nwhat a day,1\nnot a day,0\n",
    "tokens.conll": "a\tO\nday\tB-TIME\n\n",
    "tune.abc": "X:1\nT:one\nM:4/4\nL:1/4\nK:C\nCDEF|\n",
    "genes.fasta": ">one\nACGTNACGT\n",
    "rows.jsonl": '{"text": "a day", "audio": "a.wav", "label": 3}\n',
    "sounds.dict": "day D EY1\n",
}


def unpack(task: str, folder: Path) -> Path:
    """The run of the task's recorded folder."""
    with tarfile.open(FOLDERS / f"{task}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "run"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in FILES]


@pytest.mark.parametrize("task", TASKS)
def test_a_file_of_another_task_is_read_or_refused_in_a_line(task: str, files: list[Path], tmp_path: Path) -> None:
    folder = unpack(task, tmp_path)
    for verb in ("predict", "evaluate"):
        for file in files:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run([verb, str(folder), str(file)])
            said = err.getvalue()
            assert code in (0, 2), (verb, file, said)
            assert code == 0 or (said.count("\n") == 1 + said.count("hardly learnt")), (verb, file, said)


@pytest.mark.parametrize("task", [name for name in TASKS if TASKS[name].makes_data])
def test_a_task_that_makes_its_data_says_so(task: str, files: list[Path], tmp_path: Path) -> None:
    opened = throughtime.load(unpack(task, tmp_path))
    for data in (files[0], [{"text": "a"}], [("a", "b")]):
        with pytest.raises(UserError, match=f"task {task} makes its data itself, got .*; leave them out"):
            opened.evaluate(data)
