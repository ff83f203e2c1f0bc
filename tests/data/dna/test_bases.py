"""Letters of DNA, against Biopython's complements."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from Bio.Data.IUPACData import ambiguous_dna_values
from Bio.Seq import reverse_complement as biopython_reverse_complement
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.dna.bases import SHARES, decode, encode, reverse_complement, turn
from throughtime.errors import UserError
from throughtime.runtime.dna.codons import STARTS, STOPS, complements, find_codons, open_frames

ALL = "ACGTRYKMSWBDHVN"


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.text(ALL, max_size=40))
def test_the_other_strand_is_biopythons(letters: str) -> None:
    other = reverse_complement(encode(letters, "here"))
    assert decode(other) == biopython_reverse_complement(letters)
    assert decode(reverse_complement(other)) == letters


@pytest.mark.parametrize("letter", ALL)
def test_a_letter_is_a_distribution_over_the_bases_it_stands_for(letter: str) -> None:
    bases = ambiguous_dna_values[letter]
    expected = [1 / len(bases) if base in bases else 0.0 for base in "ACGT"]
    assert SHARES[int(encode(letter, "here")[0])].tolist() == pytest.approx(expected)
    assert encode(letter.lower(), "here") == encode(letter, "here")


def test_uracil_is_thymine_and_spaces_do_not_count() -> None:
    assert decode(encode("au g\n-"[:-1], "here")) == "ATG"


@pytest.mark.parametrize(("letters", "said"), [("ACGQT", "'Q' as letter 4"), ("AC-", "'-' as letter 3"), ("é", "'é'")])
def test_letters_that_are_no_bases_are_named(letters: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        encode(letters, "x.fa: record 7")
    assert str(error.value).startswith("x.fa: record 7: expected letters of DNA")


def test_rows_turn_within_their_lengths() -> None:
    values = torch.arange(12.0).view(2, 3, 2)
    turned = turn(values, torch.tensor([3, 2]))
    assert turned[0].tolist() == values[0].flip(0).tolist()
    assert turned[1].tolist() == [values[1, 1].tolist(), values[1, 0].tolist(), values[1, 2].tolist()]


def test_open_frames_by_hand_on_both_strands() -> None:
    #        0  3  6  9  12
    plus = "CCATGAAACCCTAGCC"  # ATG AAA CCC TAG at 2..14
    codes = encode(plus, "here")
    (found,) = open_frames(codes, 12)
    assert (found.begin, found.end, found.strand) == (2, 14, 1)
    (other,) = open_frames(reverse_complement(codes), 12)
    assert (other.begin, other.end, other.strand) == (2, 14, -1)
    assert not list(open_frames(codes, 13))


def test_an_open_frame_is_the_longest_to_its_stop() -> None:
    codes = encode("ATGATGTAACCATGTAA", "here")
    assert [(r.begin, r.end) for r in open_frames(codes, 6) if r.strand > 0] == [(0, 9), (11, 17)]


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.text("ACGTN", max_size=60))
def test_codons_are_found_where_the_text_has_them(letters: str) -> None:
    codes = encode(letters, "here")
    for names in (STARTS, STOPS, complements(STARTS)):
        expected = [n for n in range(len(letters)) if letters[n : n + 3] in names]
        assert np.flatnonzero(find_codons(codes, names)).tolist() == expected
    assert complements(complements(STOPS)) == STOPS
