"""Dictionaries as they are found: probabilities, phrases, variants and remarks are no sounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.pairs.pronunciation import Pronunciation, PronunciationSettings

TOLD = "numbers between a word and its sounds are probabilities and are left out"


def read(path: Path, text: str) -> tuple[dict[str, list[str]], list[str]]:
    path.write_text(text, encoding="utf-8")
    with noting() as notes:
        found = list(Pronunciation.read([path], PronunciationSettings()))
    return {one.word: [" ".join(sounds) for sounds in one.sounds] for one in found}, notes.lines()


@pytest.mark.parametrize(
    ("text", "expected", "told"),
    [
        ("go\t0.9\t0.1\t1.0\t1.0\tG OW1\nno\t1\t0.14\t1.2\t0.9\tN OW1\n", {"go": ["G OW"], "no": ["N OW"]}, True),
        ("go 0.5 G OW\ngo 1 G AO\n", {"go": ["G OW", "G AO"]}, True),
        ("go\t1\tG OW\n", {"go": ["G OW"]}, True),
        ("new york\tN UW\nice-cream\tAY S\n", {"new york": ["N UW"], "ice-cream": ["AY S"]}, False),
        (";;; of CMU\n## old\nTOMATO  T AH0\nTOMATO(2)  T AA0 # rare\n", {"tomato": ["T AH", "T AA"]}, False),
        # SAMPA has whole numbers among its sounds.
        ("oeuf 9 f\neu 2\nneuf n 9 f\n", {"oeuf": ["9 f"], "eu": ["2"], "neuf": ["n 9 f"]}, False),
        ("oeuf\t9 f\neu\t2\n", {"oeuf": ["9 f"], "eu": ["2"]}, False),
    ],
)
def test_forms_of_dictionaries(tmp_path: Path, text: str, expected: dict[str, list[str]], told: bool) -> None:
    found, lines = read(tmp_path / "a.dict", text)
    assert found == expected
    assert lines == ([f"{tmp_path / 'a.dict'}: {TOLD}"] if told else [])


@pytest.mark.parametrize("line", ["no\t0.5\n", "no\t0.5\t0.1\n", "no 0.5\n"])
def test_probabilities_alone_are_no_sounds(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"a\.dict:2: expected a word and its phonemes"):
        read(tmp_path / "a.dict", f"go 0.5 G OW\n{line}")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.text("abé'ि", min_size=1, max_size=5), min_size=1, max_size=2).map(" ".join),
            st.lists(st.floats(0.01, 2).map(lambda p: f"{p:.2f}"), max_size=4),
            st.lists(st.sampled_from(["AA", "B", "9", "ʃ"]), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0].lower(),
    )
)
def test_words_and_sounds_are_what_stands_in_their_columns(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, list[str], list[str]]]
) -> None:
    rows = [(word, numbers, sounds if sounds[0] != "9" else ["AA", *sounds]) for word, numbers, sounds in rows]
    text = "".join("\t".join([word, *numbers, " ".join(sounds)]) + "\n" for word, numbers, sounds in rows)
    found, _ = read(tmp_path_factory.getbasetemp() / "a.dict", text)
    assert found == {word.lower(): [" ".join(sounds)] for word, _, sounds in rows}
