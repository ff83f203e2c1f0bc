"""Models of DNA without PyTorch: regions and classes as the run gives them, of letters and of every kind of file."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqIO import write
from Bio.SeqIO.FastaIO import SimpleFastaParser
from Bio.SeqRecord import SeqRecord
from hypothesis import given, settings
from hypothesis import strategies as st

import throughtime
from throughtime import runtime
from throughtime.cli import run as command
from throughtime.data.dna.genomes import read_genome
from throughtime.errors import UserError
from throughtime.runtime.__main__ import main
from throughtime.runtime.dna.bases import decode
from throughtime.runtime.dna.coding import CORE
from throughtime.runtime.dna.fasta import read_fasta
from throughtime.runtime.dna.genbank import read_genbank
from throughtime.runtime.reading.files import file_lines

pytest.importorskip("onnxruntime")

OTHER = str.maketrans("ACGT", "TGCA")
TINY = ["--hidden", "8", "--layers", "1", "--embedding", "8", "--stretch", "300", "--lr", "0.05", "--dropout", "0"]
DATA = Path(os.environ.get("THROUGHTIME_DATA", Path(__file__).parents[3] / "shared" / "data"))
GENOMES = sorted(path for path in DATA.glob("genomes/*") if path.stat().st_size < 50_000)
"""Small real ones, where there are any; without them their test is skipped."""


def genome(size: int, seed: int) -> tuple[str, list[tuple[int, int, int]]]:
    """Genes of a few codons on either strand, random letters between them."""
    draw, text, genes = random.Random(seed), "", []
    while len(text) < size:
        text += "".join(draw.choices("ACGT", k=draw.randint(30, 90)))
        gene = "ATG" + "".join(draw.choices(["GCA", "GAA", "CTG"], k=draw.randint(30, 60))) + "TAA"
        genes.append((len(text), len(text) + len(gene), draw.choice([1, -1])))
        text += gene if genes[-1][2] > 0 else gene[::-1].translate(OTHER)
    return text + "".join(draw.choices("ACGT", k=50)), genes


def genbank(path: Path, records: dict[str, int], seed: int = 0) -> Path:
    made = []
    for name, size in records.items():
        text, genes = genome(size, seed + size)
        features = [SeqFeature(SimpleLocation(*gene), type="CDS") for gene in genes]
        made.append(SeqRecord(Seq(text), name, name, annotations={"molecule_type": "DNA"}, features=features))
    write(made, path, "gb")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained finder of regions, and what it was exported to."""
    folder = tmp_path_factory.mktemp("regions")
    data = genbank(folder / "train.gb", {"one": 6000})
    assert (
        command(
            ["train", "dna", str(data), "--out", str(folder / "run"), *TINY, "--steps", "20", "--genetic-code", "4"]
        )
        == 0
    )
    throughtime.load(folder / "run").export(folder / "exported")
    return folder


def same(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> None:
    """Regions, strands and phases are equal; numbers to 1e-4, of which scores have four places."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        assert (one["name"], one["bases"]) == (other["name"], other["bases"])
        assert one["coding"] == pytest.approx(other["coding"], abs=1e-4)
        places = ("begin", "end", "strand", "phase")
        assert [[r[p] for p in places] for r in one["regions"]] == [[r[p] for p in places] for r in other["regions"]]
        scores = [[region["score"] for region in each["regions"]] for each in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1.01e-4)


def files(folder: Path) -> dict[str, Path]:
    """Genomes as every kind of file, one record longer than a window; their letters in either case, some of them N."""
    text, _ = genome(CORE + 2000, 5)
    short = genome(700, 6)[0]
    fasta = f">long  a genome\n{text[:5000].lower()}\nNNRY\n\n{text[5000:]}\n>short\n{short}\n>\nACGTTAG\n"
    (folder / "a.fa").write_text(fasta)
    (folder / "b.gff3").write_text(f"##gff-version 3\nshort\t.\tCDS\t1\t9\t.\t+\t0\tID=a\n##FASTA\n>short\n{short}\n")
    return {
        "fasta": folder / "a.fa",
        "genbank": genbank(folder / "c.gbk", {"two.1": 900, "three": 61}, 7),
        "gff3": folder / "b.gff3",
    }


def test_regions_are_those_of_the_run(folder: Path, tmp_path: Path) -> None:
    run = throughtime.load(folder / "run")
    run.model.lift.fill_(1.25)
    run.export(tmp_path / "exported")
    model = runtime.open(tmp_path / "exported")
    lines = ["", "acgtnry", genome(900, 9)[0], "ATGGCATGAGCATAA" * 40]
    given: list[str | Path] = [*lines, *files(tmp_path).values()]
    found = model.predict(given)
    assert [each["name"] for each in found][:6] == ["line1", "line2", "line3", "line4", "long", "short"]
    assert {region["strand"] for each in found for region in each["regions"]} == {"+", "-"}
    same(found, [each.data for each in run.predict(given)])
    same(model.predict(lines[-1]), [run.predict([lines[-1]])[0].data | {"name": "line1"}])


def test_a_shell_gives_what_the_command_line_gives(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, file in files(tmp_path).items():
        capsys.readouterr()
        outs = [tmp_path / f"{kind}.{side}.{'bed' if kind == 'gff3' else 'gff3'}" for side in ("run", "exported")]
        assert command(["predict", str(folder / "run"), str(file), "--json", "--out", str(outs[0])]) == 0
        expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert main([str(folder / "exported"), "predict", str(file), "--out", str(outs[1])]) == 0
        same([json.loads(line) for line in capsys.readouterr().out.splitlines()], expected)
        written = [[re.sub(r"0\.\d+", "", line) for line in out.read_text().splitlines()] for out in outs]
        assert written[0] == written[1]
    assert main([str(folder / "exported"), "predict", "ACGT", "--out", "genes.txt"]) == 2
    assert "--out: expected a file that ends in .gff3, .gff, .bed, got genes.txt" in capsys.readouterr().err


def test_int8_finds_what_the_rounded_model_finds(folder: Path, tmp_path: Path) -> None:
    run, text = throughtime.load(folder / "run"), genome(3000, 11)[0]
    run.export(tmp_path / "small", int8=True)
    sizes = [(path / "model.onnx").stat().st_size for path in (tmp_path / "small", folder / "exported")]
    assert sizes[0] < 0.9 * sizes[1]
    (small,), (whole,) = (runtime.open(path).predict(text) for path in (tmp_path / "small", folder / "exported"))
    assert small["coding"] == pytest.approx(whole["coding"], abs=0.05)


def test_what_cannot_be_read_is_refused_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("text,label\nACGT,x\n")
    (tmp_path / "a.gb").write_text("LOCUS       A 4 bp\nORIGIN\n//\n")
    (tmp_path / "b.gb").write_text("ACGT\n")
    (tmp_path / "c.fa").write_text(">one\nACGE\n")
    for name, said in {
        "a.csv": "expected FASTA, whose records begin with a line '>name', got 'text,label'",
        "a.gb": "record A: expected its letters (ORIGIN), got none",
        "b.gb": "expected GenBank, whose records begin with LOCUS, found none",
        "c.fa": "record one: expected letters of DNA",
        "absent.fa": "which does not exist",
        "ACGE": "line 1: expected letters of DNA",
    }.items():
        assert main([str(folder / "exported"), "predict", name if name == "ACGE" else str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert said in error
    with pytest.raises(UserError, match="input 1: expected letters of DNA, or a path, got 3"):
        runtime.open(folder / "exported").predict([3])
    with pytest.raises(UserError, match="inputs: expected letters of DNA, or paths, got 3"):
        runtime.open(folder / "exported").predict(3)


def test_classes_of_files_are_those_of_the_run(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = [("".join(draw.choices("ACGT", k=20)), "ab"[n % 2]) for n in range(24)]
    options = {"hidden": 4, "layers": 1, "embedding": 4, "batch": 4}
    run = throughtime.train("dna", rows, steps=2, held_out=0.2, progress=False, **options)
    run.export(tmp_path / "exported")
    (tmp_path / "new.fasta").write_text(">one|a\nACGT\n>two b\nGGNN\nAC\n")
    given: list[str | Path] = ["ACG", *files(tmp_path).values(), tmp_path / "new.fasta"]
    found, expected = runtime.open(tmp_path / "exported").predict(given), [each.data for each in run.predict(given)]
    assert [each["name"] for each in found][-2:] == ["one|a", "two"]
    assert [(each["name"], each["label"]) for each in found] == [(e["name"], e["label"]) for e in expected]
    with pytest.raises(UserError, match=r"a.csv: expected a file that ends in .gb, .* on standard input"):
        runtime.open(tmp_path / "exported").predict(tmp_path / "a.csv")
    for one, other in zip(found, expected, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.text(alphabet=">AC gt\t\nR\r", max_size=60))
def test_fasta_is_read_as_biopython_reads_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("fasta") / "a.fa"
    file.write_bytes(f">first\nA{text}".encode())
    expected = [(title.split(), "".join(letters.split())) for title, letters in SimpleFastaParser(file_lines(file))]
    if any(not letters or ">" in letters for _, letters in expected):
        with pytest.raises(UserError, match="expected letters"):
            list(read_fasta(file))
        return
    names = [title[0] if title else str(number) for number, (title, _) in enumerate(expected, 1)]
    found = [(record.name, record.header.split(), decode(record.codes)) for record in read_fasta(file)]
    wanted = [(name, title[1:], letters.upper()) for name, (title, letters) in zip(names, expected, strict=True)]
    assert found == wanted


@pytest.mark.skipif(not GENOMES, reason="no real genomes here")
def test_real_genomes_have_the_run_s_regions(folder: Path) -> None:
    run, model = throughtime.load(folder / "run"), runtime.open(folder / "exported")
    for file in GENOMES:
        (plain,), (whole,) = list(read_genbank(file)), list(read_genome(file))
        assert plain.name == whole.name
        assert np.array_equal(plain.codes, whole.codes)
        same(model.predict(file), [each.data for each in run.predict([file])])
