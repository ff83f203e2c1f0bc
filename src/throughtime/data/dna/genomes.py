"""Genomes with their coding regions: GenBank, and FASTA beside GFF3 or BED."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.dna.bases import encode
from throughtime.data.dna.intervals import codes_told, read_intervals
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.runtime.dna.fasta import FASTA, GFF, Record, begins_fasta, read_fasta
from throughtime.runtime.dna.genbank import GENBANK, no_letters, no_records
from throughtime.runtime.dna.intervals import INTERVALS
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.reading.files import file_lines
from throughtime.runtime.reading.notes import leave_out, note

BROKEN = {"pseudo", "pseudogene"}
"""Qualifiers of features that are broken genes."""


def read_genome(path: Path) -> Iterator[Record]:
    """The records of a GenBank file, of a GFF3 file that holds its sequences, or of a FASTA file with the intervals of
    a file of the same stem beside it.

    Raises:
        UserError: If the file is none of the two, holds nothing, a letter is no base, or a region is not in its
            sequence; names file and record.
    """
    if path.suffix.lower() in GENBANK:
        yield from _read_genbank(path)
    elif path.suffix.lower() in GFF:
        yield from _with_intervals(path, path)
    else:
        beside = intervals_of(path)
        yield from read_fasta(path) if beside is None else _with_intervals(path, beside)


def intervals_of(path: Path) -> Path | None:
    """The file with the intervals of a FASTA file: the same name but for its suffix."""
    return next((found for suffix in INTERVALS if (found := path.with_suffix(suffix)).is_file()), None)


def is_whole(path: Path) -> bool:
    """Whether a file is GFF3 that holds its sequences, too, and they stand in no FASTA file of the same name."""
    if path.suffix.lower() not in GFF or not path.is_file():
        return False
    return not any(path.with_suffix(suffix).is_file() for suffix in FASTA) and any(map(begins_fasta, file_lines(path)))


def _with_intervals(path: Path, beside: Path) -> Iterator[Record]:
    regions = read_intervals(beside)
    seen = set()
    for record in read_fasta(path):
        if record.name in seen and record.name in regions:
            raise UserError(
                f"{record.where}: expected one record of a name that has regions, got {record.name!r} twice"
            )
        seen.add(record.name)
        circular = record.name in regions.circular
        found = regions.get(record.name, {})
        inside = [part for at, region in found.items() for part in _inside(region, record, at, circular)]
        yield replace(record, regions=inside, genetic_codes=codes_told(regions.tables[record.name], str(beside)))
    for name in regions.keys() - seen:
        at = next(iter(regions[name]))
        raise UserError(f"{at}: expected the name of a record of {path.name}, got {name!r}; mend it, or add the record")


def _read_genbank(path: Path) -> Iterator[Record]:
    undefined = extra("Bio.Seq", "dna", "reading GenBank").UndefinedSequenceError
    record = None
    for record in _parse_genbank(path):
        where = f"{path}: record {record.id}"
        try:
            letters = str(record.seq)
        except undefined:
            letters = ""
        codes = encode(letters, where)
        if not len(codes):
            raise no_letters(where)
        plain = Record(record.id, record.description, codes, where)
        own = {record.id, record.name, *record.annotations.get("accessions", ())}
        coding = list(_coding(record, where))
        parts = (part for feature in coding for part in _parts(feature, where, own))
        regions = [inside for part in parts for inside in _inside(part, plain, where)]
        told = [table for feature in coding for table in feature.qualifiers.get("transl_table", ())]
        yield replace(plain, regions=regions, genetic_codes=codes_told(told, where))
    if record is None:
        raise no_records(path)


def _parse_genbank(path: Path) -> Iterator[Any]:
    odd = extra("Bio", "dna", "reading GenBank").BiopythonWarning
    records = extra("Bio.SeqIO", "dna", "reading GenBank").parse(io.StringIO("".join(file_lines(path))), "genbank")
    while True:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                record = next(records, None)
            except (ValueError, AssertionError, IndexError, RecursionError) as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"{path}: expected GenBank, got a broken record: {reason}") from error
        for warning in told:
            if issubclass(warning.category, odd):
                note(f"{path}: {' '.join(str(warning.message).split())[:200]}")
        if record is None:
            return
        yield record


def _coding(record: Any, where: str) -> Iterator[Any]:
    """The coding features of a record, but for those of broken genes."""
    broken = [feature for feature in record.features if BROKEN & feature.qualifiers.keys()]
    tags = {tag for gene in broken if gene.type == "gene" for tag in gene.qualifiers.get("locus_tag", ())}
    for feature in record.features:
        if feature.type != "CDS":
            continue
        place = f"{where} {str(feature.location)[:80]}"
        if BROKEN & feature.qualifiers.keys() or tags & set(feature.qualifiers.get("locus_tag", ())):
            leave_out(place, "a CDS of a pseudogene (/pseudo, /pseudogene)")
        elif getattr(feature.location, "operator", "join") != "order":
            yield feature
        elif _is_whole(feature):
            note(f"{place}: an order tells of no joining; its parts are read as joined, for they make whole codons")
            yield feature
        else:
            leave_out(place, "a CDS whose parts are an order, not joined, and make no whole codons")


def _is_whole(feature: Any) -> bool:
    """Whether what a feature's parts hold together, from the first codon on, ends with a codon."""
    first = feature.qualifiers.get("codon_start", ["1"])[0]
    return first in ("1", "2", "3") and (len(feature.location) - int(first) + 1) % 3 == 0


def _parts(feature: Any, where: str, own: Collection[str]) -> Iterator[Region]:
    """The parts of a coding feature, in the order that they are read; each goes on where the one before stopped.

    Those on another sequence than its ``own`` are counted, but are no regions of this one.
    """
    if feature.location is None:
        raise UserError(f"{where}: expected the place of a CDS, got one that cannot be read; mend the record")
    first = feature.qualifiers.get("codon_start", ["1"])[0]
    if first not in ("1", "2", "3"):
        raise UserError(
            f"{where}: expected the codon_start of a CDS to be 1, 2 or 3, got {first[:40]!r}; mend the record"
        )
    read = 1 - int(first)
    for part in feature.location.parts:
        try:
            begin, end = int(part.start), int(part.end)  # of fuzzy ends, what is known
        except TypeError as error:  # a place that is told to be unknown
            raise UserError(f"{where}: expected the place of a CDS, got {str(part)[:40]!r}; mend the record") from error
        if part.ref is None or part.ref in own:
            yield Region(begin, end, -1 if part.strand == -1 else 1, read % 3)
        else:
            leave_out(f"{where} {str(part)[:80]}", "a part of a CDS that lies on another sequence; its frame counts it")
        read += end - begin


def _inside(region: Region, record: Record, where: str, circular: bool = False) -> list[Region]:
    """A region, in two parts where it goes on past the end of a circular sequence, in the order that they are read.

    Raises:
        UserError: If it lies outside of its sequence.
    """
    length = len(record.codes)
    if circular and 0 <= region.begin < length < region.end <= region.begin + length:
        parts = [region.within(0, length), region.within(length, 2 * length)]
        return [part for part in parts[:: region.strand] if part is not None]
    if not 0 <= region.begin < region.end <= length:
        raise UserError(
            f"{where}: expected intervals within the {length:,} letters of {record.name}, got "
            f"{region.begin + 1}..{region.end}; are they of another sequence, or of a circular one that is not told to "
            "be one (Is_circular=true)?"
        )
    return [region]


LABELS = ("non-coding", "+1", "+2", "+3", "-1", "-2", "-3")
"""Of a base: no part of a codon, or its place in one, by strand."""


def label_bases(length: int, regions: Sequence[Region]) -> npt.NDArray[np.uint8]:
    """The label of every base, ``[length]``, as index of :data:`LABELS`; where regions overlap, the longer one's.

    Example:
        >>> label_bases(9, [Region(1, 5, 1, 0), Region(6, 8, -1, 2)]).tolist()
        [0, 1, 2, 3, 1, 0, 4, 6, 0]
    """
    labels = np.zeros(length, dtype=np.uint8)
    for region in sorted(regions, key=lambda region: region.end - region.begin):
        steps = np.arange(region.end - region.begin)
        places = (region.place + (steps if region.strand > 0 else steps[::-1])) % 3
        labels[region.begin : region.end] = places + (1 if region.strand > 0 else 4)
    return labels
