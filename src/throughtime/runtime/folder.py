"""An exported folder: its ``model.json`` says what lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from throughtime.errors import UserError, listed, shown
from throughtime.plain import read_json
from throughtime.runtime.graphs import TYPES, Network, Value

MANIFEST = "model.json"
FORMAT = 1
"""Of the manifest; one that is not known is refused."""


@dataclass(frozen=True)
class Folder:
    """An exported folder.

    Attributes:
        path: Where it lies.
        task: What the model was trained for, such as ``"sentiment"``.
        runner: What runs it, such as ``"classes"``.
        facts: What the runner needs to know, as the task told it.
        graphs: By name, such as ``"sequence"`` and ``"step"``.
        cautions: What whoever uses the model should know.
    """

    path: Path
    task: str
    runner: str
    facts: Mapping[str, Any]
    graphs: Mapping[str, Network]
    cautions: Sequence[str] = ()

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Reads the manifest.

        Raises:
            UserError: If there is none, or it is damaged, or of another format.
        """
        file = path / MANIFEST
        if not file.is_file():
            raise UserError(
                f"{path}: expected a folder that throughtime export made, found no {MANIFEST}; "
                "run: throughtime export RUN --out FOLDER"
            )
        told = read_json(file)
        if told.get("format") != FORMAT:
            raise UserError(f"{file}: expected format {FORMAT}, got {told.get('format')!r}; export the run again")
        kinds = {"task": str, "runner": str, "facts": dict, "graphs": dict, "cautions": list}
        told.setdefault("cautions", [])
        for name, kind in kinds.items():
            if not isinstance(told.get(name), kind):
                raise UserError(f"{file}: expected {name!r} to be a {kind.__name__}; the file is damaged")
        graphs = {name: _network(path, graph, str(file)) for name, graph in told["graphs"].items()}
        return cls(path, told["task"], told["runner"], told["facts"], graphs, list(map(str, told["cautions"])))

    def graph(self, name: str) -> Network:
        """A graph.

        Raises:
            UserError: If the folder has none of that name.
        """
        if name not in self.graphs:
            raise UserError(f"{self.path}: has no graph {name!r}, only {listed(self.graphs)}; export the run again")
        return self.graphs[name]

    def fact(self, name: str, kind: Any) -> Any:
        """What the task told.

        Args:
            name: Of the fact.
            kind: What it is: ``str``, ``bool``, ``int``, ``float``, or a list such as ``list[list[float]]``.

        Raises:
            UserError: If the task did not, or told something else.
        """
        if name not in self.facts:
            raise UserError(f"{self.path / MANIFEST}: expected the fact {name!r}; export the run again")
        value = self.facts[name]
        if not _is(value, kind):
            what = f"expected the fact {name!r} to be {kind if get_args(kind) else kind.__name__}, got {shown(value)}"
            raise UserError(f"{self.path / MANIFEST}: {what}; export the run again")
        return value


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a kind; a whole number is a number, too, and a truth value is none."""
    if inside := get_args(kind):
        return isinstance(value, list) and all(_is(each, inside[0]) for each in value)
    return isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))


def _network(path: Path, told: Any, where: str) -> Network:
    """A graph as the manifest describes it; its file lies in the folder itself."""
    try:
        name = told["file"]
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file of the folder")
        values = [[_described(value) for value in told[side]] for side in ("inputs", "outputs")]
    except (TypeError, KeyError, ValueError) as error:
        told = f"expected graphs with their file, inputs and outputs ({error!r})"
        raise UserError(f"{where}: {told}; the file is damaged") from error
    return Network(path / name, *values)


def _described(told: Any) -> Value:
    """An input or output.

    Raises:
        TypeError, KeyError, ValueError: If it is none.
    """
    value = Value(told["name"], told["type"], told["shape"])
    sizes = isinstance(value.shape, list) and all(_is(size, int) or isinstance(size, str) for size in value.shape)
    if not (isinstance(value.name, str) and value.type in TYPES and sizes):
        raise ValueError(f"{shown(told)} has no name, type and shape")
    return value
