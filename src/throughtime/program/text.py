"""A program as a person reads it: a value a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from throughtime.cells import Cell
from throughtime.program.derivative import Derived, derive
from throughtime.program.graph import Program
from throughtime.program.needs import kept, shares
from throughtime.program.once import Once, hoist
from throughtime.program.tracing import trace


def describe(cell: Cell, *, training: bool = True) -> str:
    """The step of a cell, and its derivative, as text.

    Args:
        cell: The equations.
        training: With the backward step, and what the forward step keeps for it.

    Raises:
        CannotTrace: With the operation that stops it.

    Example:
        >>> from throughtime.cells import RNNCell
        >>> print(describe(RNNCell(2, 3), training=False))
        RNNCell(input_size=2, hidden_size=3, nonlinearity='tanh', gain=1.0)
        reads 15 weights a step: W_x 6, W_h 9
        <BLANKLINE>
        forward
            state    h<t-1>: 3
            sequence x: 2
            vector   b[0:3]: 3
            before   v1: 3 = W_x[0:3, 0:2] @ x
                     v3: 3 = W_h[0:3, 0:3] @ h<t-1>
                     v4: 3 = v1 + v3
                     v6: 3 = v4 + b[0:3]
                     v7: 3 = tanh(v6)
            next     h<t> = v7
    """
    program, once = hoist(trace(cell))
    return f"{cell!r}\n{_read(program)}\n\n{program_text(program, derive(program) if training else None, once)}"


def program_text(program: Program, derived: Derived | None = None, once: Once | None = None) -> str:
    """A step, and its derivative where one is given, as text, after what is computed once for all steps."""
    parts = ["\n".join(["once a call", *_before(once)])] if once and once.places else []
    parts.append("\n".join(["forward", *_forward(program, derived)]))
    if derived is not None:
        parts.append("\n".join(["backward", *_backward(derived)]))
    return "\n\n".join(parts)


def _read(program: Program) -> str:
    """How many numbers of each matrix the products of a step multiply by."""
    products = [program.nodes[place].block for place in (*program.places("outer"), *program.places("product"))]
    counts: dict[str, int] = {}
    for block in dict.fromkeys(products):
        if block is not None:
            counts[block.matrix] = counts.get(block.matrix, 0) + block.rows * block.columns
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"reads {sum(counts.values())} weights a step" + (f": {each}" if each else "")


def _before(once: Once) -> Iterator[str]:
    nodes = once.source.nodes
    for place in once.order:
        if nodes[place].op == "vector":
            yield _line("vector", f"{nodes[place].name}: {nodes[place].width}")
    for line in once.lines():
        yield _line("", line)


def _forward(program: Program, derived: Derived | None) -> Iterator[str]:
    yield from _step(program)
    for place in kept(derived).values() if derived else ():
        yield _line("keep", program.show(place))


def _backward(derived: Derived) -> Iterator[str]:
    back = derived.backward
    yield from _step(back)
    for name, place in back.sums.items():
        yield _line("sum", f"d {name} += {back.show(place)}")
    for share in shares(derived):
        gradient, operand = back.show(share.gradient), _operand(derived, share.operand)
        left, right = (operand, gradient) if share.block.transposed else (gradient, operand)
        yield _line("after", f"d {replace(share.block, transposed=False)} += {left} @ {right}ᵀ")
    if derived.x is not None:
        yield _line("after", f"d x += {back.show(derived.x)}")
    for share in shares(derived):
        if share.operand is None:
            yield _line("after", f"d x += {share.block}ᵀ @ {back.show(share.gradient)}")


def _operand(derived: Derived, place: int | None) -> str:
    """The name that the backward step has, or would have, for a value of the forward step."""
    forward = derived.forward
    if place is None:
        return "x"
    for name, value in forward.state.items():
        if value == place:
            return forward.made(name)
    name = f"kept {forward.show(place)}"
    return name if name in kept(derived) else forward.show(place)


def _step(program: Program) -> Iterator[str]:
    nodes = program.nodes
    for name, place in program.state.items():
        yield _line("state", f"{program.given(name)}: {nodes[place].width}")
    outer = program.places("outer")
    read = [("x", block.columns) for place in outer if (block := nodes[place].block)]
    read += [(nodes[place].name, nodes[place].width) for place in program.places("sequence")]
    for name, width in dict(read).items():
        yield _line("sequence", f"{name}: {width}")
    for op in ("rowwise", "vector"):
        for place in program.places(op):
            yield _line(op, f"{program.show(place)}: {nodes[place].width}")
    for place in outer:
        yield _line("before", f"{program.show(place)}: {nodes[place].width} = {program.right(place)}")
    for place in program.reachable():
        if not nodes[place].is_leaf:
            yield _line("", f"{program.show(place)}: {nodes[place].width} = {program.right(place)}")
    for name, place in program.state.items():
        yield _line("next", f"{program.made(name)} = {program.show(place)}")


def _line(word: str, rest: str) -> str:
    return f"    {word:9}{rest}"
