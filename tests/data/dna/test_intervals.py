"""GFF3 and BED as their standards have them: what is told by hand, and what is written against what is read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqIO import write
from Bio.SeqRecord import SeqRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughtime.data.dna.genomes import label_bases, read_genome
from throughtime.data.dna.intervals import read_intervals
from throughtime.errors import UserError
from throughtime.runtime.dna.fasta import Record, read_fasta
from throughtime.runtime.dna.intervals import check_name, write_intervals
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.reading.notes import Notes, noting
from throughtime.tasks.dna.examples import DnaSettings
from throughtime.tasks.dna.task import Dna

LETTERS = "".join(random.Random(0).choices("ACGT", k=60))

PROPERTY = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def genome(folder: Path, name: str, content: str, called: str = "chr") -> tuple[Record, Notes]:
    """The record of 60 letters with intervals beside it, and what was told."""
    (folder / "a.fa").write_text(f">{called}\n{LETTERS}\n")
    for old in folder.glob("a.[gb]*"):
        old.unlink()
    (folder / name).write_text(content)
    with noting() as notes:
        (record,) = read_genome(folder / "a.fa")
    return record, notes


def labels(record: Record) -> list[int]:
    return label_bases(len(record.codes), record.regions or []).tolist()


def spelled(bases: list[int], strand: int, place: int = 0) -> list[int]:
    """Labels of 60 bases, by the bases of a gene in the order that they are read."""
    found = np.zeros(60, int)
    for read, base in enumerate(bases):
        found[base % 60] = (place + read) % 3 + (1 if strand > 0 else 4)
    return found.tolist()


@PROPERTY
@given(data=st.data(), strand=st.sampled_from([1, -1]))
def test_the_thick_part_of_bed_codes(tmp_path: Path, data: Any, strand: int) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, 60), min_size=2, max_size=6)))
    blocks = list(zip(cuts[::2], cuts[1::2], strict=False))
    begin, end = blocks[0][0], blocks[-1][1]
    first, last = sorted(data.draw(st.tuples(st.integers(begin, end), st.integers(begin, end))))
    bases = [base for one, two in blocks for base in range(one, two) if first <= base < last]
    sizes, starts = (",".join(map(str, of)) + "," for of in zip(*((b - a, a - begin) for a, b in blocks), strict=True))
    row = ["chr", begin, end, "x", 0, "+" if strand > 0 else "-", first, last, 0, len(blocks), sizes, starts]
    content = "\t".join(map(str, row)) + "\nchr\t0\t1\tother\t0\t+\n"
    record, notes = genome(tmp_path, "a.bed", content)
    wanted = spelled(bases[::strand], strand)
    assert labels(record)[1:] == wanted[1:]
    why = "no thick part: it does not code"
    assert notes.left_out == ({} if bases else {why: [f"{tmp_path}/a.bed:1"]})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("chr\t10\t40\tx\t0\t+\t5\t20", "expected a thick part within 10..40, got 5..20"),
        ("chr\t10\t40\tx\t0\t+\t10\t.", "expected a number, got '.'"),
        ("chr\t10\t40\tx\t0\t+\t10\t40\t0\t2\t5,5\t0,", "expected 2 sizes and starts of blocks, got 2 and 1"),
        ("chr\t10\t40\tx\t0\t+\t10\t40\t0\t2\t5,5\t0,30", "expected blocks side by side within 10..40"),
        ("chr\t10\t40\tx\t0\t+\t10\t40\t0\t2\t9,5\t0,5", "expected blocks side by side within 10..40"),
    ],
)
def test_rows_of_bed_that_contradict_themselves_are_told(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(UserError, match=r"a\.bed:1: ") as caught:
        genome(tmp_path, "a.bed", row + "\n")
    assert said in str(caught.value)


CIRCULAR = "##gff-version 3\nchr\tx\tregion\t1\t60\t.\t+\t.\tID=chr;Is_circular=true\n"


@PROPERTY
@given(
    begin=st.integers(0, 59), size=st.integers(1, 60), strand=st.sampled_from([1, -1]), phase=st.sampled_from([0, 1, 2])
)
def test_genes_go_on_past_the_end_of_a_circle(tmp_path: Path, begin: int, size: int, strand: int, phase: int) -> None:
    sign = "+" if strand > 0 else "-"
    row = f"chr\tx\tCDS\t{begin + 1}\t{begin + size}\t.\t{sign}\t{phase}\tID=c\n"
    record, _ = genome(tmp_path, "a.gff3", CIRCULAR + row)
    assert labels(record) == spelled(list(range(begin, begin + size))[::strand], strand, -phase % 3)


@pytest.mark.parametrize(("head", "place"), [("", "50\t70"), (CIRCULAR, "61\t70"), (CIRCULAR, "50\t120")])
def test_past_the_end_of_a_line_there_is_nothing(tmp_path: Path, head: str, place: str) -> None:
    with pytest.raises(UserError, match=r"expected intervals within the 60 letters of chr.*Is_circular=true"):
        genome(tmp_path, "a.gff3", f"{head}chr\tx\tCDS\t{place}\t.\t+\t0\tID=c\n")


PSEUDO = """##gff-version 3
chr\tx\tpseudogene\t1\t60\t.\t+\t.\tID=g%3B1
chr\tx\tmRNA\t1\t60\t.\t+\t.\tID=m;Parent=g%3B1
chr\tx\tCDS\t1\t9\t.\t+\t0\tParent=m
chr\tx\tCDS\t1\t9\t.\t+\t0\tID=a;pseudo=true
chr\tx\tCDS\t1\t9\t.\t+\t0\tID=b;pseudogene=unknown
chr\tx\tgene\t1\t60\t.\t+\t.\tID=h;pseudo=false;Parent=h
chr\tx\tCDS\t31\t36\t.\t+\t.\tID=c;Parent=h
track name=x
##FASTA
chr\tx\tCDS\t1\t9\t.\t+\t0\tID=d
"""


def test_genes_that_are_broken_do_not_code(tmp_path: Path) -> None:
    record, notes = genome(tmp_path, "a.gff3", PSEUDO)
    assert record.regions == [Region(30, 36, 1, 0)]
    rows = [f"{tmp_path}/a.gff3:{number}" for number in (4, 5, 6)]
    assert notes.left_out == {"a CDS of a pseudogene (pseudo=true, or pseudogene)": rows}
    assert notes.taken == [f"{tmp_path}/a.gff3: lines of type CDS without a phase are read from their first base"]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Zs", "Zl", "Zp", "Cc", "Cs"]), min_size=1, max_size=8
) | st.sampled_from(["#x", "##FASTA", "track", "browser", "tracker", ">x", "%41", "a%", "a;b=c", "chr1|2"])


@PROPERTY
@given(name=NAMES)
@pytest.mark.parametrize("suffix", [".gff3", ".bed"])
def test_names_are_written_so_that_they_are_read_again(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"b{suffix}"
    if suffix == ".bed" and name.startswith("#"):
        with pytest.raises(
            UserError, match=r"b\.bed: expected a name that BED can hold, got '#.*; write \.gff3 instead"
        ):
            write_intervals(path, [(name, 60, Region(3, 9, 1))])
        return
    write_intervals(path, [(name, 60, Region(3, 9, 1))])
    assert [(key, list(of.values())) for key, of in read_intervals(path).items()] == [(name, [Region(3, 9, 1)])]
    (row,) = [line for line in path.read_text().splitlines() if not line.startswith("##")]
    assert len(row.split("\t")) == (9 if suffix == ".gff3" else 6)


@pytest.mark.parametrize(
    ("line", "name", "header"),
    [("chr1\tlong name 100%", "chr1", "long name 100%"), ("chr1 a\tb", "chr1", "a\tb"), ("a%20b", "a%20b", "")],
)
def test_a_name_ends_at_the_first_space_or_tab(tmp_path: Path, line: str, name: str, header: str) -> None:
    (tmp_path / "a.fa").write_text(f">{line}\nACGT\n")
    (record,) = read_fasta(tmp_path / "a.fa")
    assert (record.name, record.header) == (name, header)


def test_two_records_of_one_name_share_no_regions(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">x\nACGT\n>x\nACGT\n")
    (tmp_path / "a.bed").write_text("x\t0\t3\tg\t0\t+\n")
    with pytest.raises(UserError, match=r"record x: expected one record of a name that has regions, got 'x' twice"):
        list(read_genome(tmp_path / "a.fa"))
    with pytest.raises(UserError, match=r"here: expected a name that BED can hold"):
        check_name(tmp_path / "a.bed", "a\tb", "here")


# GenBank.


def genbank(path: Path, places: dict[str, dict[str, str]]) -> tuple[Record, Notes]:
    """The record with coding features at those places, and what was told."""
    kept = [SeqFeature(SimpleLocation(n, n + 1, 1), "CDS", qualifiers=q) for n, q in enumerate(places.values())]
    record = SeqRecord(Seq(LETTERS), "one.1", "one", annotations={"molecule_type": "DNA"}, features=kept)
    write(record, path, "genbank")
    content = path.read_text()
    for number, place in enumerate(places, 1):
        content = content.replace(f"CDS             {number}\n", f"CDS             {place}\n")
    path.write_text(content)
    with noting() as notes:
        (found,) = read_genome(path)
    return found, notes


def test_a_part_on_another_sequence_is_counted_and_left_out(tmp_path: Path) -> None:
    places = {"join(1..4,AB1.1:11..41,21..29)": {}, "join(complement(51..54),AB1.1:1..2,one.1:41..43)": {}}
    record, notes = genbank(tmp_path / "a.gb", places)
    assert record.regions == [Region(0, 4, 1, 0), Region(20, 29, 1, 2), Region(50, 54, -1, 0), Region(40, 43, 1, 0)]
    why = "a part of a CDS that lies on another sequence; its frame counts it"
    assert notes.left_out == {why: [f"{tmp_path}/a.gb: record one.1 AB1.1[{at}](+)" for at in ("10:41", "0:2")]}


def test_parts_in_an_order_are_joined_only_where_they_make_codons(tmp_path: Path) -> None:
    places = {"order(1..4,11..15)": {}, "order(21..24,31..34)": {}, "order(41..44,51..54)": {"codon_start": "3"}}
    record, notes = genbank(tmp_path / "a.gb", places)
    assert record.regions == [Region(0, 4, 1, 0), Region(10, 15, 1, 1), Region(40, 44, 1, 1), Region(50, 54, 1, 2)]
    assert [line.rpartition(": ")[2] for line in notes.taken] == [
        "an order tells of no joining; its parts are read as joined, for they make whole codons"
    ] * 2
    ((why, (where,)),) = notes.left_out.items()
    assert why == "a CDS whose parts are an order, not joined, and make no whole codons"
    assert "[20:24](+), [30:34](+)" in where


WHOLE = f"##gff-version 3\nchr\t.\tCDS\t4\t12\t.\t+\t0\tID=a\n##FASTA\n>chr one\n{LETTERS}\n"


@pytest.mark.parametrize("content", [WHOLE, WHOLE.replace("##FASTA\n", ""), WHOLE.replace("##FASTA", "##FASTA\n")])
def test_gff_that_holds_its_sequences_is_a_genome(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "genomes"
    folder.mkdir()
    (folder / "a.gff3").write_text(content)
    (record,) = read_genome(folder / "a.gff3")
    assert (record.name, record.header, len(record.codes)) == ("chr", "one", 60)
    assert record.regions == [Region(3, 12, 1, 0)]
    assert Dna.find([folder], DnaSettings()) == {"train": [folder / "a.gff3"]}
    assert [example.regions for example in Dna.read([folder / "a.gff3"], DnaSettings())] == [[(3, 12, 1, 0)]]
    (folder / "a.fa").write_text(f">chr\n{LETTERS}\n")
    assert Dna.find([folder], DnaSettings()) == {"train": [folder / "a.fa"]}


def test_gff_without_sequences_names_the_fasta_file_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.gff3").write_text(WHOLE.partition("##FASTA")[0])
    with pytest.raises(UserError, match=r"a\.gff3: expected sequences under ##FASTA, found none; put them into"):
        list(Dna.read([tmp_path / "a.gff3"], DnaSettings()))
    with pytest.raises(UserError, match=r"found no file of a known kind there"):
        Dna.find([tmp_path], DnaSettings())


def test_pseudogenes_of_genbank_do_not_code(tmp_path: Path) -> None:
    places = {"1..9": {"pseudo": ""}, "11..19": {"pseudogene": "unknown"}, "21..29": {"note": "pseudo"}}
    record, notes = genbank(tmp_path / "a.gb", places)
    assert record.regions == [Region(20, 29, 1, 0)]
    assert [len(of) for of in notes.left_out.values()] == [2]


def test_a_record_that_ends_early_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gb"
    genbank(path, {"1..9": {}})
    path.write_text(path.read_text().replace("60 bp", "90 bp"))
    with noting() as notes:
        list(read_genome(path))
    assert notes.taken == [f"{path}: Expected sequence length 90, found 60 (one.1)."]


def test_what_is_told_of_genetic_codes_is_kept(tmp_path: Path) -> None:
    record, _ = genbank(
        tmp_path / "b.gb", {"1..9": {"transl_table": "4"}, "11..19": {"transl_table": "11"}, "2..4": {}}
    )
    assert record.genetic_codes == [4, 11]
    rows = "chr\tx\tCDS\t1\t9\t.\t+\t0\tID=a;transl_table=4\nchr\tx\tCDS\t11\t19\t.\t+\t0\tID=b\n"
    assert genome(tmp_path, "a.gff3", rows)[0].genetic_codes == [4]
    with pytest.raises(UserError, match=r"a\.gff3: transl_table: expected a number, got 'four'"):
        genome(tmp_path, "a.gff3", rows.replace("table=4", "table=four"))
