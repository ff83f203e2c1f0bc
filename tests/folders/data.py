"""Data of the recorded folders, made up: each function writes that of a case into a folder."""

from __future__ import annotations

import json
import math
import random
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = {"train": 24, "dev": 6, "test": 6}


def words(draw: random.Random) -> str:
    nouns, verbs = ["cat", "dog", "bird", "child"], ["sat", "ran", "sang"]
    place = f"{draw.choice(['on', 'under', 'near'])} the {draw.choice(['mat', 'tree', 'old house'])}"
    return f"The {draw.choice(nouns)} {draw.choice(verbs)} {place}."


def texts(folder: Path) -> None:
    draw = random.Random(0)
    for name, count in {"train": 40, "other": 4}.items():
        (folder / f"{name}.txt").write_text("".join(f"{words(draw)}\n" for _ in range(count)))


def reviews(folder: Path) -> None:
    draw = random.Random(1)
    for part, count in PARTS.items():
        lines = ["text,label"]
        for _ in range(count):
            label = draw.choice(["good", "poor"])
            word = draw.choice(["lovely", "warm"] if label == "good" else ["dreary", "stale"])
            lines.append(
                f"{draw.choice(['A story', 'The music', 'This film'])} {word} and {draw.randint(1, 9)},{label}"
            )
        lines[2:] = [line.replace(" and ", ": ") for line in lines[2:]]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")


def bracketed(folder: Path) -> None:
    draw, grades = random.Random(2), {"awful": 0, "dull": 1, "long": 2, "fine": 3, "superb": 4}
    for part, count in PARTS.items():
        trees = []
        for number in range(count):
            word, grade = list(grades.items())[number % 5]
            thing = draw.choice(["film", "plot", "cast"])
            trees.append(f"({grade} (2 (2 the) (2 {thing})) ({grade} (2 is) ({grade} {word})))")
        (folder / f"{part}.txt").write_text("\n".join(trees) + "\n")


def headed(folder: Path) -> None:
    draw = random.Random(3)
    for part, count in PARTS.items():
        sentences = []
        for number in range(count):
            word = ["awful", "fine"][number % 2]
            rows = [("the", 2), (draw.choice(["film", "plot"]), 4), ("is", 4), (word, 0)]
            lines = [f"{n}\t{word}\t_\t_\t_\t_\t{head}\t_\t_\t_" for n, (word, head) in enumerate(rows, 1)]
            sentences.append("\n".join([f"# sentiment = {number % 2}", *lines, ""]))
        (folder / f"{part}.conllu").write_text("\n".join(sentences) + "\n")


def tagged(folder: Path) -> None:
    draw, names = random.Random(4), {"per": ["Anna", "Clara Stein", "Dora"], "loc": ["Rome", "New York"]}
    for part, count in PARTS.items():
        text = ""
        for _ in range(count):
            for word in draw.choice(["per went to loc .", "in loc lives per", "nobody was there ."]).split():
                name = draw.choice(names[word]).split() if word in names else [word]
                tags = [f"{'I' if n else 'B'}-{word}" if word in names else "O" for n in range(len(name))]
                text += "".join(f"{one}\t{tag}\n" for one, tag in zip(name, tags, strict=True))
            text += "\n"
        (folder / f"own.{part}.conll").write_text(text)


def aligned(folder: Path) -> None:
    draw, nouns = random.Random(5), {"Hund": "dog", "Katze": "cat", "Kind": "child"}
    verbs, places = {"läuft": "runs", "singt": "sings"}, {"im Haus": "in the house", "am See": "by the lake"}
    for part, count in PARTS.items():
        sides: tuple[list[str], list[str]] = ([], [])
        for _ in range(count):
            (noun, n), (verb, v), (place, p) = (draw.choice(list(pairs.items())) for pairs in (nouns, verbs, places))
            sides[0].append(f"Ein {noun} {place} {verb}.")
            sides[1].append(f"A {n} {v} {p}.")
        for language, side in zip(("de", "en"), sides, strict=True):
            (folder / f"{part}.{language}").write_text("\n".join(side) + "\n", encoding="utf-8")


def dictionary(folder: Path) -> None:
    sounds = {"b": "B", "d": "D", "k": "K", "a": "AA1", "i": "IY1", "o": "OW0"}
    listed = [a + b + c for a in "bdk" for b in "aio" for c in ("", "b", "d", "ka", "do")]
    (folder / "own.dict").write_text("".join(f"{w} {' '.join(sounds[letter] for letter in w)}\n" for w in listed))


def songs(folder: Path) -> None:
    draw, pitch, rate = random.Random(6), {"do": 400, "mi": 800, "so": 1600}, 8000
    for part, count in {"train": 8, "dev": 3, "test": 3}.items():
        (folder / part).mkdir()
        for number in range(count):
            said = draw.choices(list(pitch), k=draw.randint(1, 2))
            sound = [0.0] * 400
            for word in said:
                sound += [0.3 * math.sin(2 * math.pi * pitch[word] * n / rate) for n in range(800)] + [0.0] * 240
            with wave.open(str(folder / part / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, rate, len(sound), "NONE", ""))
                quiet = (round(32767 * (x + draw.gauss(0, 1e-3))) // 8 * 8 for x in sound)
                file.writeframes(b"".join(x.to_bytes(2, "little", signed=True) for x in quiet))
            (folder / part / f"{number}.txt").write_text(" ".join(said) + "\n")


def tunes(folder: Path) -> None:
    draw = random.Random(7)
    for number in range(20):
        notes = "CDEFGABc" if number % 2 else "cBAGFEDC"
        first = draw.randrange(8)
        walk = " ".join((notes * 2)[first : first + 8])
        (folder / f"{'up' if number % 2 else 'down'}{number}.abc").write_text(
            f"X:1\nT:walk\nR:{'up' if number % 2 else 'down'}\nM:4/4\nL:1/8\nQ:1/4=120\nK:C\n{walk}|\n"
        )


def rolls(folder: Path) -> None:
    steps = [[60, 67], [60, 67], [62, 65], [64]] * 3
    parts = {part: [steps[shift:] for shift in range(4)] for part in ("train", "valid", "test")}
    (folder / "round.json").write_text(json.dumps(parts))


def genomes(folder: Path) -> None:
    draw = random.Random(8)
    for part, size in {"train": 4000, "dev": 1500, "test": 1500, "new": 900}.items():
        text, rows = "", []
        while len(text) < size:
            text += "".join(draw.choices("ACGT", k=draw.randint(40, 90)))
            gene = "ATG" + "".join(draw.choices(["GCA", "GAA", "CTG"], k=draw.randint(30, 50))) + "TAA"
            strand = draw.choice("+-")
            rows.append(f"{part}\tmade\tCDS\t{len(text) + 1}\t{len(text) + len(gene)}\t.\t{strand}\t0\tID={len(rows)}")
            text += gene if strand == "+" else gene[::-1].translate(str.maketrans("ACGT", "TGCA"))
        where = folder if part != "new" else folder.parent
        (where / f"{part}.fasta").write_text(f">{part}\n{text}\n")
        if part != "new":
            (folder / f"{part}.gff3").write_text("##gff-version 3\n" + "\n".join(rows) + "\n")


def sites(folder: Path) -> None:
    draw = random.Random(9)
    for part, count in PARTS.items():
        rows = []
        for number in range(count):
            letters, label = draw.choices("ACGT", k=12), ["donor", "none"][number % 2]
            letters[5:7] = "GT" if label == "donor" else "CA"
            rows.append(f">{part}{number}|{label}\n{''.join(letters)}\n")
        (folder / f"{part}.fa").write_text("".join(rows))


def films(folder: Path) -> None:
    import av
    import numpy as np

    draw = random.Random(10)
    for part, count in {"train": 6, "dev": 2, "test": 2}.items():
        for label in ("fall", "rise"):
            (folder / part / label).mkdir(parents=True)
            for number in range(count):
                left = draw.randrange(12)
                # Without loss, so that every decoder finds the same pictures.
                with av.open(str(folder / part / label / f"{number}.mkv"), "w") as container:
                    stream: Any = container.add_stream("ffv1", rate=5)
                    stream.height, stream.width, stream.pix_fmt = 16, 16, "gray"
                    for step in range(draw.randint(5, 7)):
                        picture = np.full((16, 16), 40, np.uint8)
                        top = 2 * step if label == "fall" else 12 - 2 * step
                        picture[top : top + 4, left : left + 4] = 220
                        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
                    container.mux(stream.encode())


def points(folder: Path) -> None:
    draw, lines = random.Random(11), []
    for number in range(40):
        way, begin = 1 - 2 * (number % 2), draw.uniform(0, 6)
        turns = [begin + 0.4 * way * step for step in range(draw.randint(5, 8))]
        places = [f"{value:.3f}" for turn in turns for value in (math.cos(turn), math.sin(turn))]
        lines.append(",".join(["left" if way > 0 else "right", *places]))
    (folder / "circles.csv").write_text("\n".join(lines) + "\n")
    (folder.parent / "new.csv").write_text("\n".join(lines[:2]) + "\n")


def hours(folder: Path) -> None:
    draw, rows = random.Random(12), []
    for hour in range(300):
        wave = math.sin(hour * math.pi / 12)
        cells = [f"{5 * (at + 1) + (2 + at) * wave + draw.gauss(0, 0.5):.3f}" for at in range(3)]
        if hour % 37 == 5:
            cells[hour % 3] = ""
        rows.append(f"2024-03-{1 + hour // 24:02d} {hour % 24:02d}:00,{','.join(cells)}")
    heading = "time,north,south,west"
    (folder / "load.csv").write_text("\n".join([heading, *rows]) + "\n")
    (folder.parent / "new.csv").write_text("\n".join([heading, *rows[:100]]) + "\n")


def shapes(folder: Path) -> None:
    """Two channels, one with holes, up or down."""
    _series(folder, lambda number: ("up" if number % 2 else "down", 1.0 - 2 * (number % 2)), holes=True)


def swings(folder: Path) -> None:
    """How far two channels swing."""
    _series(folder, lambda number: (0.5 + number / 8, 0.5 + number / 8))


def states(folder: Path) -> None:
    """Low or high, step by step."""
    _series(folder, lambda number: (None, 1.0))


def beats(folder: Path) -> None:
    draw = random.Random(5)
    values = [round(math.sin(step / 3) + draw.gauss(0, 0.05), 3) for step in range(160)]
    new = [*values[:40], 3.0, -3.0, *values[40:60]]
    for path, series in ((folder / "beats.jsonl", values), (folder.parent / "new.jsonl", new)):
        path.write_text(json.dumps({"series": series}) + "\n")


def _series(folder: Path, drawn: Callable[[int], tuple[str | float | None, float]], holes: bool = False) -> None:
    draw, lines = random.Random(3), []
    for number in range(30):
        label, size = drawn(number)
        steps = [(size * math.sin(step / 3) + draw.gauss(0, 0.1), draw.gauss(0, 1)) for step in range(8 + number % 5)]
        said = [["low", "high"][one > 0.5] for one, _ in steps] if label is None else label
        series = [
            [round(one, 3), None if holes and (number + step) % 9 == 0 else round(other, 3)]
            for step, (one, other) in enumerate(steps)
        ]
        lines.append(json.dumps({"series": series, "label": said}))
    for part, members in (("train", lines[:20]), ("valid", lines[20:25]), ("test", lines[25:])):
        (folder / f"{part}.jsonl").write_text("\n".join(members) + "\n")
    (folder.parent / "new.jsonl").write_text("\n".join(lines[:2]) + "\n")


def nothing(folder: Path) -> None:
    pass
