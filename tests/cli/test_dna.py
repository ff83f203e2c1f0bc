"""Genomes and sequences of DNA, from files to intervals and a picture, as a user meets it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqIO import write
from Bio.SeqRecord import SeqRecord

from throughtime.cli import run as run_command
from throughtime.data.dna.intervals import read_intervals

TINY = ["--hidden", "24", "--layers", "1", "--embedding", "12", "--stretch", "600", "--lr", "0.02", "--dropout", "0"]
CODONS = ["GCA", "GAA", "CTG", "AAA", "GGC"]
OTHER = {"A": "T", "C": "G", "G": "C", "T": "A"}


def genome(size: int, seed: int) -> tuple[str, list[tuple[int, int, int]]]:
    """Genes of a few codons on either strand, random letters between them."""
    draw, text, genes = random.Random(seed), "", []
    while len(text) < size:
        text += "".join(draw.choices("ACGT", k=draw.randint(60, 150)))
        gene = "ATG" + "".join(draw.choices(CODONS, k=draw.randint(40, 90))) + "TAA"
        strand = draw.choice([1, -1])
        genes.append((len(text), len(text) + len(gene), strand))
        text += gene if strand > 0 else "".join(OTHER[letter] for letter in reversed(gene))
    return text + "".join(draw.choices("ACGT", k=50)), genes


def genbank(path: Path, name: str, size: int, seed: int) -> Path:
    text, genes = genome(size, seed)
    features = [SeqFeature(SimpleLocation(*gene), type="CDS") for gene in genes]
    write(SeqRecord(Seq(text), id=name, name=name, annotations={"molecule_type": "DNA"}, features=features), path, "gb")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Genomes, and a model that knows their genes."""
    folder = tmp_path_factory.mktemp("dna")
    (folder / "data").mkdir()
    genbank(folder / "data" / "train.gb", "one", 30_000, 0)
    genbank(folder / "data" / "test.gb", "two", 9_000, 1)
    options = ["--steps", "60", "--evaluate-every", "60"]
    arguments = ["train", "dna", "--data", str(folder / "data"), "--out", str(folder / "run"), *TINY, *options]
    assert run_command(arguments) == 0
    return folder


def test_it_finds_the_genes_of_a_genome_that_it_never_saw(call: Any, folder: Path) -> None:
    found = call("evaluate", folder / "run", "--json").json
    assert found["mcc"] > 0.9
    assert 0 < found["calibration_error"] < 10
    assert found["balanced_accuracy"] > 0.95
    assert found["right_strand"] > 0.95
    assert found["right_frame"] > 0.95
    assert (found["all_coding_mcc"], found["all_coding_balanced_accuracy"]) == (0.0, 0.5)
    assert 0 < found["open_frames_mcc"] < found["mcc"]
    assert 0 < found["coding"] < 1
    assert [row["record"] for row in found["tables"]["by record"]] == ["two"]
    errors = found["tables"]["longest errors"]
    assert all(error["begin"] <= error["end"] and error["annotated"] != error["said"] for error in errors)


def test_intervals_and_a_picture_of_a_genome(call: Any, folder: Path, tmp_path: Path) -> None:
    text, genes = genome(5000, 2)
    (tmp_path / "new.fasta").write_text(f">new an unknown genome\n{text.lower()}\n")
    outs = [tmp_path / "new.out.gff3", tmp_path / "new.out.bed"]
    for out in outs:
        answer = call(
            "predict", folder / "run", tmp_path / "new.fasta", "--out", out, "--picture", tmp_path / "a.png", "--json"
        )
        assert answer.json["name"] == "new"
        said = [(r["begin"] - 1, r["end"], 1 if r["strand"] == "+" else -1) for r in answer.json["regions"]]
        written = list(read_intervals(out)["new"].values())
        assert [(r.begin, r.end, r.strand) for r in written] == said
    exact = [gene for gene in said if gene in genes]
    assert len(exact) > 0.8 * len(genes)
    assert all(0.5 < r["score"] <= 1 for r in answer.json["regions"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    shown = call("predict", folder / "run", tmp_path / "new.fasta").out
    assert shown.startswith(f"new: {len(text):,} bases, ")
    assert f"{len(said):,} regions" in shown
    # What it found trains another one.
    (tmp_path / "again.fasta").write_text(f">new\n{text}\n")
    (tmp_path / "again.gff3").write_text(outs[0].read_text())
    again = call("evaluate", folder / "run", tmp_path / "again.fasta", "--json").json
    assert again["mcc"] == pytest.approx(1.0)


def test_a_line_of_letters_and_an_empty_one(call: Any, folder: Path) -> None:
    text, _ = genome(1500, 3)
    found = call("predict", folder / "run", "--line", text, "--line", "", "--json").lines
    assert [one["bases"] for one in found] == [len(text), 0]
    assert found[0]["regions"]
    assert (found[1]["coding"], found[1]["regions"]) == (0.0, [])


def test_only_the_first_record_is_drawn_but_all_are_written(call: Any, folder: Path, tmp_path: Path) -> None:
    texts = [genome(1200, seed)[0] for seed in (4, 5)]
    (tmp_path / "two.fa").write_text("".join(f">r{n}\n{text}\n" for n, text in enumerate(texts)))
    options = ["--out", tmp_path / "o.bed", "--picture", tmp_path / "p.png"]
    answer = call("predict", folder / "run", tmp_path / "two.fa", *options)
    assert answer.code == 0
    assert "only its first record is drawn" in answer.err
    assert set(read_intervals(tmp_path / "o.bed")) == {"r0", "r1"}


def sequences(count: int, seed: int) -> str:
    draw, rows = random.Random(seed), []
    for number in range(count):
        letters = draw.choices("ACGT", k=20)
        label = draw.choice(["donor", "none"])
        letters[9:11] = "GT" if label == "donor" else draw.choice(["CA", "AC"])
        rows.append(f">s{number}|{label}\n{''.join(letters)}\n")
    return "".join(rows)


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Path:
    """A model that knows sequences with GT in the middle."""
    (folder / "seqs").mkdir()
    (folder / "seqs" / "all.fa").write_text(sequences(300, 0))
    out = folder / "classes"
    arguments = [
        "train",
        "dna",
        "--data",
        str(folder / "seqs"),
        "--out",
        str(out),
        *TINY,
        "--batch",
        "32",
        "--cell",
        "gru",
    ]
    assert run_command([*arguments, "--steps", "60", "--evaluate-every", "30"]) == 0
    return out


def test_classes_of_sequences(call: Any, classifier: Path, tmp_path: Path) -> None:
    found = call("evaluate", classifier, "--json").json
    assert found["accuracy"] > 95
    (tmp_path / "new.fa").write_text(">a\nCCCCCCCCCGTCCCCCCCCC\n>b\nCCCCCCCCCACCCCCCCCCC\n")
    answers = call("predict", classifier, tmp_path / "new.fa", "--json").lines
    assert [(one["name"], one["label"]) for one in answers] == [("a", "donor"), ("b", "none")]
    assert all(sum(one["probabilities"].values()) == pytest.approx(1) for one in answers)
    shown = call("predict", classifier, "--line", "CCCCCCCCCGTCCCCCCCCC", "--nbest", "2").out
    assert shown.startswith("donor ")
    assert " none " in shown
    other = call("predict", classifier, "--line", "CCGTCC")
    assert "6 letters, where all of training had 20" in other.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.fa", ">x\nACGTJ\n", "bad.fa: record x: expected letters of DNA"),
        ("bad.gb", "LOCUS\n", "bad.gb: expected GenBank"),
        ("empty.fa", "", "empty.fa: expected FASTA"),
    ],
)
def test_bad_files_are_named_in_one_line(
    call: Any, folder: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    out = tmp_path / "o.gff3"
    for answer in (
        call("predict", folder / "run", tmp_path / name, "--out", out),
        call("train", "dna", "--data", tmp_path / name, "--out", tmp_path / "run"),
    ):
        assert answer.code == 2
        assert said in answer.err
        assert answer.err.count("\n") == 1
    assert not out.exists()
    assert not (tmp_path / "run").exists()


def test_what_does_not_go_together_is_refused(call: Any, folder: Path, classifier: Path, tmp_path: Path) -> None:
    labelled = folder / "seqs" / "all.fa"
    both = call("train", "dna", "--data", folder / "data" / "train.gb", "--data", labelled, "--out", tmp_path / "run")
    assert both.code == 2
    assert "expected genomes, or labelled sequences, got both" in both.err
    other = call("evaluate", folder / "run", labelled)
    assert other.code == 2
    assert "all.fa: record s0|" in other.err
    assert "expected coding regions of genomes, as in the training data, got labelled sequences" in other.err
    said = call("predict", folder / "run", labelled, "--nbest", "3").err
    assert "unknown option --nbest" in said
    assert "this model has for predict: --encoding, --out, --picture" in said
    said = call("predict", classifier, labelled, "--out", tmp_path / "o.bed").err
    assert "--out: expected a table, a manifest or another file of inputs" in said
    wrong = call("predict", folder / "run", labelled, "--out", tmp_path / "o.txt")
    assert "--out: expected a file that ends in .gff3, .gff, .bed" in wrong.err


def test_a_genome_without_genes_is_nothing_to_learn_from(call: Any, tmp_path: Path) -> None:
    text, _ = genome(5000, 0)
    record = SeqRecord(Seq(text), id="x", name="x", annotations={"molecule_type": "DNA"})
    write(record, tmp_path / "a.gb", "gb")
    answer = call("train", "dna", "--data", tmp_path / "a.gb", "--out", tmp_path / "run", *TINY)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
