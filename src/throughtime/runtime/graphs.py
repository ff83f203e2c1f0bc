"""A graph of an exported folder, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.plain import check_regular

Array = npt.NDArray[Any]
State = dict[str, Array]
"""A recurrent state by name, ``[cells, rows, width]`` each."""

TYPES = {
    "bool": "tensor(bool)",
    "uint8": "tensor(uint8)",
    "int64": "tensor(int64)",
    "float32": "tensor(float)",
    "float64": "tensor(double)",
}
"""What ONNX Runtime calls the types of NumPy that graphs take and give."""

NEXT = "next_"
"""Before a state's name where a graph hands it out."""


@dataclass(frozen=True)
class Value:
    """What a graph takes or gives.

    Attributes:
        name: Its name.
        type: Of its numbers, as NumPy calls it.
        shape: A number, or a name, for each dimension.
    """

    name: str
    type: str
    shape: Sequence[int | str]


class Network:
    """A graph that can be run; ONNX Runtime opens it when it is first run.

    Args:
        path: The graph's file.
        inputs: What it takes.
        outputs: What it gives.
    """

    def __init__(self, path: Path, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        self.path = path
        self.inputs = {value.name: value for value in inputs}
        self.described = [*inputs, *outputs]
        self.outputs = [value.name for value in outputs]
        self.states = [name for name in self.inputs if NEXT + name in self.outputs]
        self._session: Any = None

    def __repr__(self) -> str:
        return f"Network({str(self.path)!r})"

    def zeros(self, rows: int) -> State:
        """The state of rows that have read nothing."""
        return {name: self._zeros(self.inputs[name], rows) for name in self.states}

    def __call__(self, state: Mapping[str, Array] | None = None, **inputs: Any) -> tuple[dict[str, Array], State]:
        """Runs it.

        Args:
            state: Where it begins; None: zeros.
            **inputs: By name; they become arrays of the graph's types.

        Returns:
            The outputs by name, and the state that it hands on.

        Raises:
            UserError: If there is no row, or no step: ONNX Runtime's operators may end the process then; or if the
                graph does not take them.
        """
        session = self.session  # a graph that is another than described is told before its inputs are
        fed = {name: np.asarray(value, self.inputs[name].type) for name, value in inputs.items()}
        fed |= self.zeros(len(next(iter(fed.values())))) if state is None else dict(state)
        for name, value in fed.items():
            if not value.size:
                raise UserError(f"{self.path}: expected a row and a step at least, got {name} {list(value.shape)}")
        try:
            found = dict(zip(self.outputs, session.run(self.outputs, fed), strict=True))
        except _errors() as error:
            raise self._refused("run", error) from error
        return found, {name: found.pop(NEXT + name) for name in self.states}

    @property
    def session(self) -> Any:
        """ONNX Runtime's own; opened when it is first asked for.

        Raises:
            UserError: If ONNX Runtime is not installed, or does not read the file.
        """
        if self._session is None:
            check_regular(self.path)
            runtime = extra("onnxruntime", "runtime", "running an exported model")
            try:
                opened = runtime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
            except _errors() as error:
                raise self._refused("open", error) from error
            self._check(opened)
            self._session = opened
        return self._session

    def _check(self, opened: Any) -> None:
        """Refuses a graph that takes or gives other values than the folder says, as that of another model does."""
        there = [*opened.get_inputs(), *opened.get_outputs()]
        expected = [(value.name, TYPES[value.type], _fixed(value.shape)) for value in self.described]
        found = [(value.name, value.type, _fixed(value.shape)) for value in there]
        if found != expected:
            one, other = next(pair for pair in zip_longest(expected, found) if pair[0] != pair[1])
            raise UserError(
                f"{self.path}: expected the graph that model.json describes, with {_shown(one)}, got {_shown(other)}; "
                "export the run again"
            )

    def _refused(self, what: str, error: Exception) -> UserError:
        told = str(error).partition("\n")[0]
        return UserError(f"{self.path}: ONNX Runtime does not {what} it ({told}); export the run again")

    def _zeros(self, value: Value, rows: int) -> Array:
        return np.zeros([size if isinstance(size, int) else rows for size in value.shape], value.type)


def _fixed(shape: Sequence[Any]) -> list[int | None]:
    """The sizes that have no names."""
    return [size if isinstance(size, int) else None for size in shape]


def _shown(value: tuple[str, str, list[int | None]] | None) -> str:
    return "no more" if value is None else f"{value[0]} {value[1]} {value[2]}"


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises."""
    state = extra("onnxruntime.capi.onnxruntime_pybind11_state", "runtime", "running an exported model")
    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
    )
