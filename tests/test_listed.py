"""Messages end their lists of names: whatever comes from data, or from a long registry, is told up to a tenth name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import parsed
from throughtime.errors import listed

ROOT = Path(__file__).parent.parent / "src" / "throughtime"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def joins(node: ast.AST) -> bool:
    """Whether names are joined there by commas."""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "join"
        and isinstance(call.func.value, ast.Constant)
        and isinstance(call.func.value.value, str)
        and "," in call.func.value.value
        for call in ast.walk(node)
    )


def is_error(node: ast.AST) -> bool:
    """Whether an error is raised there, or made to be raised elsewhere."""
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(node, ast.Raise) or (isinstance(called, ast.Name) and called.id == "UserError")


def endless(source: str) -> Iterator[int]:
    """Lines where a message's names are joined by hand: in the error itself, or in what it names."""
    tree = parsed(source)
    for function in (node for node in ast.walk(tree) if isinstance(node, Function)):
        named = {
            target.id: node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and joins(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for error in filter(is_error, ast.walk(function)):
            yield from (named[node.id] for node in ast.walk(error) if isinstance(node, ast.Name) and node.id in named)
    yield from (node.lineno for node in ast.walk(tree) if is_error(node) and joins(node))


def test_no_message_joins_names_by_hand() -> None:
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        source = file.read_text("utf-8")
        if "join(" in source and (lines := sorted(set(endless(source)))):
            found[str(file.relative_to(ROOT))] = lines
    assert found == {}


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("raise UserError(f\"columns: {', '.join(names)}\")", 1),
        ("return UserError(', '.join(names))", 1),
        ("told = ', '.join(names)\n    raise ValueError(told)", 1),
        ("raise UserError(f'columns: {listed(names)}')", 0),
        ("return ', '.join(names)", 0),
    ],
)
def test_a_join_by_hand_is_found(line: str, count: int) -> None:
    assert len(set(endless(f"def f(names):\n    {line}\n"))) == count


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=40))
def test_ten_names_are_told_and_how_many_more(names: list[str]) -> None:
    told = listed(names)
    shown, _, more = told.partition(" … and ")
    assert shown == ", ".join(names[:10])
    assert more == (f"{len(names) - 10} more" if len(names) > 10 else "")
