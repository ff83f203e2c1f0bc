"""Dictionaries are read as CMUdict is written; errors are counted against the nearest pronunciation."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import UserError
from throughtime.tasks.pairs.pronunciation import (
    Pronounced,
    Pronunciation,
    PronunciationSettings,
    _letter_sounds,
    _sound_tables,
    error_rates,
    nearest_sounds,
)

DICTIONARY = """;;; a dictionary of few words
tomato T AH0 M EY1 T OW2
tomato(2) T AH0 M AA1 T OW2 # as some say
TOMATO(3) T AH2 M EY0 T OW1

tea T IY1
c# S IY1 SH AA1 R P # music
# nothing but a comment
"""


def read(path: Path, text: str, **options: Any) -> list[Pronounced]:
    path.write_text(text, encoding="utf-8")
    return list(Pronunciation.read([path], PronunciationSettings(**options)))


def test_variants_stand_together_without_stress(tmp_path: Path) -> None:
    path = tmp_path / "own.dict"
    tomato, tea, sharp = read(path, DICTIONARY)
    assert [" ".join(sounds) for sounds in tomato.sounds] == ["T AH M EY T OW", "T AH M AA T OW"]
    assert (tomato.word, tomato.where) == ("tomato", f"{path}:2")
    assert tea == Pronounced("tea", [["T", "IY"]], f"{path}:6")
    assert sharp == Pronounced("c#", [["S", "IY", "SH", "AA", "R", "P"]], f"{path}:7")


def test_stress_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    tomato, *_ = read(tmp_path / "own.dict", DICTIONARY, stress=True)
    assert [" ".join(sounds) for sounds in tomato.sounds] == [
        "T AH0 M EY1 T OW2",
        "T AH0 M AA1 T OW2",
        "T AH2 M EY0 T OW1",
    ]


def test_a_number_that_is_no_stress_stays(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "own.dict", "ma m a5 0 EH3 EH2\n")
    assert found.sounds == [["m", "a5", "0", "EH3", "EH"]]


def test_several_files_are_one_dictionary(tmp_path: Path) -> None:
    paths = [tmp_path / "a.dict", tmp_path / "b.dict"]
    for path, text in zip(paths, ("tea T IY1\n", "tea(2) T EY1\nto T UW1\n"), strict=True):
        path.write_text(text, encoding="utf-8")
    found = list(Pronunciation.read(paths, PronunciationSettings()))
    assert [(e.word, e.sounds) for e in found] == [("tea", [["T", "IY"], ["T", "EY"]]), ("to", [["T", "UW"]])]


@pytest.mark.parametrize("line", ["tea", "tea # T IY1", "tea(2)"])
def test_a_word_without_sounds_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"own\.dict:2: expected a word and its phonemes, got 'tea"):
        read(tmp_path / "own.dict", f"to T UW1\n{line}\n")


def test_a_sound_that_training_did_not_see_is_named() -> None:
    task = Pronunciation(PronunciationSettings(), {"letters": ["<unk>", "a"], "sounds": ["<eos>", "AH"]})
    with pytest.raises(UserError, match="x:3: unknown label 'OY'; the training data has AH: mend the line"):
        task.batch([Pronounced("a", [["AH", "OY"]], "x:3")])


def test_every_pronunciation_is_a_pair() -> None:
    task = Pronunciation(PronunciationSettings(), {"letters": ["<unk>", "a", "b"], "sounds": ["<eos>", "AH", "B"]})
    batch = task.batch([Pronounced("ab", [["AH", "B"], ["AH"]], ""), Pronounced("xb", [["B"]], "")])
    assert batch.source.tolist() == [[1, 2], [1, 2], [0, 2]]
    assert batch.targets.tolist() == [[1, 2, 0], [1, 0, 0], [2, 0, 0]]
    assert batch.target_lengths.tolist() == [3, 2, 2]


def distance(one: list[str], other: list[str]) -> int:
    """Edits, by the recursion of the definition."""
    if not one or not other:
        return len(one) + len(other)
    apart = distance(one[1:], other[1:]) + (one[0] != other[0])
    return min(apart, distance(one[1:], other) + 1, distance(one, other[1:]) + 1)


sounds = st.lists(st.sampled_from(["AA", "B", "K"]), max_size=4)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(sounds, st.lists(sounds, min_size=1, max_size=3))
def test_the_nearest_pronunciation_counts(said: list[str], right: list[list[str]]) -> None:
    edits = [distance(said, one) for one in right]
    assert nearest_sounds(said, right) == (said, right[edits.index(min(edits))], min(edits))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.tuples(sounds, sounds.filter(bool)), min_size=1, max_size=4))
def test_tables_add_up_to_the_errors(pairs: list[tuple[list[str], list[str]]]) -> None:
    results = [nearest_sounds(said, [right]) for said, right in pairs]
    phonemes, confusions = _sound_tables(results)
    total = sum(edits for _, _, edits in results)
    assert sum(int(row[2]) for row in confusions.rows) == total
    there = Counter(sound for _, right in pairs for sound in right)
    assert {row[0]: row[1] for row in phonemes.rows} == there
    inserted = sum(int(row[2]) for row in confusions.rows if row[0] == "–")
    assert sum(int(row[2]) for row in phonemes.rows) == total - inserted
    rates = error_rates(results)
    assert rates["phoneme_error"] == pytest.approx(100 * total / sum(len(right) for _, right in pairs))
    assert rates["word_error"] == pytest.approx(100 * sum(said != right for said, right in pairs) / len(pairs))


def test_the_baseline_says_each_letters_commonest_sound() -> None:
    words = [
        ("ab", ["A", "B"]),
        ("ba", ["P", "A"]),
        ("bb", ["B", "B"]),
        ("bba", ["P", "P"]),
        ("c", ["Z"]),
        ("c", ["K"]),
    ]
    assert _letter_sounds([Pronounced(word, [s], "") for word, s in words]) == {"a": "A", "b": "B", "c": "K"}


DATA = Path(os.environ.get("THROUGHTIME_DATA", "../shared/data")) / "cmudict" / "cmudict.dict"


@pytest.mark.skipif(not DATA.exists(), reason=f"needs CMUdict: {DATA} is not there; set THROUGHTIME_DATA")
def test_the_real_dictionary_is_read_whole() -> None:
    words = list(Pronunciation.read([DATA], PronunciationSettings()))
    assert len(words) == 126_052
    assert len({sound for e in words for one in e.sounds for sound in one}) == 39
    assert sum(len(e.sounds) for e in words) < 135_166  # some differ in stress alone
    task = Pronunciation(PronunciationSettings(hidden=4, embedding=4), Pronunciation.learn(words[:500], None))
    with torch.no_grad():
        loss, _ = task.build().loss(task.batch(words[:20]), None)
    assert loss.isfinite()
