"""What ``throughtime code`` prints: the program, the plan, LLVM's text, and this processor's instructions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from throughtime.cells import GRUCell
from throughtime.program import describe

OWN = """
import torch
from throughtime.cells import Cell, input_matrix, recurrent_matrix

class Leaky(Cell):
    def parameters(self):
        n, k = self.hidden_size, self.input_size
        return {"W": input_matrix(n, k), "U": recurrent_matrix(n, n)}

    def step(self, x, s, p):
        new = torch.tanh(p.W @ x + p.U @ s.h)
        return {"h": 0.9 * s.h + 0.1 * new, "new": new}
"""


@pytest.mark.parametrize(("option", "verb"), [([], "traced"), (["--plan"], "compiled")])
def test_a_cell_that_no_program_can_be_made_of(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], verb: str
) -> None:
    (tmp_path / f"adding_{verb}.py").write_text(OWN.replace("s.h)", "s.h).cumsum(-1)"))
    monkeypatch.syspath_prepend(str(tmp_path))
    answer = call("code", f"adding_{verb}:Leaky", *option)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"throughtime: Leaky cannot be {verb}: the step calls cumsum")


def test_the_program_is_what_is_shown_first(call: Any) -> None:
    answer = call("code", "gru", "--hidden", 5, "--input", 3)
    assert answer.code == 0
    assert answer.out == describe(GRUCell(3, 5)) + "\n"
    assert call("code", "gru", "--program", "--hidden", 5, "--input", 3).out == answer.out
    shorter = call("code", "gru", "--inference", "--hidden", 5, "--input", 3).out
    assert shorter == describe(GRUCell(3, 5), training=False) + "\n"
    assert shorter in answer.out.replace("\n    keep ", "\n\n", 1)


def test_the_program_needs_no_compiler(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.engine.compiled.show.available", lambda: "llvmlite is absent")
    assert call("code", "gru").code == 0
    refused = call("code", "gru", "--plan")
    assert (refused.code, refused.out) == (2, "")
    assert "GRUCell cannot be compiled: llvmlite is absent" in refused.err


def test_the_page_on_programs_shows_what_the_command_prints(call: Any) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "program.md").read_text("utf-8")
    shown = re.findall(r"```console\n\$ throughtime (code [^\n]*)\n```\n\n```text\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 1
    for command, text in shown:
        assert call(*command.split()).out == text


def test_the_plan_of_a_cell_with_two_stages(call: Any) -> None:
    answer = call("code", "gru-full", "--plan", "--hidden", 5, "--input", 3)
    assert answer.code == 0
    forward, backward = answer.out.split("FullGRUCell, backward")
    lines = [line.strip() for line in forward.splitlines()]
    assert "slot 1 = W_x[5:10, 0:3] @ x" in lines
    stage = lines.index("stage 1, when all units of the stage before are there")
    (product,) = [i for i, line in enumerate(lines) if "W_hc[0:5, 0:5] @" in line]
    assert lines.index("stage 0, when all units of the stage before are there") < stage < product
    assert any("W_h[0:10, 0:5]ᵀ @ [" in line for line in backward.splitlines())
    assert sum("gradient of b" in line for line in backward.splitlines()) == 3


def test_a_cell_of_ones_own_has_its_own_names(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaky_cell.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    answer = call("code", "leaky_cell:Leaky", "--inference")
    assert "new: 8 = tanh(" in answer.out
    assert "backward" not in answer.out
    answer = call("code", "leaky_cell:Leaky", "--inference", "--plan")
    assert "new = tanh(" in answer.out
    assert "backward" not in answer.out


@pytest.mark.parametrize(("options", "number"), [([], "float"), (["--float64"], "double")])
def test_llvms_text(call: Any, options: list[str], number: str) -> None:
    text = call("code", "lstm", "--llvm", *options).out
    assert text.count("define void @run(") == 2
    assert text.count("define void @product.1.1(") == text.count("what every cell calls") == 1
    assert f"x {number}> @tt.tanh(" in text
    # sizes are read when it runs: another cell of the kind has the same text
    assert text == call("code", "lstm", "--llvm", "--hidden", 32, "--input", 7, *options).out


def test_instructions(call: Any) -> None:
    assert "member:" in call("code", "rnn", "--assembly", "--inference").out.replace("_member:", "member:")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ltsm"], "unknown cell 'ltsm' (did you mean 'lstm'?)"),
        (["lstm", "--hidden", "0"], "expected --input and --hidden of at least 1, got 16 and 0"),
    ],
)
def test_bad_input_is_one_line(call: Any, arguments: list[str], message: str) -> None:
    answer = call("code", *arguments)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"throughtime: {message}")


def test_options_reach_the_cell_and_its_weights_are_counted(call: Any) -> None:
    answer = call("code", "lstm", "--hidden", 12, "--input", 5, "--cell-option", "heads=3", "--inference")
    assert answer.code == 0
    assert "\nreads 432 weights a step: W_x 240, W_h 192\n" in answer.out
    assert "= W_h[0:12, 0:4; 3 heads] @ h<t-1>" in answer.out
    whole = call("code", "lstm", "--hidden", 12, "--input", 5, "--inference").out
    assert "\nreads 816 weights a step: W_x 240, W_h 576\n" in whole


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("heads=5", "--cell-option: LSTMCell: expected heads to divide hidden_size (8 features), got 5"),
        ("heads=many", "--cell-option: LSTMCell: expected heads to be a positive integer, got 'many'"),
        ("head=2", "--cell-option: cell lstm has no option 'head' (did you mean 'heads'?); options: memory, heads"),
        ("heads", "--cell-option: expected name=value, got 'heads'"),
    ],
)
def test_a_wrong_option_of_the_cell_is_refused(word: str, told: str, call: Any) -> None:
    answer = call("code", "lstm", "--cell-option", word)
    assert (answer.code, answer.out) == (2, "")
    assert told in answer.err
