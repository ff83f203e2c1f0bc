"""Are sampled tunes in key? Tunes drawn from a model of events, against random ones, and real ones beside them.

    python benchmarks/recipes/music_in_key.py RUN

For each of 50 tunes that the model in RUN draws from nothing, the share of notes is measured that lie in the major (or
natural minor) scale that fits the tune best. A random tune of as many notes, of pitches drawn evenly between the lowest
and the highest of the sampled tune, is measured in the same way, so that both profit alike from the choice of the
scale. Wilcoxon's signed-rank test says how likely so large a difference of the pairs is by chance.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from record import ROOT, commit, curve, machine, record
from scipy.stats import wilcoxon

from throughtime.data.tunes import best_scale
from throughtime.decoding import Sampling
from throughtime.tasks import find_task

TUNES = 50
DRAWS = 20
"""Random tunes whose mean share stands beside a sampled one's."""
FEWEST = 16
"""Notes of a tune that counts: a shorter one is in some key easily."""


def pitches(notes: list[dict[str, Any]]) -> list[int]:
    return [note["pitch"] for note in notes]


def by_chance(sampled: list[int], draw: np.random.Generator) -> float:
    """The mean share of random tunes between the same lowest and highest pitch."""
    low, high = min(sampled), max(sampled)
    return float(np.mean([best_scale(draw.integers(low, high + 1, len(sampled)).tolist())[0] for _ in range(DRAWS)]))


def real(run: Path) -> float:
    """The mean share of the run's test tunes."""
    tunes = [json.loads(line) for line in (run / "test.jsonl").read_text().splitlines()]
    return float(np.mean([best_scale([pitch for *_, pitch in tune["notes"]])[0] for tune in tunes]))


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "runs" / "music-events")
    trained_at = sys.argv[2] if len(sys.argv) > 2 else commit(ROOT)
    sampler, draw = find_task("music").sampler(run, None), np.random.default_rng(0)
    tunes: list[list[int]] = []
    seed = 0
    while len(tunes) < TUNES:
        sample = sampler.sample("", Sampling(length=sampler.length, seed=seed))
        list(sample)
        if len(sample.data["notes"]) >= FEWEST:
            tunes.append(pitches(sample.data["notes"]))
        seed += 1
    sampled = [best_scale(tune)[0] for tune in tunes]
    chance = [by_chance(tune, draw) for tune in tunes]
    result = {
        "command": "throughtime sample RUN, from nothing, temperature 1",
        "trained_at": trained_at,
        "machine": machine(),
        "validation": min((point for point in curve(run) if point["best"]), key=lambda point: -point["step"]),
        "tunes": TUNES,
        "shorter_left_out": seed - TUNES,
        "notes_a_tune": float(np.mean([len(tune) for tune in tunes])),
        "in_key": float(np.mean(sampled)),
        "in_key_lowest": min(sampled),
        "in_key_of_random_tunes": float(np.mean(chance)),
        "in_key_of_real_tunes": real(run),
        "tunes_above_chance": sum(one > other for one, other in zip(sampled, chance, strict=True)),
        "p": float(wilcoxon(sampled, chance, alternative="greater").pvalue),
    }
    print(json.dumps(result, indent=1))
    print(f"recorded in {record('music-in-key', result)}")


if __name__ == "__main__":
    main()
