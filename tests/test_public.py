"""What a user may rely on: the public names, their documentation, and what importing them costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_overloads

import pytest
import torch

import throughtime
from sources import parsed
from throughtime._version import __version__

ROOT = Path(throughtime.__file__).parent

PUBLIC = {
    "CELLS",
    "Cell",
    "CrossValidation",
    "EngineError",
    "GRU",
    "LSTM",
    "LanguageModel",
    "LanguageModelConfig",
    "Prediction",
    "Predictor",
    "RNN",
    "Recurrent",
    "Report",
    "Run",
    "TextModel",
    "TrainingDivergedError",
    "UserError",
    "__version__",
    "accelerate",
    "decelerate",
    "find_cell",
    "load",
    "train",
    "unroll",
}
"""A name that is added or taken away changes what users build on: change this list in the same commit."""

CALLED = sorted(name for name in PUBLIC if callable(getattr(throughtime, name)))
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
    "tasks",
    "export",
    "api",
]


def test_the_public_names_are_these() -> None:
    assert set(throughtime.__all__) == PUBLIC
    assert len(throughtime.__all__) == len(PUBLIC)
    assert dir(throughtime) == sorted(PUBLIC)


def test_every_public_name_is_what_its_home_defines() -> None:
    assert throughtime.unroll is importlib.import_module("throughtime.engine").unroll
    assert throughtime.LSTM is importlib.import_module("throughtime.layers").LSTM
    assert throughtime.TextModel is importlib.import_module("throughtime.applications.text_model").TextModel
    assert throughtime.CELLS["lstm"] is throughtime.find_cell("lstm")
    assert throughtime.__version__ == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", __version__)
    space: dict[str, Any] = {}
    exec("from throughtime import *", space)
    assert set(space) >= PUBLIC


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'throughtime' has no attribute 'Transformer'"):
        throughtime.Transformer  # noqa: B018
    assert not hasattr(throughtime, "_private")


@pytest.mark.parametrize("floor", FLOORS)
def test_what_a_floor_lists_it_has(floor: str) -> None:
    module = importlib.import_module(f"throughtime.{floor}")
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), name))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("name", CALLED)
def test_public_names_say_what_they_take(name: str) -> None:
    made = getattr(throughtime, name)
    text = inspect.getdoc(made) or ""
    assert len(text.splitlines()[0]) > 20
    if inspect.isclass(made) and issubclass(made, Exception):
        return
    parameters = [p for p in inspect.signature(made).parameters if p not in ("self", "args", "kwargs")]
    assert parameters
    # Every argument is described by name, under Args, or Attributes for a dataclass.
    assert "Args:" in text or "Attributes:" in text
    if is_dataclass(made):  # what it inherits is described where it is declared
        text = "\n".join(inspect.getdoc(kind) or "" for kind in made.__mro__[:-1])
    assert [p for p in parameters if not re.search(rf"^ *\**{p}(, \w+)*:|^ *(\w+, )+{p}:", text, re.MULTILINE)] == []


@pytest.mark.parametrize("name", ["unroll", "Recurrent", "RNN", "GRU", "LSTM", "LanguageModel", "accelerate"])
def test_what_takes_tensors_tells_their_shapes(name: str) -> None:
    made = getattr(throughtime, name)
    texts = [inspect.getdoc(made) or ""]
    if inspect.isclass(made):
        own = [made.forward] if name != "LanguageModel" else [made.log_probs, made.next_log_probs, made.hidden]
        texts += [inspect.getdoc(method) or "" for method in own]
    assert any(re.search(r"\[(B|batch|R)[,\]]", text) for text in texts), name


def definitions(tree: ast.AST, prefix: str = "") -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods; those inside of functions are nobody's interface."""
    found: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            found += definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append((prefix + node.name, node))
    return found


def test_every_function_is_typed() -> None:
    bare = []
    for file in sorted(ROOT.rglob("*.py")):
        for name, node in definitions(parsed(file.read_text("utf-8"))):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
            untyped = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            if untyped or node.returns is None:
                bare.append(f"{file.relative_to(ROOT)}: {name} {untyped}")
    assert bare == []


def test_every_public_function_class_and_module_is_documented() -> None:
    bare = []
    for file in sorted(ROOT.rglob("*.py")):
        tree = parsed(file.read_text("utf-8"))
        inside = str(file.relative_to(ROOT))
        if file.name != "_version.py" and not ast.get_docstring(tree):
            bare.append(inside)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{inside}: {node.name}")
        for name, function in definitions(tree):
            # A cell's step, parameters and widths are told by the equations in the docstring of its class.
            elsewhere = inside.startswith(("cells/", "layers/trees/")) and "." in name
            # What is overloaded is told where it is defined.
            elsewhere = elsewhere or any(getattr(by, "id", "") == "overload" for by in function.decorator_list)
            if not (any(part.startswith("_") for part in name.split(".")) or elsewhere or ast.get_docstring(function)):
                bare.append(f"{inside}: {name}")
    assert bare == []


COST = """
import sys, time
import torch
began = time.process_time()
import throughtime, throughtime.layers
print(time.process_time() - began)
"""


def test_importing_the_layers_costs_little_beside_torch() -> None:
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-W", "error", "-c", COST], capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout))
        if seconds[-1] < 0.3:
            return
    raise AssertionError(f"importing throughtime after torch took {min(seconds):.2f} s at best")


LIGHT = """
import sys
import throughtime, throughtime.cli
from throughtime.cli import run
for arguments in (["--version"], ["--help"], ["trian"]):
    run(arguments)
dir(throughtime), throughtime.__version__
heavy = {"torch", "numpy", "pydantic", "tokenizers", "safetensors"} & sys.modules.keys()
print("heavy:", sorted(heavy))
"""


def test_version_and_help_do_not_wait_for_torch() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", LIGHT], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f"throughtime, version {__version__}"
    assert lines[-1] == "heavy: []"


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "throughtime", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"throughtime, version {__version__}\n", "")


def test_types_are_shipped() -> None:
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_signatures_are_those_of_torch(name: str) -> None:
    """In the same order and with the same defaults, so that the same call is the same model."""

    def arguments(made: Any) -> dict[str, Any]:
        parameters = inspect.signature(made).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in ("self", "device", "dtype", "others")}

    ours = getattr(throughtime, name)
    theirs = get_overloads(getattr(torch.nn, name).__init__)[0]
    assert list(arguments(ours).items()) == list(arguments(theirs).items())
