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

from throughtime.applications.supervised import Supervised
from throughtime.decoding import Sampling, TextDecoder, sample_many
from throughtime.runtime.music.tunes import best_scale
from throughtime.tasks import TASKS
from throughtime.tasks.music.events import EventModel, WellFormed
from throughtime.tasks.music.task import Music

TUNES = 50
DRAWS = 20
"""Random tunes whose mean share stands beside a sampled one's."""
LENGTH = 1000
"""Most events of a tune."""


def draw_tunes(kind: EventModel, model: Any) -> list[list[int]]:
    """The pitches of tunes drawn from nothing, side by side."""
    decoder = TextDecoder(WellFormed(model, kind.events), rows=TUNES)
    drawn = sample_many(decoder, Sampling(length=LENGTH, seed=0), eos=kind.events.END)
    return [[pitch for *_, pitch in kind.events.decode(tune.tokens).notes] for tune in drawn]


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
    task = TASKS["music"]
    assert isinstance(task, Supervised)
    opened = task.load(run)
    assert isinstance(opened.bound, Music)
    assert isinstance(opened.bound.kind, EventModel)
    tunes = draw_tunes(opened.bound.kind, opened.model)
    draw = np.random.default_rng(0)
    sampled = [best_scale(tune)[0] for tune in tunes]
    chance = [by_chance(tune, draw) for tune in tunes]
    result = {
        "command": f"{TUNES} tunes from nothing, temperature 1, at most {LENGTH} events",
        "trained_at": trained_at,
        "machine": machine(),
        "validation": min((point for point in curve(run) if point["best"]), key=lambda point: -point["step"]),
        "tunes": TUNES,
        "notes_a_tune": float(np.mean([len(tune) for tune in tunes])),
        "notes_of_the_shortest": min(map(len, tunes)),
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
