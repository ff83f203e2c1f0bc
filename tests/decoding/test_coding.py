"""Coding regions of long sequences: the best course by trying all of them, and windows against the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from throughtime.data.dna.bases import encode, reverse_complement
from throughtime.data.dna.genomes import label_bases
from throughtime.data.progress import showing
from throughtime.decoding.coding import compute_windows
from throughtime.models import Letters, StrandTagger, StrandTaggerConfig
from throughtime.runtime.dna.coding import COST, PAST, Course, best_frames, follow, regions_of, windows
from throughtime.runtime.dna.codons import STARTS, STOPS, complements
from throughtime.runtime.dna.regions import Region


def every_course(letters: str, scores: np.ndarray) -> np.ndarray:
    """The score of each course, a dimension a place, by the definition: what it costs to change there, or to stay."""

    def label(at: int, frame: int) -> int:
        if frame == 0:
            return 0
        return 1 + (at - (frame - 1)) % 3 if frame < 4 else 4 + (frame - 4 - at) % 3

    def enter(at: int, frame: int) -> float:
        if frame == 0:
            return 0.0
        here = letters[at : at + 3]
        right = (frame < 4 and at % 3 == frame - 1 and here in STARTS) or (
            frame > 3 and (at + 2) % 3 == frame - 4 and here in complements(STOPS)
        )
        return 0.0 if right else COST

    def leave(at: int, frame: int) -> float:
        if frame == 0:
            return 0.0
        before = letters[at - 3 : at] if at >= 3 else ""
        right = (frame < 4 and at % 3 == frame - 1 and before in STOPS) or (
            frame > 3 and (at + 2) % 3 == frame - 4 and before in complements(STARTS)
        )
        return 0.0 if right else COST

    def stay(at: int, frame: int) -> float:
        ended = at >= 3 and frame in (1, 2, 3) and at % 3 == frame - 1 and letters[at - 3 : at] in STOPS
        ends = frame > 3 and (at + 2) % 3 == frame - 4 and letters[at : at + 3] in complements(STOPS)
        return PAST if ended or ends else 0.0

    def cost(at: int, one: int, two: int) -> float:
        changed = leave(at, one) + enter(at, two)
        return min(changed, stay(at, one)) if one == two else changed

    frames, after = range(7), len(letters) - 1
    total = np.zeros([7] * len(letters))
    for at in range(len(letters)):
        total += np.reshape([float(scores[at, label(at, frame)]) for frame in frames], (7, *[1] * (after - at)))
    for at in range(1, len(letters)):
        total -= np.reshape([[cost(at, one, two) for two in frames] for one in frames], (7, 7, *[1] * (after - at)))
    return total


@pytest.mark.parametrize("letters", ["ATGAC", "CTAAG", "TTACA", "ACATG", "TGACA", "CATTC", "ATAAC"])
def test_the_best_course_is_the_best_of_all(letters: str) -> None:
    rng = np.random.default_rng(sum(map(ord, letters)))
    for spread in (10.0, 60.0, 250.0):
        scores = (spread * rng.normal(size=(5, 7))).astype(np.float32)
        found = tuple(best_frames(scores[None], encode(letters, "here")[None])[0].tolist())
        every = every_course(letters, scores)
        assert every[found] == pytest.approx(every.max(), abs=1e-3)


def genes(strand: int) -> tuple[np.ndarray, list[Region]]:
    """A sequence with two genes, whole, that end on their stop codons."""
    text = "AC" * 60
    text = text[:9] + "ATG" + text[12:39] + "TAA" + text[42:70] + "GTG" + text[73:97] + "TGA" + text[100:]
    regions = [Region(9, 42, 1), Region(70, 100, 1)]
    codes = encode(text, "here")
    if strand > 0:
        return codes, regions
    length = len(text)
    return reverse_complement(codes), [Region(length - r.end, length - r.begin, -1) for r in regions[::-1]]


@pytest.mark.parametrize("strand", [1, -1])
def test_blurred_ends_snap_to_start_and_stop(strand: int) -> None:
    codes, regions = genes(strand)
    labels = label_bases(len(codes), regions)
    chances = np.full((len(codes), 7), 0.05)
    chances[np.arange(len(codes)), labels] = 0.7
    for region in regions:
        for edge in (region.begin, region.end):  # nobody knows what the bases there are
            chances[edge - 4 : edge + 4] = 1 / 7
    frames = best_frames(np.log(chances).astype(np.float32)[None], codes[None])[0]
    sure = np.full(len(codes), 0.5, dtype=np.float16)
    found = regions_of(Course(frames, sure, sure))
    assert [(r.begin, r.end, r.strand, r.place, r.score) for r in found] == [
        (r.begin, r.end, r.strand, r.place, 0.5) for r in regions
    ]


def test_regions_have_the_place_that_their_labels_say() -> None:
    regions = [Region(2, 13, 1, 1), Region(20, 33, -1, 2), Region(33, 40, 1, 0)]
    labels = label_bases(45, regions)
    frames = np.zeros(45, dtype=np.uint8)
    for at, label in enumerate(labels.tolist()):
        if label:
            frames[at] = 1 + (at - (label - 1)) % 3 if label < 4 else 4 + (at + label - 4) % 3
    half = np.full(45, 1.0, dtype=np.float16)
    found = regions_of(Course(frames, half, half))
    assert found == regions
    assert label_bases(45, found).tolist() == labels.tolist()


def model() -> StrandTagger:
    torch.manual_seed(3)
    config = StrandTaggerConfig(hidden=8, layers=2, bidirectional=True, swapped=(0, 4, 5, 6, 1, 2, 3), codon=6)
    return StrandTagger(config).eval()


@pytest.mark.parametrize("length", [1500, 1501, 1502, 40])
@torch.no_grad()
def test_windows_with_a_halo_are_the_whole(length: int) -> None:
    tagger, rng = model(), np.random.default_rng(0)
    codes = (1 << rng.integers(0, 4, length)).astype(np.uint8)
    whole = tagger.log_probs(Letters.of([codes]))[0].numpy()
    errors = {}
    for halo in (0, 450):
        told: list[float] = []
        found = np.full_like(whole, np.nan)
        with showing(lambda done, *_, t=told: t.append(done)):
            computed = list(compute_windows(tagger.log_probs, [codes], 240, halo))
        for some in computed:
            for row, w in enumerate(some.windows):
                found[w.first : w.last] = some.log_probs[row, w.first - w.begin : w.last - w.begin]
        assert told[-1] == length
        errors[halo] = float(np.abs(found - whole).max())
    assert errors[450] < 1e-3
    assert length < 240 or errors[0] > 0.05  # without a halo it shows


def test_windows_begin_and_end_at_whole_codons_of_their_sequence() -> None:
    for length in range(1, 200):
        found = windows([length], core=30, halo=12)
        assert [w.first for w in found] == list(range(0, length, 30))
        assert all(w.begin % 3 == 0 and (length - w.end) % 3 == 0 and w.end <= length for w in found)
        assert all(w.begin <= w.first < w.last <= w.end for w in found)
        assert [w.last for w in found] == [*range(30, length, 30), length]


@torch.no_grad()
def test_sequences_are_followed_together_as_alone_and_an_empty_one_is_legal() -> None:
    tagger, rng = model(), np.random.default_rng(1)
    rows = [(1 << rng.integers(0, 4, length)).astype(np.uint8) for length in (700, 0, 31)]
    lengths = [len(row) for row in rows]
    together = follow(compute_windows(tagger.log_probs, rows, 240, 60), lengths, 0.5)
    for row, course in zip(rows, together, strict=True):
        (alone,) = follow(compute_windows(tagger.log_probs, [row], 240, 60), [len(row)], 0.5)
        assert alone.frames.tolist() == course.frames.tolist()
        assert np.allclose(alone.plus, course.plus, atol=2e-3)
        assert len(course.minus) == len(row)


@torch.no_grad()
def test_the_other_strand_of_a_genome_has_the_regions_turned_round() -> None:
    tagger, rng = model(), np.random.default_rng(2)
    codes = (1 << rng.integers(0, 4, 1000)).astype(np.uint8)
    here, there = (
        follow(compute_windows(tagger.log_probs, [one]), [1000], 3.0)[0] for one in (codes, reverse_complement(codes))
    )
    assert (here.frames > 0).any()
    assert np.array_equal(here.plus, there.minus[::-1])
    turned = [(1000 - r.end, 1000 - r.begin, -r.strand, r.place) for r in regions_of(there)[::-1]]
    assert [(r.begin, r.end, r.strand, r.place) for r in regions_of(here)] == turned
