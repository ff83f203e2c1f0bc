"""An exported folder: its ``model.json`` says what lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.errors import UserError, listed
from throughtime.plain import read_json
from throughtime.runtime.graphs import Network, Value

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
        kinds = {"task": str, "runner": str, "facts": dict, "graphs": dict}
        for name, kind in kinds.items():
            if not isinstance(told.get(name), kind):
                raise UserError(f"{file}: expected {name!r} to be a {kind.__name__}; the file is damaged")
        graphs = {name: _network(path, graph, str(file)) for name, graph in told["graphs"].items()}
        return cls(path, told["task"], told["runner"], told["facts"], graphs, list(map(str, told.get("cautions", []))))

    def graph(self, name: str) -> Network:
        """A graph.

        Raises:
            UserError: If the folder has none of that name.
        """
        if name not in self.graphs:
            raise UserError(f"{self.path}: has no graph {name!r}, only {listed(self.graphs)}; export the run again")
        return self.graphs[name]

    def fact(self, name: str) -> Any:
        """What the task told.

        Raises:
            UserError: If it did not.
        """
        if name not in self.facts:
            raise UserError(f"{self.path / MANIFEST}: expected the fact {name!r}; export the run again")
        return self.facts[name]


def _network(path: Path, told: Any, where: str) -> Network:
    """A graph as the manifest describes it; its file lies in the folder itself."""
    try:
        name = told["file"]
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file of the folder")
        values = [[Value(v["name"], v["type"], v["shape"]) for v in told[side]] for side in ("inputs", "outputs")]
    except (TypeError, KeyError, ValueError) as error:
        told = f"expected graphs with their file, inputs and outputs ({error!r})"
        raise UserError(f"{where}: {told}; the file is damaged") from error
    return Network(path / name, *values)
