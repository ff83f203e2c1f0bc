"""What a program needs of matrices and memory beside its arithmetic, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.program.derivative import Derived
from throughtime.program.graph import Block, Program


@dataclass(frozen=True)
class Share:
    """What one product adds to the gradient of its matrix, ``d block += gradient operandᵀ`` over all rows and steps;
    where the product is with its transpose, ``d block += operand gradientᵀ``.

    Where the operand is the input, the input's gradient has the share ``blockᵀ gradient``. Neither is waited for in the
    loop: both may be computed after it, for all steps at once.

    Attributes:
        block: The part of the matrix.
        gradient: The gradient of the product, a value of the backward step.
        operand: What the product multiplied, a value of the forward step; None for the input.
    """

    block: Block
    gradient: int
    operand: int | None


def shares(derived: Derived) -> list[Share]:
    """Every product's share, the last product of the step first."""
    nodes, found = derived.forward.nodes, []
    for place, gradient in derived.gradients.items():
        node = nodes[place]
        operand = node.args[0] if node.args else None
        if operand is not None and (nodes[operand].op, nodes[operand].name) == ("sequence", "x"):
            operand = None
        assert node.block is not None
        found.append(Share(node.block, gradient, operand))
    return found


def beforehand(program: Program) -> list[Block]:
    """What multiplies the input of all steps before the loop, in the order of the matrices' rows."""
    blocks = [program.nodes[place].block for place in program.places("outer")]
    return sorted(
        (block for block in blocks if block is not None), key=lambda block: (block.matrix, block.row, block.column)
    )


def histories(program: Program, derived: Derived | None = None) -> tuple[str, ...]:
    """States whose every value is needed: the output, operands of products, what the backward step reads."""
    operands = [program.nodes[arg] for place in program.places("product") for arg in program.nodes[place].args]
    names = {program.output, *(node.name for node in operands if node.op == "state")}
    if derived is not None:
        back = derived.backward
        read = {back.nodes[place].name for place in back.places("sequence")}
        names |= {name for name in program.state if {f"{name}<t>", f"{name}<t-1>"} & read}
    return tuple(name for name in program.state if name in names)


def kept(derived: Derived) -> dict[str, int]:
    """The forward step's values that outlive it, by the backward step's name for them: those that the backward step
    reads, and operands that the gradients of matrices are taken from.
    """
    forward, found = derived.forward, dict(derived.kept)
    for share in shares(derived):
        place = share.operand
        if place is None or place in forward.state.values():
            continue
        if not forward.nodes[place].is_leaf or forward.nodes[place].op == "outer":
            found.setdefault(f"kept {forward.show(place)}", place)
    return found
