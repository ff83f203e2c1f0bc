"""The middle of the compiler by itself: tracing, folding, differentiating and laying out."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest
import torch

from throughtime.cells import CELLS, bias, input_matrix, recurrent_matrix
from throughtime.engine.compiled.cellcode import Compiled, Side, Use, compile_cell
from throughtime.engine.compiled.plan import Plan, Tape
from throughtime.program.derive import derive
from throughtime.program.graph import Block, Program
from throughtime.program.trace import trace

SERVED = [name for name in CELLS if name != "lstm-layernorm"]


def numbered(program: Program) -> list[str]:
    """Its lines, the values without names numbered from 1."""
    text = "\n".join(program.lines())
    names = dict.fromkeys(re.findall(r"\bv\d+\b", text))
    numbers = {name: f"v{i}" for i, name in enumerate(names, 1)}
    return re.sub(r"\bv\d+\b", lambda found: numbers[found[0]], text).split("\n")


def test_the_lstm_as_it_is_read() -> None:
    lines = list(trace(CELLS["lstm"](2, 3)).lines())
    assert sum("W_h[" in line and "@ h<t-1>" in line for line in lines) == 4
    assert sum("sigmoid" in line for line in lines) == 3
    assert sum("tanh" in line for line in lines) == 2
    assert "h<t> = h" in lines or any(line.startswith("h<t> = ") for line in lines)
    outer = [f"(W_x[{3 * i}:{3 * i + 3}, 0:2] @ x)" for i in range(4)]
    assert all(any(part in line for line in lines) for part in outer)
    assert all(any(f"b[{3 * i}:{3 * i + 3}]" in line for line in lines) for i in range(4))


def test_the_full_gru_line_by_line() -> None:
    # u and r share an operand; the candidate's product waits for r
    lines = list(trace(CELLS["gru-full"](2, 3)).lines())
    names = {line.split(" = ")[0] for line in lines}
    assert {"u", "r", "c", "h<t>"} <= names
    text = "\n".join(lines)
    assert "W_h[0:3, 0:3] @ h<t-1>" in text
    assert "W_h[3:6, 0:3] @ h<t-1>" in text
    (reset,) = [line.split(" = ")[0] for line in lines if line.endswith("= r * h<t-1>")]
    assert f"W_hc[0:3, 0:3] @ {reset}" in text


def test_a_tiny_cell_exactly(make: Any) -> None:
    declared = {"W": input_matrix(3, 2), "U": recurrent_matrix(3, 3), "b": bias(3)}
    cell = make(declared, lambda x, s, p: {"h": torch.tanh(p.W @ x + p.U @ s.h + p.b)}, {"h": 3})
    assert numbered(trace(cell)) == [
        "v1 = U[0:3, 0:3] @ h<t-1>",
        "v2 = (W[0:3, 0:2] @ x) + v1",
        "v3 = v2 + b[0:3]",
        "v4 = tanh(v3)",
        "h<t> = v4",
    ]
    assert next(iter(trace(cell, outer=False).lines())) == "v1 = W[0:3, 0:2] @ x"
    masked = list(trace(cell, ["U"]).lines())
    assert any("h<t-1> * mask U" in line for line in masked)
    zoned = "\n".join(trace(cell, keep={"h": 0.25}).lines())
    assert "* 0.75" in zoned or "0.75 *" in zoned
    assert "where" in "\n".join(trace(cell, keep={"h": None}).lines())


def test_nothing_is_computed_twice(make: Any) -> None:
    declared = {"U": recurrent_matrix(3, 3)}

    def step(x: Any, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(p.U @ s.h) * torch.sigmoid(p.U @ s.h) + torch.tanh(p.U @ s.h)}

    lines = list(trace(make(declared, step, {"h": 3})).lines())
    assert sum("tanh" in line for line in lines) == 1
    assert sum("@" in line for line in lines) == 1


def test_what_is_known_beforehand_is_folded() -> None:
    program = Program()
    v, one, none = program.leaf("state", "h", 3), program.constant(1, 3), program.constant(0, 3)
    two, less = program.constant(2, 3), program.constant(-1, 3)
    assert program.apply("mul", v, one) == program.apply("mul", one, v) == v
    assert program.apply("add", v, none) == program.apply("add", none, v) == program.apply("sub", v, none) == v
    assert program.apply("div", v, one) == v
    negative = program.apply("neg", v)
    assert negative == program.apply("sub", none, v) == program.apply("mul", v, less) == program.apply("mul", less, v)
    assert program.apply("add", two, one) == program.constant(3, 3)
    assert program.apply("sub", one, two) == less
    assert program.apply("mul", two, two) == program.constant(4, 3)
    assert program.apply("gt", two, one) == program.apply("ge", two, two) == one
    # NaN times 0 is NaN, so this stays
    assert program.nodes[program.apply("mul", v, none)].op == "mul"
    assert program.nodes[program.apply("sub", v, v)].op == "sub"
    with pytest.raises(ValueError, match=r"add of rows of \[3, 4\] features"):
        program.apply("add", v, program.constant(1, 4))


def test_blocks_say_what_they_are() -> None:
    assert str(Block("W", 3, 3, 0, 2)) == "W[3:6, 0:2]"
    assert str(Block("W", 3, 3, 0, 2, transposed=True)) == "W[3:6, 0:2]ᵀ"


def test_the_derivative_of_a_tiny_cell(make: Any) -> None:
    declared = {"U": recurrent_matrix(3, 3), "b": bias(3)}
    cell = make(declared, lambda x, s, p: {"h": torch.tanh(p.U @ s.h + p.b)}, {"h": 3})
    derived = derive(trace(cell), "h")
    # (d h + grad y) (1 - h²), and Uᵀ of it goes on to the step before
    assert numbered(derived.backward) == [
        "v1 = d h<t-1> + grad y",
        "v2 = h<t> * h<t>",
        "v3 = 1 - v2",
        "v4 = v1 * v3",
        "v5 = U[0:3, 0:3]ᵀ @ v4",
        "d h<t> = v5",
        "sum b[0:3] += v4",
    ]
    assert derived.kept == {}
    assert list(derived.gradients.values()) == derived.backward.stores
    assert derived.x is None


def test_the_gates_gradients_go_back_in_one_product() -> None:
    derived = derive(trace(CELLS["lstm"](2, 3)), "h")
    products = [line for line in derived.backward.lines() if "@" in line]
    assert len(products) == 1
    assert "W_h[0:12, 0:3]ᵀ @ [" in products[0]
    assert len(derived.gradients) == 8


def test_the_tape() -> None:
    tape = Tape()
    assert [tape.add(3, 0), tape.add(5, 1), tape.add(3, 2)] == [0, 1, 2]
    assert [tape.offset(i) for i in range(3)] == [0, 3, 8]
    assert tape.take([3], 0) == 0
    assert tape.take([5], 0) == 3  # slot 1 is read by stage 1
    assert tape.take([5], 1) == 1
    assert tape.take([5, 3], 2) == 1
    assert tape.take([3, 3], 9) == 4


def uses(name: str) -> list[Use]:
    cell = CELLS[name](2, 3)
    masks = tuple(sorted(n for n, p in cell.parameters().items() if p.role == "recurrent"))
    drawn = tuple(sorted((n, None) for n in cell.state))
    shares = tuple(sorted((n, 0.25) for n in cell.state))
    noises: list[dict[str, Any]] = [{}, {"masks": masks, "keep": drawn}, {"keep": shares}]
    return [Use(cell, "double", trains, **noise) for trains in (False, True) for noise in noises]


def check_slots(side: Side, compiled: Compiled, given: dict[int, int], late: set[int]) -> None:
    """Runs the plan as the machine does, sweep by sweep, with the slots' contents written down.

    Args:
        side: Forward or backward.
        compiled: The cell.
        given: What lies in a slot beforehand, by slot.
        late: Values that must still be in their slots when the step ends.
    """
    plan: Plan = side.plan
    nodes = plan.program.nodes
    holds: dict[int, int] = dict(given)
    ready = {p for p in plan.program.reachable() if nodes[p].is_leaf and p not in plan.given}
    barriers, passed = plan.barriers(), -1
    # what other parties have written by the last barrier: products read whole rows
    written: set[int] = set(given.values())
    fresh: set[int] = set()
    for sweep in plan.sweeps:
        if sweep.stage in barriers and sweep.stage != passed:
            written |= fresh
            fresh, passed = set(), sweep.stage
        for place in sweep.products:
            operands = nodes[place].args
            if operands in plan.operands:
                first = plan.operands[operands]
                for slot, operand in enumerate(operands, first):
                    assert holds.get(slot) == operand, f"{plan.program.show(place)} reads slot {slot}"
                    assert compiled.widths[slot] == nodes[operand].width
                    assert operand in written, f"{plan.program.show(place)} reads what no barrier has finished"
            else:
                assert len(operands) == 1
                assert nodes[operands[0]].op in ("state", "sequence")
                assert nodes[operands[0]].name not in plan.in_place
        inside = {*sweep.products, *sweep.values}
        leaving = [*(p for p, _ in sweep.keeps), *(plan.program.state[s] for s in sweep.states)]
        leaving += [plan.program.sums[s] for s in sweep.sums]
        for place in [*(arg for value in sweep.values for arg in nodes[value].args), *leaving]:
            if place not in inside and place not in ready:
                assert holds.get(plan.slots[place]) == place, f"{plan.program.show(place)} is gone"
        for place in sweep.values:
            assert nodes[place].width == sweep.width
        for place, slot in sweep.keeps:
            assert compiled.widths[slot] == nodes[place].width == sweep.width
            holds[slot] = place
            fresh.add(place)
    for place in late:
        assert holds.get(plan.slots[place]) == place, f"{plan.program.show(place)} does not last"
    assert sorted(s for sweep in plan.sweeps for s in sweep.states) == sorted(plan.program.state)
    assert sorted(s for sweep in plan.sweeps for s in sweep.sums) == sorted(plan.program.sums)


@pytest.mark.parametrize("name", SERVED)
def test_no_slot_is_taken_while_it_is_needed(name: str) -> None:
    for use in uses(name):
        compiled = compile_cell(use)
        forward = compiled.forward.plan
        nodes = forward.program.nodes
        before = {forward.slots[p]: p for p in forward.slots if nodes[p].op == "outer"}
        operands = {a for p in forward.program.reachable() if nodes[p].op == "product" for a in nodes[p].args}
        late = {p for p in operands if p in forward.slots} if use.trains else set()
        kept = compiled.derived.kept if compiled.derived is not None else {}
        check_slots(compiled.forward, compiled, before, late | set(kept.values()))
        if compiled.backward is None or compiled.derived is None:
            continue
        plan = compiled.backward.plan
        reads = {plan.program.nodes[p].name: p for p in plan.slots if plan.program.nodes[p].op == "sequence"}
        given = {forward.slots[place]: reads[name] for name, place in kept.items() if name in reads}
        check_slots(compiled.backward, compiled, given, set(compiled.derived.backward.stores))
        # what the gradient of a matrix is taken from lies on the tape until after the loop
        writes = {slot for sweep in plan.sweeps for _, slot in sweep.keeps}
        assert not writes & {forward.slots[p] for p in operands if p in forward.slots}


@pytest.mark.parametrize("name", SERVED)
def test_states_held_for_one_step_are_not_read_after_they_are_written(name: str) -> None:
    for use in uses(name):
        compiled = compile_cell(use)
        for side in (compiled.forward, compiled.backward):
            if side is None:
                continue
            plan, gone = side.plan, defaultdict(int)
            nodes = plan.program.nodes
            for i, sweep in enumerate(plan.sweeps):
                for state in sweep.states:
                    gone[state] = i
            for i, sweep in enumerate(plan.sweeps):
                read = [arg for place in sweep.values for arg in nodes[place].args]
                read += [*(p for p, _ in sweep.keeps), *(plan.program.state[s] for s in sweep.states)]
                for place in read:
                    if nodes[place].op == "state" and nodes[place].name in plan.in_place:
                        assert i <= gone[nodes[place].name]


def test_the_stages_of_the_full_gru() -> None:
    compiled = compile_cell(Use(CELLS["gru-full"](2, 3), "double", True))
    forward = compiled.forward.plan
    # u and r from h as it came; then, behind a barrier, the candidate from r h
    assert [(sweep.stage, len(sweep.products), sweep.states) for sweep in forward.sweeps] == [
        (0, 2, []),
        (1, 1, ["h"]),
    ]
    assert forward.barriers() == {0, 1}
    assert compiled.backward is not None
    backward = compiled.backward.plan
    assert [(sweep.stage, len(sweep.products), sweep.states) for sweep in backward.sweeps] == [
        (0, 0, []),
        (1, 1, []),
        (2, 1, ["d h"]),
    ]
    assert backward.barriers() == {1, 2}
    assert compiled.histories == ("h",)


def test_the_lstm_is_one_sweep() -> None:
    for trains in (False, True):
        compiled = compile_cell(Use(CELLS["lstm"](2, 3), "double", trains))
        (sweep,) = compiled.forward.plan.sweeps
        assert (sweep.stage, len(sweep.products), sorted(sweep.states)) == (0, 4, ["c", "h"])
        assert compiled.histories == (("h", "c") if trains else ("h",))
        assert compiled.forward.plan.in_place == (() if trains else ("c",))


def test_text_holds_no_sizes() -> None:
    texts = []
    for k, n in ((2, 3), (7, 100)):
        compiled = compile_cell(Use(CELLS["lstm-peephole"](k, n), "float", True))
        assert compiled.backward is not None
        texts.append((compiled.forward.emitted.text, compiled.backward.emitted.text))
    assert texts[0] == texts[1]
