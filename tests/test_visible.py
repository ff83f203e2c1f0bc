"""Nothing that strangers wrote acts where it is shown; the source is read for ways out that pass the filter by."""

from __future__ import annotations

import ast
import functools
import json
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import parsed
from throughtime.visible import as_json, in_line, tell, visible

ROOT = Path(__file__).parents[1] / "src" / "throughtime"
BIDIRECTIONAL = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
MARKS = "\u061c\u200e\u200f\u2028\u2029"


def acts(character: str) -> bool:
    """Whether a terminal does something other than show it, as Unicode's own tables have it."""
    control = unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    return control or character in MARKS or unicodedata.bidirectional(character) in BIDIRECTIONAL


def test_every_character_of_unicode_that_acts_is_shown_and_no_other_is_touched() -> None:
    every = list(map(chr, range(sys.maxunicode + 1)))
    acting = list(filter(acts, every))
    assert len(acting) == 2048 + 65 - 2 + 9 + len(MARKS)
    for character in acting:
        assert visible(character) != character
        assert (visible(character) + as_json(character)).isprintable()
        assert json.loads(as_json(character)) == character
    passed_over = {*acting, *map(chr, range(0x206A, 0x2070))}  # the last are deprecated: they turn mirroring on and off
    rest = "".join(character for character in every if character not in passed_over)
    assert visible(rest) == rest


def test_how_they_are_shown() -> None:
    assert visible("\0\x07\x1b[0m\r\x7f") == "␀␇␛[0m␍␡"
    assert visible("\x9b \u202e \u2066 \ud800 \u2028") == r"\x9b \u202e \u2066 \ud800 \u2028"
    assert visible("a\tb\nc") == "a\tb\nc"
    assert in_line("a\tb\nc") == "a\tb␊c"
    family = "👩\u200d👧 می\u200cخواهم שלום"
    assert visible(family) == family  # joiners, and letters that run from right to left, are no controls
    assert as_json("猫\x1b\x7f\x9b\u202e") == r'"猫\u001b\u007f\u009b\u202e"'


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.dictionaries(st.text(), st.text()))
def test_json_reads_back_as_the_same_value(value: dict[str, str]) -> None:
    assert json.loads(as_json(value)) == value
    assert not any(map(acts, as_json(value)))


def test_a_line_to_the_user_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell("a\x1b\nthroughtime: b")
    assert capsys.readouterr().err == "throughtime: a␛␊throughtime: b\n"


# The source ----------------------------------------------------------------------------------------------------------

WAYS_OUT = ("visible.py", "console.py", "cli/shared/output.py")
PIPED = ("bench/measures/probe.py",)
"""Prints what its parent process reads."""

FORBIDDEN = {"print", "secho", "echo_via_pager", "Console", "from_markup", "from_ansi", "StreamHandler", "RichHandler"}
DRAWN = {"savefig", "Figure", "print_figure"}


def ways_out(tree: ast.Module, where: str = "") -> Iterator[str]:
    """What is called or taken in a module that text could leave by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if name in FORBIDDEN and not (name == "print" and owner == "self.console"):  # one of ours
                yield name
            if (owner, name) in (("click", "echo"), ("error", "show"), ("os", "write")) and where != "files.py":
                yield f"{owner}.{name}"
            if any(word.arg == "markup" and ast.unparse(word.value) != "False" for word in node.keywords):
                yield "markup"
        elif isinstance(node, ast.Attribute) and node.attr in ("write", "writelines", "buffer"):
            if ast.unparse(node.value) in ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module in ("sys", "rich", "rich.console"):
            yield from (alias.name for alias in node.names if alias.name in ("stdout", "stderr", "print", "Console"))


def drawings(tree: ast.Module) -> Iterator[str]:
    """Calls that make or write a figure."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in DRAWN:
                yield name
        elif isinstance(node, ast.Import | ast.ImportFrom) and "pyplot" in ast.unparse(node):
            yield "pyplot"


@functools.cache
def modules() -> dict[str, ast.Module]:
    files = sorted(ROOT.rglob("*.py"))
    return {file.relative_to(ROOT).as_posix(): parsed(file.read_text(encoding="utf-8")) for file in files}


def test_text_leaves_the_process_in_one_place() -> None:
    found = {name: list(ways_out(tree, name)) for name, tree in modules().items() if name not in (*WAYS_OUT, *PIPED)}
    assert {name: ways for name, ways in found.items() if ways} == {}
    assert all(list(ways_out(modules()[name])) for name in (*WAYS_OUT, *PIPED))  # the reader sees them


def test_json_for_people_is_written_in_one_place() -> None:
    commands = {name: ast.unparse(tree) for name, tree in modules().items() if name.startswith("cli/")}
    assert [name for name, source in commands.items() if "json.dumps" in source] == []


def test_pictures_are_made_and_written_in_one_place() -> None:
    found = {name: set(drawings(tree)) for name, tree in modules().items()}
    assert {name: calls for name, calls in found.items() if calls} == {"pictures.py": {"Figure", "savefig"}}


@pytest.mark.parametrize(
    "line",
    [
        "print('a')",
        "click.echo('a')",
        "click.secho('a')",
        "Console().rule()",
        "rich.console.Console(stderr=True)",
        "sys.stdout.write('a')",
        "sys.stderr.buffer.write(b'a')",
        "write = sys.stderr.write",
        "from rich import print",
        "from rich.console import Console",
        "from sys import stderr",
        "Text.from_markup('a')",
        "TextColumn('{task.description}', markup=True)",
        "error.show()",
        "os.write(1, b'a')",
    ],
)
def test_a_way_out_is_seen(line: str) -> None:
    assert list(ways_out(parsed(line)))
