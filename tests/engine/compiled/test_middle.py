"""The middle of the compiler by itself: laying out."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from familiar import FAMILIAR
from throughtime.cells import CELLS
from throughtime.engine.compiled.cellcode import Compiled, Side, Use, compile_cell
from throughtime.engine.compiled.plan import Plan, Sweep, Tape
from throughtime.program import REDUCTIONS

SERVED = FAMILIAR


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
    desk: dict[int, tuple[str, int]] = {}
    ready = {p for p in plan.program.reachable() if nodes[p].is_leaf and p not in plan.given}
    barriers, passed = plan.barriers(), -1
    # what other parties have written by the last barrier: products read whole rows, and what is reduced or spread does
    written: set[tuple[str, int]] = {("value", place) for place in given.values()}
    fresh: set[tuple[str, int]] = set()

    def check_read(place: int) -> None:
        across = nodes[place].op == "spread"
        place = nodes[place].args[0] if across else place
        if place in ready:
            return
        if place in plan.slots:
            assert holds.get(plan.slots[place]) == place, f"{plan.program.show(place)} is gone"
        else:
            assert desk.get(plan.notes[place]) == ("value", place), f"{plan.program.show(place)} is gone from the desk"
        assert not across or ("value", place) in written, f"{plan.program.show(place)} is read before a barrier"

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
                    assert ("value", operand) in written, f"{plan.program.show(place)} reads what is not finished"
            else:
                assert len(operands) == 1
                assert nodes[operands[0]].op in ("state", "sequence")
                assert nodes[operands[0]].name not in plan.in_place
        for place in read(plan, sweep):
            check_read(place)
        for place in sweep.values:
            assert nodes[place].width == sweep.width
            if nodes[place].op in REDUCTIONS:
                assert desk.get(plan.partials[place]) == ("parts", place)
                assert ("parts", place) in written, f"{plan.program.show(place)} is reduced before a barrier"
        for place, slot in sweep.keeps:
            assert compiled.widths[slot] == nodes[place].width == sweep.width
            holds[slot] = place
            fresh.add(("value", place))
        for kind, notes in (("value", sweep.notes), ("parts", sweep.reduces)):
            for place, slot in notes:
                desk[slot] = (kind, place)
                fresh.add((kind, place))
    for place in late:
        assert holds.get(plan.slots[place]) == place, f"{plan.program.show(place)} does not last"
    assert sorted(s for sweep in plan.sweeps for s in sweep.states) == sorted(plan.program.state)
    assert sorted(s for sweep in plan.sweeps for s in sweep.sums) == sorted(plan.program.sums)


def read(plan: Plan, sweep: Sweep) -> list[int]:
    """What the arithmetic of a sweep reads and does not compute itself."""
    nodes = plan.program.nodes
    found = [arg for place in sweep.values if nodes[place].op not in REDUCTIONS for arg in nodes[place].args]
    found += [arg for place, _ in sweep.reduces for arg in nodes[place].args]
    found += [*(p for p, _ in [*sweep.keeps, *sweep.notes]), *(plan.program.state[s] for s in sweep.states)]
    found += [plan.program.sums[s] for s in sweep.sums]
    return [place for place in found if place not in {*sweep.products, *sweep.values}]


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
                for place in read(plan, sweep):
                    place = nodes[place].args[0] if nodes[place].op == "spread" else place
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
