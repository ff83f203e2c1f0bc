"""Classes by where data lie: folders, files, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from throughtime.applications.judging.classification import learn_classes
from throughtime.data.parts import find_parts
from throughtime.data.text.labelled import is_labelled, read_labelled
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose name tells no part."""
    return tmp_path / "data"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def found(folder: Path) -> dict[str, list[tuple[str, str]]]:
    files = find_parts([folder], is_labelled, "tables")
    return {part: [(e.text, e.label) for path in paths for e in read_labelled(path)] for part, paths in files.items()}


GOOD, BAD = "a fine film\n\nso warm\n", "a dull film\nno end\n"
BOTH = [("a dull film", "neg"), ("no end", "neg"), ("a fine film", "pos"), ("so warm", "pos")]


def test_files_named_after_classes_hold_a_text_a_line(data: Path) -> None:
    write(data, {"rt-polarity.pos": GOOD, "rt-polarity.neg": BAD, "README": "x"})
    with noting() as notes:
        assert found(data) == {"train": BOTH}
    assert f"{data}/rt-polarity.pos: every line is a text of class 'pos' (the file's name)" in notes.lines()
    assert next(iter(read_labelled(data / "rt-polarity.pos"))).where == f"{data}/rt-polarity.pos:1"


def test_so_do_text_files_that_are_alone_in_a_folder(data: Path) -> None:
    write(data, {"neg.txt": BAD, "pos.txt": GOOD, ".DS_Store": "", "._pos.txt": "junk"})
    assert found(data) == {"train": BOTH}
    assert [e.label for e in read_labelled(data / "pos.txt")] == ["pos", "pos"]


def test_parts_have_files_of_their_own(data: Path) -> None:
    write(data, {"train/neg.txt": BAD, "train/pos.txt": GOOD, "test/neg.txt": BAD, "test/pos.txt": GOOD})
    assert found(data) == {"train": BOTH, "test": BOTH}
    write(data / "more", {"train.pos": GOOD, "train.neg": BAD, "dev.pos": GOOD, "dev.neg": BAD})
    assert found(data / "more") == {"train": BOTH, "valid": BOTH}


@pytest.mark.parametrize(
    "files",
    [
        {"text.txt": GOOD, "labels.txt": BAD},
        {"train_text.txt": GOOD, "train_labels.txt": BAD},
        {"train.txt": GOOD, "test.txt": BAD},
        {"pos.txt": GOOD, "README.txt": BAD},
        {"a.txt": GOOD, "b.txt": BAD, "c.csv": ""},
        {"a.txt": GOOD, "b.txt": BAD, "more/c.txt": ""},
        {"pos.txt": GOOD},
        {f"{n}.txt": GOOD for n in range(60)},
    ],
)
def test_text_files_that_are_no_classes(data: Path, files: dict[str, str]) -> None:
    assert not is_labelled(write(data, files))


def test_where_nothing_is_found_the_known_kinds_are_listed(data: Path) -> None:
    write(data, {"text.txt": GOOD, "labels.txt": BAD})
    kinds = (
        r"a table \(.csv, .*\), a folder of .txt files for every class, or a file for every class with a text a line"
    )
    for path in (data, data / "labels.txt"):
        with pytest.raises(UserError, match=f"{path.name}: expected {kinds}"):
            list(read_labelled(path))


def test_hidden_folders_are_no_classes(data: Path) -> None:
    names = ["pos/1", "neg/1", ".ipynb_checkpoints/1-checkpoint", "__MACOSX/1", "__MACOSX/pos/._1", "pos/._1"]
    write(data, {f"{name}.txt": name for name in names})
    assert found(data) == {"train": [("neg/1", "neg"), ("pos/1", "pos")]}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["1", "1.0", "2"] * 9, "a.csv:2: expected a class to be written in one way, got '1' and '1.0'; mend one"),
        (["x"] * 30, "expected at least two labels, got only 'x' (a.csv:2)"),
        (
            [f"{n / 10}" for n in range(10, 50)] * 20,
            "a.csv:2: expected classes that recur, got 40 different numbers in 800 examples: 1.0, 1.1, 1.2, 1.3, 1.4, "
            "1.5, 1.6, 1.7, 1.8, 1.9 … and 30 more; a classifier learns classes, no amounts",
        ),
        ([str(n) for n in range(3000)] * 2, "got 3,000 different numbers in 6,000 examples"),
        ([f"2024-01-{n:02} 10:00" for n in range(1, 20)], "got 19 different times in 19 examples"),
        ([f"user{n}" for n in range(40)], "got 40 different labels in 40 examples"),
    ],
)
def test_labels_that_are_no_classes(labels: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        learn_classes(labels, "a.csv:2")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [
        [str(n / 2) for n in range(1, 11)] * 9,  # half stars
        [str(n) for n in range(150)] * 20,  # intents by number
        [f"intent {n}" for n in range(150)] * 3,
        ["2019", "2020"] * 9,
        [f"rare {n}" for n in range(12)],
    ],
)
def test_labels_that_are_classes(labels: list[str]) -> None:
    assert learn_classes(labels, "a.csv:2") == sorted(set(labels))
