"""Matrices whose rows have a scale each: the scale moves out of the product, which is left with what is scaled."""

from __future__ import annotations

from dataclasses import replace

from throughtime.program.graph import Program


def with_scales(program: Program) -> Program:
    """The same step of matrices that come as rows times a scale each, ``W = diag(scale) N``.

    ``W @ x`` is ``scale * (N @ x)`` and ``Wᵀ @ x`` is ``Nᵀ @ (scale * x)``; the scales are the vector leaf ``scale W``.
    Of a step that runs forward.
    """
    new = Program(output=program.output)
    places: dict[int, int] = {}
    for place, node in enumerate(program.nodes):
        args = tuple(places[arg] for arg in node.args)
        if node.op not in ("product", "outer") or node.block is None:
            places[place] = new.make(replace(node, args=args))
            continue
        block = node.block
        scale = new.leaf("vector", f"scale {block.matrix}[{block.row}:{block.row + block.rows}]", block.rows)
        if block.transposed:
            (operand,) = args
            places[place] = new.product(block, new.apply("mul", scale, operand))
        else:
            places[place] = new.apply("mul", scale, new.make(replace(node, args=args)))
    new.state = {name: places[place] for name, place in program.state.items()}
    new.labels = {places[place]: label for place, label in program.labels.items()}
    return new
