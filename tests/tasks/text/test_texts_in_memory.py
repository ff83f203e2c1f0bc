"""Texts in memory are trained on as those of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from throughtime.data.text.files import open_texts
from throughtime.errors import UserError
from throughtime.tasks.text.task import TextTask

TEXTS = ["some of\nthese words\n", "again — and again", "", "\u2028in every line\n"] * 3
SMALL: dict[str, Any] = {"hidden": 4, "embedding": 4, "batch": 2, "steps": 1, "device": "cpu"}


def pieces(folder: Path, data: Any) -> list[str | None]:
    folder.mkdir()
    return list(open_texts(TextTask().spill(data, folder)).read())


def test_every_text_is_one_of_its_own_in_their_order(tmp_path: Path) -> None:
    expected = ["some of\n", "these words\n", None, "again — and again", None, "\u2028in every line\n", None] * 3
    forms: list[Any] = [
        [(text,) for text in TEXTS],
        [{"text": text} for text in TEXTS],
        {"id": list(range(12)), "Sentence": TEXTS, "label": ["a much longer one than any text"] * 12},
        {"id": list(range(12)), "words": TEXTS},
        [{"mine": text} for text in TEXTS],
    ]
    for number, data in enumerate(forms):
        assert pieces(tmp_path / str(number), data) == expected


@pytest.mark.parametrize("options", [{"sentences": True}, {"bptt": 5}])
def test_a_run_is_the_same_as_from_files(tmp_path: Path, options: dict[str, Any]) -> None:
    files = [tmp_path / f"own-{number:02}.txt" for number in range(len(TEXTS))]
    for file, text in zip(files, TEXTS, strict=True):
        file.write_text(text, encoding="utf-8")
    (tmp_path / "spilled").mkdir()
    spilled = TextTask().spill([(text,) for text in TEXTS], tmp_path / "spilled")
    for name, paths in {"a": files, "b": spilled}.items():
        TextTask().start(list(map(str, paths)), tmp_path / name, {**SMALL, **options})
    for file in ("train.ids", "valid.ids", "tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    told = [json.loads((tmp_path / name / "config.json").read_text())["data"] for name in "ab"]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([(3,)], "example 1: expected texts under text, got 3 under 'text'"),
        ([("a",), ("\ud800",)], "example 2: expected text, got half a character"),
        ([("a", "b")], r"example 1: expected \(text\), got"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        TextTask().spill(data, tmp_path)
