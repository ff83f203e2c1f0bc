"""Which files are for what, and a split that no part can look through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.parts import below, find_parts, inside, part_of, split
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

quick = settings(deadline=None, derandomize=True, max_examples=80)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train.csv", "train"),
        ("wnut17train.conll", "train"),
        ("training-2.jsonl", "train"),
        ("emerging.dev.conll", "valid"),
        ("VALIDATION.TSV", "valid"),
        ("val.de", "valid"),
        ("eng.testa", "valid"),
        ("eng.testb", "test"),
        ("test_2016_flickr.de", "test"),
        ("emerging.test.annotated", "test"),
        ("devices.csv", None),
        ("valuable.csv", None),
        ("contest.csv", None),
        ("reviews.csv", None),
    ],
)
def test_names_tell_the_part(name: str, part: str | None) -> None:
    assert part_of(name) == part


def is_csv(path: Path) -> bool:
    return path.suffix == ".csv"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_a_folder_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, "train-1.csv", "train-2.csv", "dev.csv", "test.csv", "README.md", "more/extra.csv")
    found = {part: [file.name for file in files] for part, files in find_parts([tmp_path], is_csv).items()}
    assert found == {"train": ["train-1.csv", "train-2.csv"], "valid": ["dev.csv"], "test": ["test.csv"]}


def test_folders_named_after_parts_are_searched_too(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.csv", "train/b.csv", "dev/a.csv", "notes/c.csv")
    found = {part: [file.name for file in files] for part, files in find_parts([tmp_path], is_csv).items()}
    assert found == {"train": ["a.csv", "b.csv"], "valid": ["a.csv"]}


def test_where_a_folder_of_data_lies_says_nothing(tmp_path: Path) -> None:
    films = tmp_path / "test" / "films"
    films.mkdir(parents=True)
    assert find_parts([films], lambda path: path.name == "films") == {"train": [films]}


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    touch(tmp_path, "train/reviews.txt", "mine.test.txt")
    files = [tmp_path / "train" / "reviews.txt", tmp_path / "mine.test.txt"]
    assert find_parts(files, is_csv) == {"train": [files[0]], "test": [files[1]]}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["notes.md"], "found no file of a known kind"),
        (["test.csv"], "expected a file to train on, found only test.csv"),
    ],
)
def test_nothing_to_train_on_is_said(tmp_path: Path, names: list[str], expected: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(UserError, match=expected):
        find_parts([tmp_path], is_csv)


def test_a_missing_path_names_its_neighbour(tmp_path: Path) -> None:
    touch(tmp_path, "reviews.csv")
    with pytest.raises(UserError, match=r"no such file or folder \(did you mean 'reviews.csv'\?\)"):
        find_parts([tmp_path / "reveiws.csv"], is_csv)


@quick
@given(
    st.lists(st.integers(0, 12), max_size=60), st.lists(st.floats(0.05, 0.4), min_size=1, max_size=2), st.integers(0, 5)
)
def test_a_split_keeps_all_and_parts_know_nothing_of_each_other(
    values: list[int], shares: list[float], seed: int
) -> None:
    parts = split(values, shares, seed, key=lambda value: value % 7)
    assert sorted(value for part in parts for value in part) == sorted(values)
    keys = [{value % 7 for value in part} for part in parts]
    assert all(not one & other for n, one in enumerate(keys) for other in keys[:n])
    assert parts == split(values, shares, seed, key=lambda value: value % 7)


def test_parts_are_as_large_as_asked_and_differ_with_the_seed() -> None:
    train, valid, test = split(range(1000), [0.1, 0.2], seed=0, key=int)
    assert (len(train), len(valid), len(test)) == (700, 100, 200)
    assert valid != split(range(1000), [0.1, 0.2], seed=1, key=int)[1]
    assert valid != list(range(900, 1000))  # drawn, not cut off


def test_a_folder_that_is_data_itself_has_its_own_name_alone(tmp_path: Path) -> None:
    """Where it lies says nothing: all of it may lie in a folder called test."""
    data = tmp_path / "test" / "data"
    data.mkdir(parents=True)
    assert find_parts([data], lambda path: path == data) == {"train": [data]}


def test_what_is_hidden_or_a_system_s_is_nobody_s_data(tmp_path: Path) -> None:
    left = ["__MACOSX/a.csv", ".ipynb_checkpoints/b.csv", ".git/c.csv", "._train.csv", "Thumbs.db", "desktop.ini"]
    touch(tmp_path, "train.csv", "deep/er/d.csv", "deep/.cache/e.csv", "deep/__pycache__/f.csv", *left)
    with noting() as notes:
        assert find_parts([tmp_path], is_csv) == {"train": [tmp_path / "train.csv"]}
        assert [path.name for path in inside(tmp_path)] == ["deep", "train.csv"]
        assert list(below(tmp_path)) == [tmp_path / "deep" / "er" / "d.csv", tmp_path / "train.csv"]
    assert notes.lines() == [
        f"{tmp_path}: not looked at, since hidden or left there by a system: ._train.csv, .git, .ipynb_checkpoints, "
        "Thumbs.db, __MACOSX, desktop.ini",
        f"{tmp_path / 'deep'}: not looked at, since hidden or left there by a system: .cache, __pycache__",
    ]
    # A path that the user names is meant, whatever it is called.
    assert find_parts([tmp_path / "._train.csv"], is_csv) == {"train": [tmp_path / "._train.csv"]}
    with pytest.raises(UserError, match=r"found no file of a known kind there; known are tables$"):
        find_parts([tmp_path / "deep" / "er"], lambda path: False, "tables")
