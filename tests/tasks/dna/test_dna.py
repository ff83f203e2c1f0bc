"""Examples of DNA, and how well regions are found, by hand."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.dna.bases import decode, encode
from throughtime.data.dna.genomes import label_bases
from throughtime.errors import UserError
from throughtime.runtime.dna.coding import best_frames
from throughtime.runtime.dna.codons import open_frames
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.dna.regions import Region
from throughtime.runtime.reading.notes import noting
from throughtime.tasks.dna import classes
from throughtime.tasks.dna.examples import BLOCK, LEAST, DnaExample, DnaSettings, as_regions, cut_genome
from throughtime.tasks.dna.metrics import Hits, fit_open_frames, mask
from throughtime.tasks.dna.regions import pieces
from throughtime.tasks.dna.task import Dna

RECIPES = Path(__file__).parents[3] / "benchmarks" / "recipes"


def test_mcc_is_the_correlation_of_two_masks() -> None:
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        gold, found = rng.random(500) < share, rng.random(500) < 0.3
        found |= gold & (rng.random(500) < 0.5)
        assert Hits.count(gold, found).mcc == pytest.approx(np.corrcoef(gold, found)[0, 1])
    assert Hits(90, 5, 2, 3).mcc == pytest.approx((90 * 3 - 5 * 2) / (95 * 92 * 8 * 5) ** 0.5)


@pytest.mark.parametrize("calibrate", [True, False])
def test_weights_are_chosen_by_what_is_said_at_the_fitted_temperature(
    calibrate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models that differ by how sure they are alone are as good, unless their temperature is kept at 1."""
    scores, gold = torch.randn(60, 3, generator=torch.Generator().manual_seed(1)).double(), torch.arange(60) % 3
    scores[torch.arange(60), gold] += 1.0
    dna = Dna(DnaSettings(calibrate=calibrate), {"learnt": "classes", "labels": ["a", "b", "c"]})
    found = []
    for sure in (3.0, 6.0):
        log_probs = torch.log_softmax(sure * scores, 1)
        monkeypatch.setattr(classes, "judge", lambda *_, said=log_probs: (said, gold))
        found.append(dna.validate(None, []))
    assert [one.figures["accuracy"] for one in found] == [found[0].figures["accuracy"]] * 2
    near = pytest.approx(found[0].objective, rel=0.01)
    assert (found[1].objective == near) == calibrate
    if not calibrate:
        assert [one.objective for one in found] == pytest.approx([one.figures["loss"] for one in found])


def test_whoever_does_not_look_is_worth_nothing() -> None:
    gold = np.arange(100) < 88
    everything = Hits.count(gold, np.ones(100, dtype=bool))
    assert (everything.mcc, everything.balanced, everything.sensitivity) == (0.0, 0.5, 1.0)
    assert Hits().mcc == 0.0


def genome(length: int = 70_000) -> Record:
    rng = np.random.default_rng(0)
    codes = (1 << rng.integers(0, 4, length)).astype(np.uint8)
    regions = [Region(at, at + 1000, 1 if at % 4 else -1) for at in range(100, length - 1000, 1500)]
    return Record("chr", "", codes, "a.gb: record chr", regions)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.integers(60, 5000), st.integers(1, 20_000))
def test_stretches_are_the_genome_again(length: int, size: int) -> None:
    record = genome()
    record = Record("chr", "", record.codes[:size], record.where, [r for r in record.regions or () if r.end <= size])
    found = list(cut_genome(record, length))
    assert "".join(example.letters for example in found) == decode(record.codes)
    assert all(len(example.letters) <= 1.5 * length for example in found)
    labels = [label_bases(len(example.letters), as_regions(example)) for example in found]
    assert np.concatenate(labels).tolist() == label_bases(size, record.regions or ()).tolist()


def test_blocks_of_a_genome_are_held_out_together_and_joined_again() -> None:
    examples = list(cut_genome(genome(700_000), 3000))
    blocks: dict[object, list[DnaExample]] = {}
    for example in examples:
        blocks.setdefault(Dna.key(example), []).append(example)
    assert [members[0].begin for members in blocks.values()] == list(range(0, 700_000, BLOCK))
    second = list(blocks.values())[1]
    (one, two) = pieces([*second[::-1], examples[0]])
    assert (one.begin, len(one.codes), two.begin, len(two.codes)) == (0, 3000, BLOCK, BLOCK)
    assert decode(two.codes) == "".join(example.letters for example in second)
    whole = label_bases(700_000, genome(700_000).regions or ())
    assert two.labels.tolist() == whole[BLOCK : 2 * BLOCK].tolist()


def test_equal_sequences_are_held_out_together(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text("N, one, ACGT\nEI, two, acgt\nN, three, ACGA\n")
    examples = Dna.read([tmp_path / "a.data"], DnaSettings())
    one, two, three = map(Dna.key, examples)
    assert one == two != three


def test_a_small_genome_has_enough_blocks() -> None:
    assert len({Dna.key(example) for example in cut_genome(genome(70_000), 1000)}) >= LEAST


def test_the_rule_of_thumb_is_fitted() -> None:
    rng = np.random.default_rng(0)
    codons = [c for c in ("ACC", "GCA", "CGA", "GAC") for _ in range(3)]
    stops = "TTAACTAACTAATTAGTTAGTTAA"  # in every frame
    spacer = stops + "ATG" + 15 * "ACC" + stops  # a short frame, which codes for nothing
    text = spacer.join("ATG" + "".join(rng.choice(codons, 60)) + "TAA" for _ in range(20))
    codes = encode(text, "here")
    gold = mask(len(codes), [r for r in open_frames(codes, 186) if r.strand > 0])
    least = fit_open_frames([(codes, gold)], (30, 150, 400))
    assert least == 150


def test_folds_keep_equal_sequences_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPES))
    spec = importlib.util.spec_from_file_location("splice", RECIPES / "splice.py")
    assert spec is not None
    assert spec.loader is not None
    splice = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "splice", splice)
    spec.loader.exec_module(splice)
    rng = np.random.default_rng(0)
    letters = ["".join(rng.choice(list("ACGT"), 4)) for _ in range(200)]  # many of them twice and more
    (tmp_path / "a.data").write_text("".join(f"N,s{n},{one}\n" for n, one in enumerate(letters)))
    parts = [{decode(one.codes) for one in part} for part in splice.folds(tmp_path / "a.data")]
    assert len(parts) == 10
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(set(letters)) < 200
    rows = [{"": "EI", "EI": 9, "N": 1}, {"": "N", "EI": 3, "N": 7}]
    found = splice.errors([{"tables": {"by label": [], "confusions (rows …)": rows}}] * 2)
    assert found == {"EI": 10.0, "N": 30.0, "all": 20.0}


def coded(codes: Sequence[int]) -> DnaExample:
    return DnaExample("one", "ATGTGATGGTAATTT", "here", regions=[(0, 12, 1, 0)], genetic_codes=codes)


@pytest.mark.parametrize(
    ("told", "option", "code", "said"),
    [
        ([], None, 11, []),
        ([4], None, 4, ["genetic code 4, as the data say (transl_table); --genetic-code takes another"]),
        ([4], 11, 11, []),
        ([1, 4], None, 11, ["genetic code 11, as the data have several (1, 4); --genetic-code takes another"]),
    ],
)
def test_the_genetic_code_is_that_of_the_data(told: list[int], option: int | None, code: int, said: list[str]) -> None:
    chosen = DnaSettings(genetic_code=option, hidden=4, layers=1)
    with noting() as notes:
        task = Dna(chosen, Dna.learn([coded(told)], chosen))
    assert notes.taken == said
    assert task.part.vocabulary["code"] == code
    # TGA stops in the code of bacteria, and is read as tryptophan in that of mycoplasmas.
    found = [(r.begin, r.end) for r in open_frames(coded([]).codes, 9, task.part.code) if r.strand > 0]
    assert found == ([(0, 12)] if code == 4 else [])
    scores = np.log(np.array([[0.1, *[0.15] * 6]] * 15, np.float32))
    scores[np.arange(12), 1 + np.arange(12) % 3] = 3
    frames = best_frames(scores[None], coded([]).codes[None], task.part.code)[0].tolist()
    assert (frames == [1] * 12 + [0] * 3) == (code == 4)


def test_a_genetic_code_that_is_none_is_refused() -> None:
    chosen = DnaSettings(genetic_code=7)
    with pytest.raises(UserError, match=r"--genetic-code: expected a number of NCBI's list .*, 33\), got 7"):
        Dna.learn([coded([])], chosen)
