"""Where translation may begin and must end: start and stop codons, and the open reading frames between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughtime.errors import UserError, listed
from throughtime.extras import extra
from throughtime.runtime.dna.bases import CODES, Codes, reverse_complement
from throughtime.runtime.dna.regions import Region

Mask = npt.NDArray[np.bool_]

STARTS, STOPS = ("ATG", "GTG", "TTG"), ("TAA", "TAG", "TGA")
"""Of the genetic code of bacteria and plastids (11 in NCBI's numbering), without its rare starts."""


@dataclass(frozen=True)
class Code:
    """What of a genetic code matters to regions: the codons that they may begin with, and those that they end with."""

    starts: Sequence[str] = STARTS
    stops: Sequence[str] = STOPS


BACTERIAL = 11
"""NCBI's number of the code of bacteria and plastids."""

BACTERIA = Code()
"""That code."""


def genetic_code(number: int) -> Code:
    """A genetic code by its number in NCBI's list.

    Raises:
        UserError: If there is none of that number.

    Example:
        >>> genetic_code(11).starts, genetic_code(4).stops
        (('ATG', 'GTG', 'TTG'), ('TAA', 'TAG'))
    """
    if number == BACTERIAL:
        return BACTERIA
    tables = extra("Bio.Data.CodonTable", "dna", f"--genetic-code {number}").unambiguous_dna_by_id
    if number not in tables:
        known = listed(sorted(tables), most=len(tables))
        raise UserError(f"--genetic-code: expected a number of NCBI's list of genetic codes ({known}), got {number}")
    table = tables[number]
    return Code(tuple(table.start_codons), tuple(table.stop_codons))


def find_codons(codes: Codes, names: Sequence[str]) -> Mask:
    """Where one of some codons begins, ``[..., L]``; ambiguity letters make none.

    Example:
        >>> from throughtime.runtime.dna.bases import encode
        >>> np.flatnonzero(find_codons(encode("ATGTAANTGA", "here"), STOPS)).tolist()
        [3, 7]
    """
    found = np.zeros(codes.shape, dtype=bool)
    for name in names:
        one, two, three = (CODES[ord(letter)] for letter in name)
        found[..., :-2] |= (codes[..., :-2] == one) & (codes[..., 1:-1] == two) & (codes[..., 2:] == three)
    return found


def complements(names: Sequence[str]) -> tuple[str, ...]:
    """Codons as they stand on the other strand.

    Example:
        >>> complements(STOPS)
        ('TTA', 'CTA', 'TCA')
    """
    return tuple(name[::-1].translate(str.maketrans("ACGT", "TGCA")) for name in names)


def open_frames(codes: Codes, least: int, code: Code = BACTERIA) -> Iterator[Region]:
    """The open reading frames of both strands: from the first start after a stop to the next stop, that one included.

    Args:
        codes: The sequence, ``[L]``.
        least: Bases of the shortest one.
        code: Whose starts and stops.
    """
    for strand in (1, -1):
        read = codes if strand > 0 else reverse_complement(codes)
        starts, stops = (np.flatnonzero(find_codons(read, names)) for names in (code.starts, code.stops))
        for frame in range(3):
            opening, closing = starts[starts % 3 == frame], stops[stops % 3 == frame]
            after = np.concatenate([[-1], closing])[: len(closing)]  # the stop before
            firsts = np.searchsorted(opening, after, side="right")
            for first, stop in zip(firsts, closing, strict=True):
                if first < len(opening) and opening[first] < stop and stop + 3 - opening[first] >= least:
                    begin, end = int(opening[first]), int(stop) + 3
                    yield Region(begin, end, 1) if strand > 0 else Region(len(codes) - end, len(codes) - begin, -1)
