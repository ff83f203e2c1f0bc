"""A step as a program: traced, folded, differentiated, and what it needs of matrices and memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from throughtime.cells import CELLS, bias, input_matrix, recurrent_matrix, vector
from throughtime.program import (
    LEAVES,
    Block,
    Derived,
    Program,
    Share,
    beforehand,
    derive,
    describe,
    histories,
    kept,
    program_text,
    shares,
    trace,
)
from throughtime.program.interpreter import OPERATIONS


def lines(program: Program, derived: Derived | None = None) -> list[str]:
    """Its lines without their indent and their widths, spaces made one."""
    text = [" ".join(line.split()) for line in program_text(program, derived).splitlines()]
    return [re.sub(r"^(.+?): \d+ = ", r"\1 = ", line) for line in text if not re.fullmatch(r".+: \d+", line)]


def numbered(program: Program) -> list[str]:
    """What is computed in it, the values without names numbered from 1."""
    text = "\n".join(line for line in lines(program)[1:] if line)
    names = dict.fromkeys(re.findall(r"\bv\d+\b", text))
    numbers = {name: f"v{i}" for i, name in enumerate(names, 1)}
    return re.sub(r"\bv\d+\b", lambda found: numbers[found[0]], text).split("\n")


def test_the_lstm_as_it_is_read() -> None:
    read = lines(trace(CELLS["lstm"](2, 3)))
    assert sum("W_h[" in line and "@ h<t-1>" in line for line in read) == 4
    assert sum("sigmoid" in line for line in read) == 3
    assert sum("tanh" in line for line in read) == 2
    assert [line.split(" = ")[0] for line in read[-2:]] == ["next h<t>", "next c<t>"]
    outer = [f" = W_x[{3 * i}:{3 * i + 3}, 0:2] @ x" for i in range(4)]
    assert all(any(line.startswith("before v") and part in line for line in read) for part in outer)
    assert all(any(f"b[{3 * i}:{3 * i + 3}]" in line for line in read) for i in range(4))


def test_the_full_gru_line_by_line() -> None:
    # u and r share an operand; the candidate's product waits for r
    read = lines(trace(CELLS["gru-full"](2, 3)))
    names = {line.split(" = ")[0] for line in read}
    assert {"u", "r", "c", "next h<t>"} <= names
    text = "\n".join(read)
    assert "W_h[0:3, 0:3] @ h<t-1>" in text
    assert "W_h[3:6, 0:3] @ h<t-1>" in text
    (reset,) = [line.split(" = ")[0] for line in read if line.endswith("= r * h<t-1>")]
    assert f"W_hc[0:3, 0:3] @ {reset}" in text


def test_a_tiny_cell_exactly(make: Any) -> None:
    declared = {"W": input_matrix(3, 2), "U": recurrent_matrix(3, 3), "b": bias(3)}
    cell = make(declared, lambda x, s, p: {"h": torch.tanh(p.W @ x + p.U @ s.h + p.b)}, {"h": 3})
    assert numbered(trace(cell)) == [
        "before v1 = W[0:3, 0:2] @ x",
        "v2 = U[0:3, 0:3] @ h<t-1>",
        "v3 = v1 + v2",
        "v4 = v3 + b[0:3]",
        "v5 = tanh(v4)",
        "next h<t> = v5",
    ]
    assert numbered(trace(cell, outer=False))[0] == "v1 = W[0:3, 0:2] @ x"
    assert any("h<t-1> * mask U[0:3]" in line for line in lines(trace(cell, ["U"])))
    assert any("0.75 * " in line for line in lines(trace(cell, keep={"h": 0.25})))
    assert any("where(" in line for line in lines(trace(cell, keep={"h": None})))


def test_nothing_is_computed_twice(make: Any) -> None:
    declared = {"U": recurrent_matrix(3, 3)}

    def step(x: Any, s: Any, p: Any) -> Any:
        return {"h": torch.tanh(p.U @ s.h) * torch.sigmoid(p.U @ s.h) + torch.tanh(p.U @ s.h)}

    read = lines(trace(make(declared, step, {"h": 3})))
    assert sum("tanh" in line for line in read) == 1
    assert sum("@" in line for line in read) == 1


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
    assert (Block("W", 3, 3, 0, 2).units, Block("W", 3, 3, 0, 2).depth) == (3, 2)
    assert (Block("W", 3, 3, 0, 2, transposed=True).units, Block("W", 3, 3, 0, 2, transposed=True).depth) == (2, 3)


def test_the_derivative_of_a_tiny_cell(make: Any) -> None:
    declared = {"U": recurrent_matrix(3, 3), "b": bias(3)}
    cell = make(declared, lambda x, s, p: {"h": torch.tanh(p.U @ s.h + p.b)}, {"h": 3})
    derived = derive(trace(cell))
    # (d h + grad y) (1 - h²), and Uᵀ of it goes on to the step before
    assert numbered(derived.backward) == [
        "v1 = d h<t> + grad y",
        "v2 = h<t> * h<t>",
        "v3 = 1 - v2",
        "v4 = v1 * v3",
        "v5 = U[0:3, 0:3]ᵀ @ v4",
        "next d h<t-1> = v5",
    ]
    assert lines(derived.forward, derived)[-2:] == [
        f"sum d b[0:3] += v{derived.backward.sums['b[0:3]']}",
        f"after d U[0:3, 0:3] += v{derived.backward.stores[0]} @ h<t-1>ᵀ",
    ]
    assert derived.kept == {}
    assert list(derived.gradients.values()) == derived.backward.stores
    assert derived.x is None


def test_the_gates_gradients_go_back_in_one_product() -> None:
    derived = derive(trace(CELLS["lstm"](2, 3)))
    products = [line for line in lines(derived.backward) if "@" in line]
    assert len(products) == 1
    assert "W_h[0:12, 0:3]ᵀ @ [" in products[0]
    assert len(derived.gradients) == 8


def test_the_output_is_the_first_state_in_whatever_order_their_widths_are_told(make: Any) -> None:
    base = make({"U": recurrent_matrix(3, 3)}, lambda x, s, p: {"h": p.U @ s.h, "c": s.c}, {"h": 3, "c": 3})
    cell = type("Turned", (type(base),), {"widths": lambda self: {"c": 3, "h": 3}})(2, 3)
    assert trace(cell).output == "h"
    assert histories(trace(cell)) == ("h",)


def test_one_number_for_all_units_and_a_gradient_of_the_input_itself(make: Any) -> None:
    cell = make({"s": vector(1)}, lambda x, s, p: {"h": torch.tanh(p.s * s.h + x)}, {"h": 2})
    derived = derive(trace(cell))
    read = lines(derived.forward, derived)
    assert derived.x is not None
    assert "sum d s[0:1]*2 += " + derived.backward.show(derived.backward.sums["s[0:1]*2"]) in read
    assert read[-1] == "after d x += " + derived.backward.show(derived.x)


@pytest.mark.parametrize("name", ["x", "v{}", "h<t>", "kept"])
def test_a_name_that_means_something_else_is_no_label(
    name: str, make: Any, draw: Any, run: Any, interpreted: Any, same: Any
) -> None:
    """Were a gate called as the number of another kept value, the derivative would read one for both."""
    declared = {"U": recurrent_matrix(3, 3), "V": recurrent_matrix(3, 3)}

    def step(called: str) -> Any:
        def function(x: Any, s: Any, p: Any) -> Any:
            a, b = torch.tanh(p.U @ s.h), torch.sigmoid(p.V @ s.h)
            return {"h": a * b, called: b}

        return function

    plain = trace(make(declared, step("b"), {"h": 3}))
    (tanh,) = plain.places("tanh")
    cell = make(declared, step(name.format(tanh)), {"h": 3})
    assert len(derive(trace(cell)).kept) == 2
    values = draw(cell, 2, 3)
    expected = run(cell, values, "reference")
    same(interpreted(cell, values), expected, rtol=1e-12, atol=1e-12)
    same(run(cell, values, "compiled"), expected, rtol=1e-8, atol=1e-10)


def test_what_the_full_gru_needs() -> None:
    """What multiplies the input beforehand, whose every value is held, what is kept, and whose gradient is whose."""
    program = trace(CELLS["gru-full"](2, 3))
    derived = derive(program)
    assert [str(block) for block in beforehand(program)] == [f"W_x[{i}:{i + 3}, 0:2]" for i in (0, 3, 6)]
    assert beforehand(trace(CELLS["gru-full"](2, 3), outer=False)) == []
    assert histories(program) == histories(program, derived) == ("h",)
    (product,) = [p for p in program.places("product") if str(program.nodes[p].block).startswith("W_hc")]
    (reset,) = program.nodes[product].args
    assert list(kept(derived)) == ["kept u", "kept c", "kept r", f"kept v{reset}"]
    assert list(derived.kept) == ["kept u", "kept c", "kept r"]
    share = next(share for share in shares(derived) if share.block.matrix == "W_hc")
    assert share == Share(Block("W_hc", 0, 3, 0, 3), derived.gradients[product], reset)
    assert {str(share.block) for share in shares(derived) if share.operand is None} == {
        str(block) for block in beforehand(program)
    }


def test_numbers_are_told_to_the_last_bit() -> None:
    program = Program()
    shown = [program.show(program.constant(number, 3)) for number in (1.0, -2.0, 0.5, 1 / 3, 2**-0.5)]
    assert shown == ["1", "-2", "0.5", "0.3333333333333333", "0.7071067811865476"]


@pytest.mark.parametrize("name", CELLS)
def test_the_text_of_every_cell_names_each_value_once_and_before_it_is_read(name: str) -> None:
    text = describe(CELLS[name](4, 6))
    assert text == describe(CELLS[name](4, 6))
    head, *parts = text.split("\n\n")
    assert head.splitlines()[0] == repr(CELLS[name](4, 6))
    assert [part.splitlines()[0] for part in parts[-2:]] == ["forward", "backward"]
    for part in parts:
        known: list[str] = []
        for line in part.splitlines()[1:]:
            word, rest = line[4:13].strip(), line[13:]
            left, _, right = rest.partition(" = ")
            if word in ("", "before", "next"):
                read = {read.strip("ᵀ ()[],") for read in re.split(r" [-+*/@] |, |\(", right)}
                read = {f"{r}]" if f"{r}]" in known else r for r in read}  # a slice of a vector ends in one
                values = {r for r in read if re.fullmatch(r"v\d+|kept \w+|[a-z]+<t(-1)?>", r) or r in known}
                assert values or (word, right) == ("next", "0"), line  # of a state that no step reads
                assert values <= {*known, "x"}, line
            if word in ("state", "sequence", "rowwise", "vector", "", "before"):
                assert left.partition(": ")[0] not in known
                known.append(left.partition(": ")[0])


def test_the_page_tells_every_operation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "program.md").read_text("utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    told = set(re.findall(r"`(\w+)`", "\n".join(line.split(" | ")[0] for line in rows.splitlines())))
    assert told == {*LEAVES, "product", *OPERATIONS}
