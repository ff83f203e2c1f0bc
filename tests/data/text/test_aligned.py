"""Aligned files are found and read side by side; what does not fit together is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from throughtime.data.text.aligned import Translated, find_aligned, read_aligned
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


def names(found: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {part: [path.name for path in paths] for part, paths in found.items()}


def test_parts_and_languages_of_a_folder(tmp_path: Path) -> None:
    for stem in ("train", "val", "test_2016", "test_2017", "test_2018"):
        write(tmp_path, **{f"{stem}__{language}": "x\n" for language in ("nl", "fr")})
    write(tmp_path, README__md="all about it", LICENSE="free")
    with noting() as notes:
        found = find_aligned([tmp_path], None, None)
    left = ", ".join(str(tmp_path / name) for name in ("test_2017.fr", "test_2017.nl", "test_2018.fr", "test_2018.nl"))
    assert notes.taken == [f"test sets left out: {left}"]
    assert names(found) == {
        "train": ["train.fr", "train.nl"],
        "valid": ["val.fr", "val.nl"],
        "test": ["test_2016.fr", "test_2016.nl"],
    }
    assert names(find_aligned([tmp_path], "nl", None))["train"] == ["train.nl", "train.fr"]
    assert names(find_aligned([tmp_path], None, "fr"))["train"] == ["train.nl", "train.fr"]


def test_files_that_are_named_stand_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, own__nl="a\n", own__fr="b\n")
    files = [tmp_path / "own.nl", tmp_path / "own.fr"]
    assert find_aligned(files, None, None) == {"train": files}
    assert find_aligned(files[::-1], None, None) == {"train": files[::-1]}
    assert find_aligned(files[::-1], "nl", "fr") == {"train": files}
    assert find_aligned(files[:1], None, None) == {"train": files}


def test_of_three_languages_two_are_chosen(tmp_path: Path) -> None:
    write(tmp_path, train__nl="a\n", train__fr="b\n", train__da="c\n")
    assert names(find_aligned([tmp_path], "nl", "da"))["train"] == ["train.nl", "train.da"]
    for options in ((None, None), ("nl", None), (None, "fr")):
        with pytest.raises(
            UserError, match=r"expected a file in each of two languages, found .*; pass --from and --to"
        ):
            find_aligned([tmp_path], *options)
    with pytest.raises(UserError, match=r"expected train\.sv beside it, found train\.da, train\.fr, train\.nl"):
        find_aligned([tmp_path], "nl", "sv")


def test_lines_are_read_side_by_side(tmp_path: Path) -> None:
    write(tmp_path, own__nl="een huis\n\n \ndrie\n", own__fr="une maison\n\ndeux\ntrois")
    path = tmp_path / "own.nl"
    assert list(read_aligned([path], None, None)) == [
        Translated("een huis", "une maison", f"{path}:1"),
        Translated("", "deux", f"{path}:3"),
        Translated("drie", "trois", f"{path}:4"),
    ]


def test_only_line_breaks_end_a_line(tmp_path: Path) -> None:
    write(tmp_path, own__nl="een\u2028huis\ntwee\x85\n", own__fr="une\x0cmaison\ndeux\n")
    found = list(read_aligned([tmp_path / "own.nl"], None, None))
    assert [(t.source, t.target) for t in found] == [("een\u2028huis", "une\x0cmaison"), ("twee", "deux")]


def test_different_numbers_of_lines(tmp_path: Path) -> None:
    write(tmp_path, own__nl="een\ntwee\ndrie\n", own__fr="un\ndeux\n")
    message = r"own\.nl: expected as many lines as in .*own\.fr, where line n translates line n; got 3 and 2"
    with pytest.raises(UserError, match=message):
        list(read_aligned([tmp_path / "own.nl"], None, None))


def test_tables(tmp_path: Path) -> None:
    write(tmp_path, train__tsv="een huis\tune maison\n\ntwee\tdeux\tmore\n", dev__tsv="a\tb\n")
    assert names(find_aligned([tmp_path], None, None)) == {"train": ["train.tsv"], "valid": ["dev.tsv"]}
    path = tmp_path / "train.tsv"
    assert list(read_aligned([path], None, None)) == [
        Translated("een huis", "une maison", f"{path}:1"),
        Translated("twee", "deux", f"{path}:3"),
    ]
    write(tmp_path, broken__tsv="a\tb\nonly one\n")
    message = r"broken\.tsv:2: expected a sentence, a tab and its translation, got no tab in 'only one'"
    with pytest.raises(UserError, match=message):
        list(read_aligned([tmp_path / "broken.tsv"], None, None))


def test_nothing_to_read_and_nothing_to_train_on(tmp_path: Path) -> None:
    write(tmp_path, README__md="alone")
    with pytest.raises(UserError, match=r"found no two files of one name with two endings"):
        find_aligned([tmp_path], None, None)
    with pytest.raises(UserError, match="no such file or folder"):
        find_aligned([tmp_path / "absent"], None, None)
    write(tmp_path, test__nl="a\n", test__fr="b\n")
    with pytest.raises(UserError, match=r"expected files to train on, found only test\.fr, test\.nl"):
        find_aligned([tmp_path], None, None)
    write(tmp_path, alone__nl="a\n")
    with pytest.raises(UserError, match=r"expected a file in each of two languages, found alone\.nl; pass --from"):
        find_aligned([tmp_path / "alone.nl"], None, None)
