"""Which did the speaker say? A word language model chooses between sentences that sound alike.

    python benchmarks/recipes/homophones.py [RUN]

Trains on image captions (Multi30k, English side). Each case is a test sentence in which one word is replaced by a
word that sounds the same; the model is right where it gives the true sentence the higher probability. Pairs whose two
words do not both occur in the training text are left out: between a known and an unknown word there is no choice.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from record import curve, data, machine, record

from throughtime import TextModel

OPTIONS = (
    "--sentences --unit words --lowercase --hidden 256 --embedding 256 --tied --dropout 0.4 --input-dropout 0.2 "
    "--batch 64 --epochs 6 --lr 3e-3 --seed 0"
)

# Words that sound alike in common English accents.
ALIKE = """
    ate eight, bare bear, base bass, beach beech, be bee, blew blue, board bored, boy buoy, brake break, buy by bye,
    cell sell, chute shoot, dear deer, dew due, fair fare, feat feet, find fined, flour flower, for four, great grate,
    hair hare, hay hey, hear here, hi high, hoes hose, hole whole, hour our, in inn, its it's, knight night, knot not,
    knows nose, lane lain, led lead, loan lone, made maid, mail male, main mane, maize maze, meat meet, medal metal,
    new knew, no know, one won, pail pale, pain pane, pair pear, passed past, peace piece, peak peek, pedals peddles,
    peer pier, plain plane, pole poll, poor pour, raise rays, read red, right write, road rode, role roll, root route,
    rose rows, sail sale, scene seen, sea see, sew so, sight site, some sum, son sun, stairs stares, steak stake,
    steal steel, sweet suite, tail tale, tea tee, their there, threw through, throne thrown, to too two, toad towed,
    waist waste, wade weighed, wait weight, ware wear where, way weigh, weak week, wine whine, wood would
"""


def sound_alikes() -> dict[str, list[str]]:
    """For each word the words that sound like it."""
    groups = [group.split() for group in " ".join(ALIKE.split()).split(",")]
    return {word: [other for other in group if other != word] for group in groups for word in group}


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/homophones")
    before = machine()
    train, valid = data("multi30k/raw/train.en"), data("multi30k/raw/val.en")
    if not (run / "model.safetensors").exists():
        command = ["train", "text", str(train), "--valid", str(valid), *OPTIONS.split(), "--out", str(run)]
        subprocess.run([sys.executable, "-m", "throughtime", *command], check=True)
    model = TextModel(run)
    split = model.tokenizer
    known = Counter(token for line in _lines(train) for token in split.tokens(split.encode(line)))
    alike = sound_alikes()
    cases: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in _lines(data("multi30k/raw/test_2016_flickr.en")):
        words = split.tokens(split.encode(line))
        for at, word in enumerate(words):
            for other in alike.get(word, []):
                if known[word] and known[other]:
                    false = " ".join([*words[:at], other, *words[at + 1 :]])
                    cases[f"{word}/{other}"].append((" ".join(words), false))
    sentences = sorted({sentence for pairs in cases.values() for pair in pairs for sentence in pair})
    scores = dict(zip(sentences, (score.log_prob for score in model.score(sentences)), strict=True))
    right = {name: [scores[true] > scores[false] for true, false in pairs] for name, pairs in cases.items()}
    every = [hit for hits in right.values() for hit in hits]
    hard = [hit for name, hits in right.items() if min(known[word] for word in name.split("/")) >= 10 for hit in hits]
    points = curve(run)
    result = {
        "command": f"throughtime train text multi30k/raw/train.en --valid multi30k/raw/val.en {OPTIONS}",
        "machine": before,
        "training_seconds": points[-1]["seconds"],
        "validation_perplexity": min(point["perplexity"] for point in points),
        "pairs": len(right),
        "cases": len(every),
        "right": sum(every) / len(every),
        "right_mean_over_pairs": sum(sum(hits) / len(hits) for hits in right.values()) / len(right),
        "cases_both_words_10_times_in_training": len(hard),
        "right_both_words_10_times_in_training": sum(hard) / len(hard),
        "by_pair": {
            name: {
                "right": sum(hits),
                "cases": len(hits),
                "in_training": [known[word] for word in name.split("/")],
            }
            for name, hits in sorted(right.items(), key=lambda item: -len(item[1]))
        },
    }
    print(
        f"{result['right']:.1%} of {len(every)} cases, {len(right)} pairs; recorded in {record('homophones', result)}"
    )


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
