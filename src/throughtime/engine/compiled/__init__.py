"""The compiled engine: a cell's step traced, differentiated and fused into machine code for this processor.

:mod:`throughtime.program` reads the step and differentiates it; ``plan`` lays it out in stages and memory;
``llvm.emit`` writes LLVM text, ``llvm.build`` turns it into machine code; ``loop`` runs it.
"""

from __future__ import annotations

import functools
from typing import Any

from throughtime.engine.call import Call, Result, watched
from throughtime.engine.look import Record


class CompiledEngine:
    """Runs any cell made of element-wise operations and products with weight matrices, on the CPU."""

    name = "compiled"

    def refuses(self, call: Call) -> str | None:
        """Cells that cannot be traced, other devices and other number types."""
        if call.look is not None and not isinstance(call.look, Record):
            return "its steps cannot be looked at"
        if call.look is not None and call.mask is not None:
            return "it knows no states of steps that a mask leaves out"
        if watched():
            return "its operations cannot be traced, transformed or replaced, as something does here"
        cellcode, loop, CannotTrace = _code()
        kind = call.inputs.dtype
        for value in call.tensors():
            if not value.is_cpu:
                return f"it runs on the CPU, and the call's tensors are on {call.inputs.device}"
            if value.dtype is not kind:
                return f"it computes in one type, and got {value.dtype} beside {kind}"
        if kind not in loop.TYPES:
            return f"it computes in float32 or float64, and got {kind}"
        reason: str | None = cellcode.no_code(call.cell)
        if reason is not None:
            return reason
        try:
            call.notes[self.name] = cellcode.compile_cell(loop.use_of(call))
        except CannotTrace as error:
            return str(error)
        return None

    def run(self, call: Call) -> Result:
        """Serves the call."""
        result: Result = _code()[1].run(call, call.notes.get(self.name))
        return result


@functools.cache
def _code() -> tuple[Any, Any, type[Exception]]:
    """What reads and compiles cells, loaded with the first call."""
    from throughtime.engine.compiled import cellcode, loop
    from throughtime.program import CannotTrace

    return cellcode, loop, CannotTrace
