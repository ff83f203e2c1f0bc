"""What is left after the backward loop: the gradients of matrices and inputs, one large product each."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.engine.compiled import spare
from throughtime.engine.compiled.cellcode import Compiled
from throughtime.engine.compiled.layout import Layout
from throughtime.program import Slice, shares

INPUTS = "the inputs"
"""Their name among those of parameters and states, which are words."""


@dataclass
class Span:
    """Rows of a matrix whose gradients stand side by side on the tape.

    Attributes:
        matrix: Its name.
        row, rows, column, columns: The part of it.
        at: The tape's column where the gradients of these rows begin.
        operand: What the part multiplied: :data:`INPUTS`, a state before the step, or a column of the tape.
        heads, gates: Those of the part.
        transposed: The product was with the part's transpose: then its columns' gradients stand on the tape.
    """

    matrix: str
    row: int
    rows: int
    column: int
    columns: int
    at: int
    operand: str | int
    heads: int = 1
    gates: int = 1
    transposed: bool = False


class Gradients:
    """Reads the tape after the backward loop.

    Args:
        compiled: The cell.
        layout: The rows in time.
        histories: States for every step, by name.
        x: The inputs as rows.
        tape: The tape.
    """

    def __init__(
        self, compiled: Compiled, layout: Layout, histories: Mapping[str, Tensor], x: Tensor, tape: Tensor
    ) -> None:
        self.compiled, self.layout, self.histories, self.x, self.tape = compiled, layout, histories, x, tape
        self.earlier: dict[str, Tensor] = {}
        self.columns: dict[tuple[int, int, bool], Tensor] = {}

    def collect(self, parameters: Mapping[str, Tensor], needed: Mapping[str, bool]) -> dict[str, Tensor]:
        """Gradients of matrices by name, and of :data:`INPUTS` as rows, those that are needed."""
        found: dict[str, Tensor] = {}
        for span in spans(self.compiled):
            if needed[span.matrix] and span.transposed:
                gradients = self._columns(span.at, span.columns)
                place = span.row, span.column
                _multiply(found, span.matrix, parameters[span.matrix], place, self._operand(span).t(), gradients)
            elif needed[span.matrix] and span.heads > 1:
                self._on_heads(found, span, parameters[span.matrix])
            elif needed[span.matrix]:
                gradients = self._columns(span.at, span.rows, turned=True)
                place = span.row, span.column
                _multiply(found, span.matrix, parameters[span.matrix], place, gradients, self._operand(span))
        if needed[INPUTS]:
            found[INPUTS] = self._inputs(parameters)
        return found

    def _columns(self, first: int, width: int, turned: bool = False) -> Tensor:
        """So many columns of the tape, or their transpose."""
        known = self.columns.get((first, width, turned))
        if known is None:
            known = self._columns(first, width).t() if turned else self.tape[:, first : first + width]
            self.columns[first, width, turned] = known
        return known

    def _on_heads(self, found: dict[str, Tensor], span: Span, matrix: Tensor) -> None:
        """Adds what a part with heads multiplied, head by head, to the gradient of its matrix."""
        operand = _heads(self._operand(span), span.heads)
        if span.matrix not in found:
            found[span.matrix] = torch.zeros_like(matrix)
        part = found[span.matrix][span.row : span.row + span.rows]
        for stored, gradients in self._gates(span, part):
            stored.baddbmm_(gradients.mT, operand)

    def _inputs_on_heads(self, found: dict[str, Tensor], span: Span, matrix: Tensor) -> None:
        """The same of the inputs."""
        added = [torch.bmm(gradients, stored) for stored, gradients in self._gates(span, matrix[span.row :])]
        rows = sum(added[1:], added[0]).transpose(0, 1).flatten(1)
        found[INPUTS] = found[INPUTS] + rows if INPUTS in found else rows

    def _gates(self, span: Span, part: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each gate its rows of the matrix, ``[heads, units, columns]``, and the gradients of its products."""
        rows = span.rows // span.gates
        for first in range(0, span.rows, rows):
            gradients = self.tape[:, span.at + first : span.at + first + rows]
            yield part[first : first + rows].view(span.heads, -1, span.columns), _heads(gradients, span.heads)

    def _operand(self, span: Span) -> Tensor:
        if isinstance(span.operand, int):
            return self._columns(span.operand, span.rows if span.transposed else span.heads * span.columns)
        if span.operand == INPUTS:
            return self.x
        if span.operand not in self.earlier:
            self.earlier[span.operand] = self.layout.earlier(self.histories[span.operand])
        return self.earlier[span.operand]

    def _inputs(self, parameters: Mapping[str, Tensor]) -> Tensor:
        derived, back = self.compiled.derived, self.compiled.backward
        assert derived is not None
        assert back is not None
        found: dict[str, Tensor] = {}
        if derived.x is not None:
            at = self.compiled.offsets[back.plan.slots[derived.x]]
            found[INPUTS] = self.tape[:, at : at + self.x.shape[1]].clone()
        for span in spans(self.compiled):
            if span.operand == INPUTS and span.heads > 1:
                self._inputs_on_heads(found, span, parameters[span.matrix])
            elif span.operand == INPUTS:
                part = parameters[span.matrix]
                if (span.rows, span.columns) != part.shape:
                    part = part[span.row : span.row + span.rows, span.column : span.column + span.columns]
                gradients = self._columns(span.at, span.rows)
                _multiply(found, INPUTS, self.x, (0, 0), gradients, part)
        return found[INPUTS] if found else torch.zeros_like(self.x)


@functools.lru_cache(maxsize=256)
def vectors(compiled: Compiled) -> tuple[Slice, ...]:
    """The parameter vectors whose gradients the backward loop sums up, parts of one parameter in order."""
    assert compiled.derived is not None
    back = compiled.derived.backward
    found = [Slice.of(name, back.nodes[place].width) for name, place in back.sums.items()]
    return tuple(sorted(found, key=lambda vector: (vector.parameter, vector.spread, vector.start)))


@dataclass
class Part:
    """A part of a parameter vector, and the column of the sums where its gradient stands."""

    parameter: str
    start: int
    width: int
    spread: bool
    column: int


@functools.lru_cache(maxsize=256)
def parts(compiled: Compiled) -> tuple[Part, ...]:
    """The gradients of :func:`vectors`, those that follow each other in one parameter as one."""
    found: list[Part] = []
    column = 0
    for vector in vectors(compiled):
        last = found[-1] if found else None
        follows = last is not None and last.parameter == vector.parameter and last.start + last.width == vector.start
        if last is not None and follows and not vector.spread and not last.spread:
            last.width += vector.width
        else:
            found.append(Part(vector.parameter, vector.start, vector.width, vector.spread, column))
        column += vector.width
    return tuple(found)


@functools.lru_cache(maxsize=256)
def total(compiled: Compiled) -> int:
    """Features of :func:`vectors` together."""
    return sum(vector.width for vector in vectors(compiled))


@functools.lru_cache(maxsize=256)
def sum_columns(compiled: Compiled) -> tuple[tuple[str, int], ...]:
    """The buffers of :func:`vectors` by name, and the column of the sums where each begins."""
    widths = [vector.width for vector in vectors(compiled)]
    before = itertools.accumulate(widths, initial=0)
    return tuple((f"sum {vector.name}", start) for vector, start in zip(vectors(compiled), before, strict=False))


def complete(
    found: dict[str, Tensor],
    compiled: Compiled,
    parameters: Mapping[str, Tensor],
    sums: Tensor,
    needed: Mapping[str, bool],
) -> dict[str, Tensor]:
    """Adds the gradients of the parameter vectors, and zeros for what nothing depends on.

    Args:
        found: The other gradients by name.
        compiled: The cell.
        parameters: Parameters by name.
        sums: The gradients of :func:`vectors`, side by side, ``[blocks of rows, features]``.
        needed: Whose gradient is wanted.
    """
    summed = sums[0] if sums.shape[0] == 1 else sums.sum(0)
    features = summed.shape[0]
    for part in parts(compiled):
        name, value = part.parameter, summed
        if part.width < features:
            value = summed[part.column : part.column + part.width]
        value = value.sum() if part.spread else value
        if value.shape == parameters[name].shape and name not in found:
            found[name] = value
        else:
            if name not in found:
                found[name] = torch.zeros_like(parameters[name])
            found[name].view(-1)[part.start : part.start + value.numel()] += value
    for name, value in parameters.items():
        if name not in found:
            found[name] = torch.zeros_like(value)
        if not needed[name]:
            del found[name]
    return found


@functools.lru_cache(maxsize=256)
def spans(compiled: Compiled) -> tuple[Span, ...]:
    """What the gradients of the matrices are made of."""
    derived, back, forward = compiled.derived, compiled.backward, compiled.forward
    assert derived is not None
    assert back is not None
    found: list[Span] = []
    nodes = forward.plan.program.nodes
    for share in shares(derived):
        block, operand = share.block, share.operand
        if operand is None:
            source: str | int = INPUTS
        elif (operand,) in forward.plan.operands:
            source = compiled.offsets[forward.plan.operands[operand,]]
        else:
            source = nodes[operand].name
        at = compiled.offsets[back.plan.slots[share.gradient]]
        place = (block.matrix, block.row, block.rows, block.column, block.columns, at, source)
        found.append(Span(*place, block.heads, block.gates, block.transposed))
    found.sort(key=lambda span: (span.matrix, str(span.operand), span.column, span.row))
    return tuple(_merged(found))


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in spans:
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.matrix, last.column, last.operand) == (span.matrix, span.column, span.operand)
            and (last.row + last.rows, last.at + last.rows) == (span.row, span.at)
            and not (last.transposed or span.transposed)
        ):
            last.rows += span.rows
            last.gates += span.gates if span.heads > 1 else 0
        else:
            merged.append(span)
    return merged


def _heads(rows: Tensor, heads: int) -> Tensor:
    """Rows ``[rows, features]`` head by head, ``[heads, rows, features of one]``."""
    return torch.unflatten(rows, 1, (heads, -1)).transpose(0, 1)


def _multiply(
    found: dict[str, Tensor], name: str, like: Tensor, place: tuple[int, int], left: Tensor, right: Tensor
) -> None:
    """Adds ``left @ right`` to the gradient called ``name``, from a row and a column on."""
    rows, columns = left.shape[0], right.shape[1]
    if name not in found and (rows, columns) == like.shape:
        found[name] = spare.multiplied(left, right)
        return
    if name not in found:
        found[name] = torch.zeros_like(like)
    row, column = place
    found[name][row : row + rows, column : column + columns].addmm_(left, right)
