"""Each floor imports only from its own and from those below it; the lower ones need PyTorch alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import throughtime
from sources import parsed

ROOT = Path(throughtime.__file__).parent
FLOORS = [
    "runtime",
    "cells",
    "program",
    "engine",
    "layers",
    "data",
    "models",
    "decoding",
    "training",
    "inspection",
    "bench",
    "applications",
    "tasks",
    "export",
    "api",
    "serving",
    "cli",
]
GROUND = [
    "console",
    "errors",
    "extras",
    "figures",
    "files",
    "own",
    "pictures",
    "plain",
    "schema",
    "visible",
    "_version",
]
TOP = ["__init__", "__main__"]
LONGEST = 400
MOST = 14
"""Modules of a folder, its ``__init__`` among them."""


def modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def parse(file: Path) -> ast.Module:
    return parsed(file.read_text(encoding="utf-8"))


def origin(node: ast.ImportFrom, package: str) -> str:
    """What ``from … import`` takes from, in full."""
    above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it, in full: ``throughtime.cells``, ``torch``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = origin(node, package)
            # What is imported from the package itself may be a floor, or a public name of the top.
            yield from (f"{base}.{alias.name}" for alias in node.names) if base == "throughtime" else [base]
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)


def house(root: Path) -> dict[str, set[str]]:
    """Every module, and the modules that it imports anywhere in it, for types alone included."""
    names = {}
    for file in modules(root):
        parts = file.relative_to(root).with_suffix("").parts
        names[".".join(["throughtime", *parts]).removesuffix(".__init__")] = file
    needs: dict[str, set[str]] = {}
    for name, file in names.items():
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        found: set[str] = set()
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.ImportFrom):
                base = origin(node, package)
                # what is taken out of a package may be a module of it: then that one is meant
                inside = {f"{base}.{alias.name}" for alias in node.names}
                found |= inside if inside <= names.keys() else {base, *inside}
            elif isinstance(node, (ast.Import, ast.Call)):
                found |= set(imported(node, package))
        needs[name] = {target for target in found if target in names and target != name}
    return needs


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Modules that need each other, each group once (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        path.append(name)
        for target in sorted(edges[name]):
            if target not in order:
                visit(target)
            if target in path:
                low[name] = min(low[name], low[target])
        if low[name] == order[name]:
            group = path[path.index(name) :]
            del path[-len(group) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in edges:
        if name not in order:
            visit(name)
    return sorted(found)


def height(name: str) -> int | None:
    """Floor of ``cells``, ``errors``, …; None where there is none of that name."""
    order = [*GROUND, *FLOORS]
    if name in TOP:
        return len(order)
    return order.index(name) - len(GROUND) if name in order else None


def violations(root: Path) -> list[str]:
    """Imports that go up, and modules that stand on no floor."""
    found = []
    for file in modules(root):
        inside = file.relative_to(root)
        own = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        here = height(own)
        if here is None:
            found.append(f"{inside}: {own} is no floor")
            continue
        package = ".".join(["throughtime", *inside.parent.parts])
        for name in imported(parse(file), package):
            parts = name.rstrip(".").split(".")
            if parts[0] != "throughtime":
                continue
            target = parts[1] if len(parts) > 1 else "__init__"
            there = height(target)
            there = height("__init__") if there is None else there
            assert there is not None
            on_ground = here < 0
            # The ground knows nothing of the house, and its files may know each other.
            if (there >= 0) if on_ground else (there > here):
                found.append(f"{inside}: {own} imports {name}")
    return found


def test_no_floor_imports_from_above() -> None:
    assert violations(ROOT) == []


def strangers(root: Path) -> list[str]:
    """Imports of one task's room by another's: what tasks share stands in ``applications``, or below."""
    found = []
    for file in modules(root / "tasks"):
        inside = file.relative_to(root / "tasks").parts
        if len(inside) < 2:
            continue  # the list of all tasks
        package = ".".join(("throughtime", "tasks", *inside[:-1]))
        for name in imported(parse(file), package):
            parts = name.split(".")
            if parts[:2] == ["throughtime", "tasks"] and (len(parts) < 3 or parts[2] != inside[0]):
                found.append(f"{'/'.join(inside)}: {name}")
    return found


def test_no_task_knows_another() -> None:
    assert strangers(ROOT) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("from throughtime.tasks.dna.task import Dna", 1),
        ("from throughtime.tasks import TASKS", 1),
        ("from ..dna import task", 1),
        ("from throughtime.tasks.music.keys import Keys", 0),
        ("from .keys import Keys", 0),
        ("from throughtime.applications.task import Task", 0),
    ],
)
def test_a_task_that_knows_another_is_found(tmp_path: Path, line: str, count: int) -> None:
    (tmp_path / "tasks" / "music").mkdir(parents=True)
    (tmp_path / "tasks" / "music" / "task.py").write_text(line + "\n")
    assert len(strangers(tmp_path)) == count


def test_the_house_is_seen_at_all() -> None:
    """A reader that finds no imports would find no violation either."""
    text = set(imported(parse(ROOT / "tasks" / "text" / "task.py"), "throughtime.tasks.text"))
    assert {"throughtime.models", "throughtime.data", "throughtime.training", "throughtime.applications.task"} <= text
    assert "throughtime.cli." in set(imported(parse(ROOT / "cli" / "__init__.py"), "throughtime.cli"))
    assert {"cells", "engine", "layers", "data", "models", "decoding", "training", "tasks", "cli"} <= {
        file.relative_to(ROOT).parts[0] for file in modules(ROOT)
    }


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("cells/base.py", "from throughtime.engine import unroll"),
        ("cells/base.py", "import throughtime.layers"),
        ("cells/base.py", "from throughtime import layers"),
        ("cells/base.py", "from throughtime import Recurrent"),
        ("cells/base.py", "import throughtime"),
        ("engine/call.py", "def late():\n    from throughtime.training import Trainer"),
        ("layers/deep.py", "from ..models import LanguageModel"),
        ("layers/deep.py", "from .. import models"),
        ("data/text/files.py", "import importlib\nimportlib.import_module('throughtime.tasks')"),
        ("data/text/files.py", "import importlib\nimportlib.import_module(f'throughtime.{1}')"),
        ("tasks/text/task.py", "from throughtime.cli.shared.common import print_table"),
        ("errors.py", "from throughtime.cells import Cell"),
        ("cellar/wine.py", "import torch"),
    ],
)
def test_an_import_that_goes_up_is_found(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line + "\n")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("cells/lstm.py", "from throughtime.cells.base import Cell"),
        ("cells/lstm.py", "from .base import Cell"),
        ("cells/lstm.py", "from throughtime.errors import UserError"),
        ("engine/call.py", "from ..cells import Cell"),
        ("cli/score.py", "from throughtime.tasks.text.task import TextModel\nimport torch"),
        ("files.py", "from throughtime.errors import UserError"),
        ("__init__.py", "from throughtime.cells import Cell"),
        ("__main__.py", "from throughtime.cli import main"),
    ],
)
def test_an_import_that_goes_down_is_not(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line + "\n")
    assert violations(tmp_path) == []


def test_no_two_modules_need_each_other() -> None:
    assert circles(house(ROOT)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from throughtime.cells.one import One",
        "from .one import One",
        "from throughtime.cells import one",
        "from . import one",
        "import throughtime.cells.one",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from throughtime.cells.one import One",
        "def late():\n    from throughtime.cells.one import One",
        "from throughtime.engine.three import Three",
    ],
)
def test_a_circle_is_found(tmp_path: Path, back: str) -> None:
    for folder in ("cells", "engine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "cells" / "one.py").write_text("from throughtime.cells.two import Two\n")
    (tmp_path / "cells" / "two.py").write_text("import torch\n")
    (tmp_path / "engine" / "three.py").write_text("from throughtime.cells.one import One\n")
    assert circles(house(tmp_path)) == []
    (tmp_path / "cells" / "two.py").write_text(back + "\n")
    (group,) = circles(house(tmp_path))
    assert {"throughtime.cells.one", "throughtime.cells.two"} <= set(group)


ALONE = """
import importlib, importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    names = {"pydantic", "click", "rich", "tokenizers", "numba", "matplotlib", "tensorboard", "onnx",
             "onnxruntime", "soundfile", "soxr", "kaldi_native_fbank", "symusic", "pretty_midi", "scipy", "Bio", "av"}
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is absent")

sys.meta_path.insert(0, Absent())
for name in ("cells", "program", "engine", "layers", "models", "training", "data", "data.batches", "decoding", "bench",
             "inspection",
             "data.speech.audio", "data.speech.filterbank", "data.music.midi", "data.dna.genomes", "data.video.clips"):
    importlib.import_module(f"throughtime.{name}")
import torch, throughtime
outputs, _ = throughtime.LSTM(2, 3)(torch.zeros(1, 4, 2))
try:
    importlib.import_module("throughtime.tasks")
except ModuleNotFoundError as error:
    print(error)
"""


def test_the_lower_floors_need_pytorch_alone() -> None:
    """Whoever takes the layers into a program of their own brings no command line and no tokenizer along."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", ALONE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in (
        "pydantic is absent\n",
        "rich is absent\n",
    )  # the floor that does need it stumbles: the block is real


def test_no_file_is_longer_than_one_sitting() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in modules(ROOT)}
    assert {file: length for file, length in lengths.items() if length > LONGEST} == {}


def test_no_room_is_crowded() -> None:
    rooms = Counter(str(file.parent.relative_to(ROOT)) for file in modules(ROOT))
    assert {room: count for room, count in rooms.items() if count > MOST} == {}


def swallowing(source: str) -> list[int]:
    """Lines of handlers that catch everything and do not raise it again."""
    wide = ("Exception", "BaseException")
    return [
        node.lineno
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ExceptHandler)
        and any(name in wide for name in caught(node))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


def caught(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["BaseException"]
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "") for kind in types]


def test_no_error_is_swallowed() -> None:
    found = {}
    for file in modules(ROOT):
        source = file.read_text("utf-8")
        for number in swallowing(source):
            found[f"{file.relative_to(ROOT)}"] = source.splitlines()[number - 1]
    # Each line says why: a library raises bare Exception; a server answers whatever happens, and logs it.
    reasons = {
        "data/text/tokenizer.py": "# the library raises bare Exception",
        "serving/guard.py": "# the last one who can answer",
        "serving/live/pool.py": "# one stream's error does not end the others'",
    }
    assert found.keys() == reasons.keys()
    assert all(reason in found[file] for file, reason in reasons.items())


@pytest.mark.parametrize(
    ("handler", "count"),
    [
        ("except:\n    pass", 1),
        ("except Exception:\n    pass", 1),
        ("except (ValueError, Exception) as error:\n    raise KeyError from error", 1),
        ("except builtins.BaseException:\n    pass", 1),
        ("except BaseException:\n    tidy()\n    raise", 0),
        ("except ValueError:\n    pass", 0),
    ],
)
def test_a_handler_that_swallows_is_found(handler: str, count: int) -> None:
    assert len(swallowing(f"try:\n    pass\n{handler}\n")) == count


def masks(source: str) -> list[str]:
    """Comparisons of steps with lengths, written out by hand."""
    return [
        ast.unparse(node)
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
        and not any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
        and re.search(r"\blengths\b(?!\.m|\[)|\barange\(", ast.unparse(node))
    ]


def test_masks_of_real_steps_are_made_in_one_place() -> None:
    """Everywhere else they come from :func:`throughtime.engine.real_steps`."""
    found = {str(file.relative_to(ROOT)): masks(file.read_text("utf-8")) for file in modules(ROOT)}
    below = "program/interpreter.py"  # of the floor below, in NumPy
    assert [file for file, lines in found.items() if lines] == ["engine/ragged.py", below]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("torch.arange(5) < sizes.unsqueeze(1)", 1),
        ("steps >= lengths.to(inputs.device).unsqueeze(1)", 1),
        ("t < lengths", 1),
        ("real_steps(lengths, 5)", 0),
        ("lengths > 0", 0),
        ("int(lengths.min()) <= int(lengths.max())", 0),
        ("count + 1 < lengths[i]", 0),
    ],
)
def test_a_mask_by_hand_is_found(line: str, count: int) -> None:
    assert len(masks(line)) == count
