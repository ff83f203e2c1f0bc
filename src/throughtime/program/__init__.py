"""The step of a cell as a program: a graph of values, its derivative, its text. The front end of every engine.

It knows cells and nothing else: no layout, no machine. What runs a program is written on these names; the interpreter
is the shortest example, and what the others are tested against.
"""

from throughtime.program.derivative import Derived, derive
from throughtime.program.graph import LEAVES, NUMBERS, REDUCTIONS, TRANSCENDENTAL, Block, Node, Program, Slice
from throughtime.program.interpreter import Given, Gradients, Ran, interpret, interpret_backward
from throughtime.program.needs import Share, beforehand, histories, kept, shares
from throughtime.program.once import Once, hoist
from throughtime.program.scales import with_scales
from throughtime.program.text import describe, program_text
from throughtime.program.tracing import trace
from throughtime.program.values import CannotTrace

__all__ = [
    "LEAVES",
    "NUMBERS",
    "REDUCTIONS",
    "TRANSCENDENTAL",
    "Block",
    "CannotTrace",
    "Derived",
    "Given",
    "Gradients",
    "Node",
    "Once",
    "Program",
    "Ran",
    "Share",
    "Slice",
    "beforehand",
    "derive",
    "describe",
    "histories",
    "hoist",
    "interpret",
    "interpret_backward",
    "kept",
    "program_text",
    "shares",
    "trace",
    "with_scales",
]
