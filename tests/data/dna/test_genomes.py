"""GenBank, and FASTA with intervals: what is coding, judged by translating it."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqFeature import BeforePosition, CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqIO import write
from Bio.SeqRecord import SeqRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.dna.bases import decode, reverse_complement
from throughtime.data.dna.genomes import label_bases, read_genome
from throughtime.data.dna.intervals import read_intervals
from throughtime.errors import UserError
from throughtime.runtime.dna.intervals import write_intervals
from throughtime.runtime.dna.regions import Region


def genbank(path: Path, letters: str, locations: list[object], **qualifiers: str) -> Path:
    features = [SeqFeature(place, type="CDS", qualifiers=qualifiers) for place in locations]
    features.append(SeqFeature(SimpleLocation(0, len(letters), 1), type="gene"))
    record = SeqRecord(Seq(letters), id="one.1", name="one", annotations={"molecule_type": "DNA"}, features=features)
    write(record, path, "genbank")
    return path


def text(length: int, seed: int = 0) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def codons(path: Path) -> str:
    """The bases whose label is a place in a codon, in the order of translation, from a record with one gene."""
    (record,) = read_genome(path)
    labels = label_bases(len(record.codes), record.regions or [])
    if (labels > 3).any():
        labels, codes = labels[::-1], reverse_complement(record.codes)
        labels = np.where(labels > 0, labels - 3, 0)
    else:
        codes = record.codes
    assert labels[labels > 0].tolist() == [1 + n % 3 for n in range(int((labels > 0).sum()))]
    return decode(codes[labels > 0])


@pytest.mark.parametrize(
    "location",
    [
        SimpleLocation(7, 37, 1),
        SimpleLocation(7, 37, -1),
        SimpleLocation(BeforePosition(4), 34, 1),
        CompoundLocation([SimpleLocation(3, 13, 1), SimpleLocation(20, 31, 1), SimpleLocation(40, 49, 1)]),
        CompoundLocation([SimpleLocation(40, 49, -1), SimpleLocation(20, 31, -1), SimpleLocation(3, 13, -1)]),
    ],
    ids=["plus", "minus", "fuzzy", "joined", "joined minus"],
)
def test_places_in_codons_follow_the_reading(tmp_path: Path, location: SimpleLocation) -> None:
    letters = text(60)
    path = genbank(tmp_path / "a.gb", letters, [location])
    spliced = str(location.extract(Seq(letters)))
    assert codons(path) == spliced
    assert str(Seq(codons(path)).translate()) == str(location.extract(Seq(letters)).translate())


def test_a_gene_over_the_origin_goes_on_in_its_frame(tmp_path: Path) -> None:
    location = CompoundLocation([SimpleLocation(50, 60, 1), SimpleLocation(0, 11, 1)])
    (record,) = read_genome(genbank(tmp_path / "a.gb", text(60), [location]))
    assert record.regions == [Region(50, 60, 1, 0), Region(0, 11, 1, 1)]


@pytest.mark.parametrize(("start", "place"), [("1", 0), ("2", 2), ("3", 1)])
def test_a_gene_may_begin_in_the_middle_of_a_codon(tmp_path: Path, start: str, place: int) -> None:
    (record,) = read_genome(genbank(tmp_path / "a.gb", text(60), [SimpleLocation(0, 30, 1)], codon_start=start))
    assert record.regions == [Region(0, 30, 1, place)]


def test_what_lies_within_two_places_keeps_its_labels() -> None:
    for strand, place, begin, size in product((1, -1), range(3), (0, 4), range(1, 8)):
        region = Region(begin, begin + size, strand, place)
        labels = label_bases(12, [region]).tolist()
        for first, last in combinations_with_replacement(range(13), 2):
            inside = region.within(first, last)
            assert label_bases(last - first, [inside] if inside else []).tolist() == labels[first:last]


def test_where_genes_overlap_the_longer_one_counts() -> None:
    labels = label_bases(20, [Region(0, 12, 1), Region(9, 15, -1)])
    assert labels.tolist() == [1, 2, 3] * 4 + [6, 5, 4] + [0] * 5


@pytest.mark.parametrize("suffix", ["gff3", "gff"])
def test_gff_and_genbank_agree(tmp_path: Path, suffix: str) -> None:
    letters = text(60)
    parts = [SimpleLocation(40, 49, -1), SimpleLocation(20, 31, -1), SimpleLocation(3, 13, -1)]
    (one,) = read_genome(genbank(tmp_path / "a.gb", letters, [CompoundLocation(parts), SimpleLocation(50, 59, 1)]))
    (tmp_path / "b.fa").write_text(f">chr some words\n{letters[:35]}\n{letters[35:]}\n")
    lines = ["##gff-version 3", "chr\tx\tgene\t4\t59\t.\t-\t.\tID=g"]
    lines += [f"chr\tx\tCDS\t{a}\t{b}\t.\t-\t{p}\tID=c" for a, b, p in ((41, 49, 0), (21, 31, 0), (4, 13, 1))]
    lines += ["chr\tx\tCDS\t51\t59\t.\t+\t0\tID=d", "##FASTA", ">chr", "ACGT"]
    (tmp_path / f"b.{suffix}").write_text("\n".join(lines))
    (two,) = read_genome(tmp_path / "b.fa")
    assert two.regions == one.regions
    assert decode(two.codes) == decode(one.codes) == letters


def test_blocks_of_bed_are_parts(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("track name=x\nchr\t3\t49\tg\t0\t-\t3\t49\t0\t3\t10,11,9,\t0,17,37,\n")
    found = list(read_intervals(tmp_path / "a.bed")["chr"].values())
    assert found == [Region(40, 49, -1, 0), Region(20, 31, -1, 0), Region(3, 13, -1, 2)]


REGIONS = st.builds(
    lambda begin, size, strand, place, score: Region(begin, begin + size, strand, place, round(score, 4)),
    st.integers(0, 1000),
    st.integers(1, 1000),
    st.sampled_from([1, -1]),
    st.integers(0, 2),
    st.floats(0, 1),
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(REGIONS, min_size=1, max_size=5))
@pytest.mark.parametrize("suffix", [".gff3", ".bed"])
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, regions: list[Region]
) -> None:
    path = tmp_path_factory.mktemp("intervals") / f"a{suffix}"
    write_intervals(path, [("chr", 5000, region) for region in regions])
    found = list(read_intervals(path)["chr"].values())
    known = [(r.begin, r.end, r.strand, r.place if suffix == ".gff3" else 0) for r in regions]
    assert [(r.begin, r.end, r.strand, r.place) for r in found] == known
    scores = [line.split("\t")[5 if suffix == ".gff3" else 4] for line in path.read_text().splitlines() if "\t" in line]
    unit = 1.0 if suffix == ".gff3" else 1000.0
    assert [float(score) / unit for score in scores] == pytest.approx([r.score for r in regions], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.gff3", "chr\tx\tCDS\t5\t99\t.\t+\t0\tID=c\n", "a.gff3:1: expected intervals within the 12 letters of chr"),
        ("a.gff3", "chr\tx\tCDS\t9\t3\t.\t+\t0\tID=c\n", "got 9..3"),
        ("a.gff3", "chr\tx\tCDS\tfive\t9\t.\t+\t0\tID=c\n", "a.gff3:1: expected a number, got 'five'"),
        ("a.gff3", "chr\tx\tCDS\t5\t9\t.\t.\t0\tID=c\n", "a.gff3:1: expected the strand"),
        ("a.gff3", "chr\tx\tCDS\t5\t9\t.\t+\t7\tID=c\n", "a.gff3:1: expected the phase"),
        ("a.gff3", "chr x CDS 5 9 . + 0\n", "a.gff3:1: expected 8 columns of GFF3"),
        ("a.gff3", "chr\tx\tgene\t5\t9\t.\t+\t.\tID=c\n", "a.gff3: expected lines of type CDS, found none"),
        (
            "a.gff3",
            "other\tx\tCDS\t5\t9\t.\t+\t0\tID=c\n",
            "a.gff3:1: expected the name of a record of a.fa, got 'other'",
        ),
        ("a.bed", "chr\t3\t9\n", "a.bed:1: expected 6 columns of BED"),
    ],
)
def test_bad_intervals_are_told_with_their_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / "a.fa").write_text(">chr\nACGTACGTACGT\n")
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        list(read_genome(tmp_path / "a.fa"))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.gb", "no GenBank at all\n", "a.gb: expected GenBank"),
        ("a.gb", "", "a.gb: expected GenBank"),
        ("a.fa", "ACGT\n", "expected FASTA, whose records begin with a line '>name', got 'ACGT'"),
        ("a.fa", ">x\n>y\nACGT\n", "record x: expected letters, got none"),
        ("a.fa", ">x\nACGJ\n", "record x: expected letters of DNA"),
    ],
)
def test_bad_files_are_told_by_name(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as error:
        list(read_genome(tmp_path / name))
    assert said in str(error.value)


def test_a_genbank_record_with_a_region_past_its_end_is_named(tmp_path: Path) -> None:
    path = genbank(tmp_path / "a.gb", text(60), [SimpleLocation(30, 59, 1)])
    path.write_text(path.read_text().replace("31..59", "31..90"))
    with pytest.raises(UserError, match=r"a\.gb: record one\.1: expected intervals within the 60 letters .* 31\.\.90"):
        list(read_genome(path))


def test_a_genbank_record_without_letters_is_named(tmp_path: Path) -> None:
    path = genbank(tmp_path / "a.gb", text(60), [SimpleLocation(30, 59, 1)])
    path.write_text(path.read_text().split("ORIGIN")[0] + "ORIGIN\n//\n")
    with pytest.raises(UserError, match=r"a\.gb: record one\.1: expected its letters"):
        list(read_genome(path))
