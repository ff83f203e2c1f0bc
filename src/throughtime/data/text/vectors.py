"""Pretrained vectors of words, a word and its numbers a line: the text format of GloVe, word2vec and fastText."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from throughtime.errors import UserError
from throughtime.runtime.reading.files import file_lines

DIGITS = 12
"""Of a count of words or features, at most."""


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words.

    Attributes:
        size: Features of a vector.
        vectors: ``[size]`` by word, in the order of the file.
    """

    size: int
    vectors: dict[str, Tensor]


def _every(word: str) -> bool:
    return True


def read_vectors(path: Path, wanted: Callable[[str], bool] = _every, first: int = 0) -> WordVectors:
    """The vectors of the words that are wanted, and of a file's first ones: the commonest words come first.

    word2vec and fastText begin with a line of two numbers, words and features, GloVe does not. A word may hold spaces:
    the numbers are the last columns. Of a word that stands there twice, the first vector counts.

    Args:
        path: The file.
        wanted: Asks for a word's vector.
        first: Lines whose words are all wanted.

    Raises:
        UserError: If a line has other than a word and as many numbers as the first; names it.
    """
    size, vectors = 0, dict[str, Tensor]()
    for number, line in enumerate(file_lines(path), 1):
        line = line.rstrip(" \n")
        if number == 1 and _is_header(line):
            size = int(line.split(" ")[1])
            continue
        size = size or line.count(" ")
        _take(path, number, line, size, vectors, _every if number <= first else wanted)
    if not size:
        raise UserError(f"{path}: expected vectors, a word and its numbers a line, got an empty file; name another")
    return WordVectors(size, vectors)


def _take(
    path: Path, number: int, line: str, size: int, vectors: dict[str, Tensor], wanted: Callable[[str], bool]
) -> None:
    word, *values = line.rsplit(" ", size)
    if not size or len(values) != size:
        raise UserError(
            f"{path}:{number}: expected a word and {size or 'some'} numbers, got {line[:40]!r}; "
            "give vectors in the text format of GloVe, word2vec or fastText"
        )
    if word in vectors or not wanted(word):
        return
    try:
        with np.errstate(over="ignore"):
            vector = np.array(values, dtype=np.float32)
    except ValueError as error:
        raise UserError(
            f"{path}:{number}: expected {size} numbers after {word[:40]!r}: {str(error)[:80]}; mend the line"
        ) from error
    if not np.isfinite(vector).all():
        raise UserError(
            f"{path}:{number}: expected {size} numbers after {word[:40]!r}, got NaN or infinity; mend the line"
        )
    vectors[word] = torch.from_numpy(vector)


def _is_header(line: str) -> bool:
    fields = line.split(" ")
    return len(fields) == 2 and all(field.isdecimal() and len(field) <= DIGITS for field in fields)
