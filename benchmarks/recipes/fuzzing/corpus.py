"""Small whole files of every format, the same bytes every time: what is damaged."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

WORDS = (
    "the a old cat dog bird sat ran sang on under near mat tree house good bad very dull fine".split()  # noqa: SIM905
)

ALIKE = {
    **dict.fromkeys((".ptb", ".trees", ".mrg"), ".txt"),
    **dict.fromkeys(
        (".conll2003", ".iob", ".iob1", ".iob2", ".iobes", ".bio", ".tsv", ".annotated", ".train", ".dev", ".test"),
        ".conll",
    ),
    **dict.fromkeys((".testa", ".testb"), ".conll"),
    **dict.fromkeys((".gbk", ".gbff", ".genbank"), ".gb"),
    **dict.fromkeys((".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts"), ".mp4"),
    ".fna": ".fa",
    ".midi": ".mid",
    ".oga": ".ogg",
    ".tab": ".tsv",
    ".ndjson": ".jsonl",
    ".pq": ".parquet",
}
"""Suffixes, and one that the same function reads alike."""

SMALL: dict[str, Any] = {
    "hidden": 4, "layers": 1, "embedding": 4, "batch": 2, "steps": 2, "evaluate_every": 1, "engine": "reference",
    "device": "cpu", "seed": 1,
}  # fmt: skip
"""Settings of the models; those that a task does not have are left out."""


@dataclass(frozen=True)
class Data:
    """Data of a task in one of its formats.

    Attributes:
        task: Its name.
        files: By path below a folder.
        path: What is named to the command; ".": the folder.
        options: Settings.
        targets: Files that are damaged; none named: all.
        model: Name of a model that is trained on it; empty: none is.
        weight: How often it is damaged, beside others.
    """

    task: str
    files: Mapping[str, bytes]
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    targets: Sequence[str] = ()
    model: str = ""
    weight: float = 1.0


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """What a function writes to a file of that name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def sentence(draw: Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(3, 7)))


def lines(count: int, line: Callable[[Random], str], seed: int = 0) -> bytes:
    draw = Random(seed)
    return "".join(f"{line(draw)}\n" for _ in range(count)).encode()


def bracketed(draw: Random) -> str:
    return (
        f"({draw.randrange(3)} ({draw.randrange(3)} {draw.choice(WORDS)}) ({draw.randrange(3)} {draw.choice(WORDS)}))"
    )


def heads(draw: Random) -> str:
    words = draw.choices(WORDS, k=3)
    rows = [f"{n}\t{word}\t_\t_\t_\t_\t{(2, 0, 2)[n - 1]}\t_\t_\tLabel=x" for n, word in enumerate(words, 1)]
    return "\n".join([f"# sentiment = {draw.choice('xyz')}", *rows, ""])


def tagged(draw: Random) -> str:
    tags = ("O", "B-person", "B-place")
    return "".join(f"{word} NN {draw.choice(tags)}\n" for word in draw.choices(WORDS, k=4))


def spans(draw: Random) -> str:
    text = f"{draw.choice(WORDS)} Emma saw {draw.choice(WORDS)}"
    at = text.index("Emma")
    return json.dumps({"text": text, "spans": [[at, at + 4, "person"], {"start": 0, "end": 1, "label": "thing"}]})


def spoken(draw: Random) -> str:
    word = "".join(draw.choices("abo", k=draw.randint(2, 6)))
    return f"{word} {' '.join(word.upper())}1 # {word}"


def labelled_json(draw: Random) -> str:
    return json.dumps(
        {"text": sentence(draw), "label": draw.choice(("good", "bad")), "stars": 3, "more": [1, {"a": 2}]}
    )


def tone(suffix: str, subtype: str | None = None, seconds: float = 0.1) -> bytes:
    import soundfile

    sound = 0.4 * np.sin(2 * np.pi * 440 * np.arange(round(8000 * seconds)) / 8000)
    whole = written(f"a{suffix}", lambda path: soundfile.write(path, sound.astype(np.float32), 8000, subtype))
    return timeless(whole)


def timeless(sound: bytes) -> bytes:
    """Sound without what the library takes from the clock: the time of a wav file's peak, the serial number of ogg."""
    whole = bytearray(sound)
    if (at := whole.find(b"PEAK")) > 0:
        whole[at + 12 : at + 16] = bytes(4)
    at = 0
    while whole[at : at + 4] == b"OggS":
        size = 27 + whole[at + 26] + sum(whole[at + 27 : at + 27 + whole[at + 26]])
        whole[at + 14 : at + 18] = bytes(4)
        whole[at + 22 : at + 26] = bytes(4)
        whole[at + 22 : at + 26] = checksum(bytes(whole[at : at + size])).to_bytes(4, "little")
        at += size
    return bytes(whole)


def checksum(page: bytes) -> int:
    """Of a page of ogg."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


def midi() -> bytes:
    from throughtime.data.music.midi import write_midi
    from throughtime.runtime.music.tunes import Tune

    return written("a.mid", lambda path: write_midi(path, Tune(((0, 4, 60), (4, 4, 64), (8, 8, 67)), 16), 4))


def matlab() -> bytes:
    from scipy.io import savemat

    random = np.random.default_rng(0)
    cells = {}
    for name in ("traindata", "validdata", "testdata"):
        cells[name] = np.empty((1, 2), dtype=object)
        for number in range(2):
            cells[name][0, number] = (random.random((6, 88)) < 0.1).astype(np.uint8)
    whole = bytearray(written("a.mat", lambda path: savemat(path, cells)))
    whole[:116] = b"MATLAB 5.0 MAT-file".ljust(116)  # the head holds the time of writing
    return bytes(whole)


def genbank(letters: str) -> bytes:
    from Bio import SeqFeature as Features
    from Bio import SeqIO
    from Bio.Seq import Seq
    from Bio.SeqRecord import SeqRecord

    bio: Any = Features  # without types
    places = [
        bio.SimpleLocation(10, 70, 1),
        bio.SimpleLocation(100, 160, -1),
        bio.CompoundLocation([bio.SimpleLocation(200, 230, 1), bio.SimpleLocation(240, 270, 1)]),
    ]
    features = [bio.SeqFeature(place, type="CDS", qualifiers={"codon_start": "1"}) for place in places]
    record = SeqRecord(Seq(letters), id="one.1", name="one", annotations={"molecule_type": "DNA"}, features=features)
    return written("a.gb", lambda path: SeqIO.write(record, path, "genbank"))


def film(way: int, kind: str = "mp4") -> bytes:
    import av
    from av.video.stream import VideoStream

    made = io.BytesIO()
    codec, colours = {"mp4": ("mpeg4", "yuv420p"), "gif": ("gif", "rgb8")}[kind]
    with av.open(made, "w", format=kind, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.height = stream.width = 32
        stream.pix_fmt, stream.thread_count = colours, 1
        for number in range(6):
            frame = np.zeros((32, 32), np.uint8)
            frame[:, (8 + way * number) % 32] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
        container.mux(stream.encode())
    return made.getvalue()


TUNES = "".join(
    f"X:{number}\nT:Tune\nR:{kind}\nM:6/8\nL:1/8\nQ:1/4=120\nK:{key}\n|:{notes}:|[1 d3 z3:|[2 [CEG]6|]\n\n"
    for number, kind, key, notes in (
        (1, "jig", "D", "dcd AFA|(3def g2 a>b"),
        (2, "reel", "Am", "A,2 C/2D/2 ^F =f|{g}e2 !trill!c2"),
    )
).encode()


def texts() -> list[Data]:
    pairs = lines(14, lambda draw: f"{sentence(draw)}\t{sentence(draw).upper()}")
    rows = lines(14, lambda draw: f'"{sentence(draw)}, so",{draw.choice(("good", "bad"))}')
    vectors = "".join(f"{word} 0.1 -0.2 {number}e-3 1\n" for number, word in enumerate(WORDS)).encode()
    folders = {
        f"{label}/{n}.txt": lines(1, sentence, n + 10 * len(label)) for label in ("good", "bad") for n in range(4)
    }
    text = lines(12, sentence)
    spelt = {"letter": 4, "spelled": 4}
    return [
        Data("text", {"a.txt": text}, "a.txt", {"bptt": 5}, model="characters"),
        Data(
            "text",
            {"a/1.txt": text, "a/2.txt": lines(9, sentence, 1)},
            "a",
            {"unit": "bytepairs", "max_vocab": 260},
            model="bytepairs",
        ),
        Data("text", {"a.txt": text}, "a.txt", {"unit": "words", "sentences": True}, model="words"),
        *(Data("text", {name: content}, name, {"bptt": 5, "workers": 1}) for name, content in shards(text).items()),
        Data("sentiment", {"a.csv": b"text,label\n" + rows}, "a.csv", model="classes", weight=9),
        Data("sentiment", {"a.tsv": rows.replace(b",", b"\t")}, "a.tsv", weight=9),
        Data("sentiment", {"a.jsonl": lines(14, labelled_json)}, "a.jsonl", weight=9),
        Data("sentiment", folders, "."),
        Data("sentiment", {"a.csv": rows, "a.vec": vectors}, "a.csv", {"vectors": "a.vec"}, ["a.vec"], weight=4),
        Data("sentiment-trees", {"a.txt": lines(14, bracketed)}, "a.txt", model="brackets", weight=9),
        Data("sentiment-trees", {"a.conllu": lines(12, heads)}, "a.conllu", {"cell": "child-sum"}, weight=9),
        Data("entities", {"a.conll": lines(12, tagged)}, "a.conll", spelt, model="tags", weight=9),
        Data("entities", {"a.jsonl": lines(12, spans)}, "a.jsonl", spelt, weight=9),
        Data("translation", {"a.tsv": pairs}, "a.tsv", model="bytepairs"),
        Data("translation", {"train.de": text, "train.en": text.upper()}, ".", {"unit": "words"}, weight=4),
        Data(
            "pronunciation",
            {"a.dict": lines(24, spoken)},
            "a.dict",
            model="sounds",
            weight=9,
        ),
    ]


def shards(text: bytes) -> dict[str, bytes]:
    """A text in all the ways that shards are packed."""
    import pyarrow
    import pyarrow.parquet
    import zstandard

    rows = text.decode().splitlines()
    table = pyarrow.table({"id": list(range(len(rows))), "text": rows})
    return {
        "a.txt.gz": gzip.compress(text, mtime=0),
        "a.jsonl.zst": zstandard.compress("".join(json.dumps({"text": row}) + "\n" for row in rows).encode()),
        "a.jsonl": "".join(json.dumps({"text": row, "id": 3}) + "\n" for row in rows).encode(),
        "a.parquet": written("a.parquet", lambda path: pyarrow.parquet.write_table(table, path)),
    }


def archive(members: Mapping[str, bytes]) -> bytes:
    """Files in a tar archive, those of a key side by side."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as opened:
        for name, content in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return found.getvalue()


def signals() -> list[Data]:
    sounds = {
        "0.wav": tone(".wav"), "1.wav": tone(".wav", "FLOAT"), "2.wav": tone(".wav", "PCM_24"),
        "3.wav": tone(".wav", "ULAW"),
        "4.flac": tone(".flac"), "5.wav": tone(".wav", "IMA_ADPCM"), "6.mp3": tone(".mp3"), "7.ogg": tone(".ogg"),
    }  # fmt: skip
    said = {
        f"{name[0]}.txt": f"{word}\n".encode()
        for name, word in zip(sounds, ["no", "go", "on", "so", "do", "to", "oh", "ho"], strict=True)
    }
    manifest = "path,transcript\n" + "".join(f"{name},{said[f'{name[0]}.txt'].decode()}" for name in sounds)
    small = {"mels": 4, "frames": 1, "speed": 0.0}
    chorales = {part: [[[60, 64], [62, -1], []], [[60, 67], [60.0, 67]]] for part in ("train", "valid", "test")}
    draw = np.random.default_rng(0)
    points = "".join(
        f"{'left' if n % 2 else 'right'},{','.join(f'{x:.3f}' for x in draw.random(12) * (1 + n % 2))}\n"
        for n in range(12)
    )
    steps = "clip\tframe\tlabel\tx\ty\n" + "".join(
        f"c{n}\t{t}\t{'ab'[n % 2]}\t{draw.random():.3f}\t{t}\n" for n in range(12) for t in range(4)
    )
    clips = {f"{way}/{n}.mp4": film(1 if way == "left" else -1) for way in ("left", "right") for n in range(5)}
    clips |= {f"{way}/5.gif": film(1 if way == "left" else -1, "gif") for way in ("left", "right")}
    films = {"size": 16, "features": 4}
    packed = {name.replace("/", ""): content for name, content in clips.items()}
    packed |= {f"{Path(name).stem}.cls": name.rstrip("0123456789.mpgif").encode() for name in packed}
    kaldi = {
        "a/wav.scp": "".join(f"r{name[0]} ../{name}\n" for name in sounds).encode(),
        "a/segments": "".join(f"u{name[0]} r{name[0]} 0.01 -1\n" for name in sounds).encode(),
        "a/text": "".join(f"u{name[0]} {said[f'{name[0]}.txt'].decode()}" for name in sounds).encode(),
    }
    return [
        Data("speech", {"a.csv": manifest.encode(), **sounds}, "a.csv", small, ["a.csv"], "heard"),
        Data("speech", {**sounds, **said}, ".", small),
        Data("speech", {**sounds, **kaldi}, "a", small, [*kaldi], "utterances"),
        Data("speech", {"a.tar": archive({**sounds, **said})}, "a.tar", small),
        Data("music", {"0.mid": midi(), "valid/1.mid": midi()}, ".", {}, ["0.mid"], "events", weight=9),
        Data("music", {"a.abc": TUNES, "valid/1.mid": midi()}, ".", targets=["a.abc"]),
        Data("music", {"a.mat": matlab()}, "a.mat", weight=2),
        Data("music", {"a.json": json.dumps(chorales).encode()}, "a.json", model="keys", weight=9),
        Data("video", clips, ".", films, ["left/0.mp4", "left/5.gif"], "frames"),
        Data("video", {"a.tar": archive(packed)}, "a.tar", films),
        Data("video", {"a.csv": points.encode()}, "a.csv", model="points", weight=9),
        Data("video", {"a.tsv": steps.encode()}, "a.tsv", weight=9),
        *series(draw),
    ]


def series(draw: np.random.Generator) -> list[Data]:
    rows = [(f"{'up' if n % 2 else 'down'}", draw.random(8).round(3).tolist()) for n in range(12)]
    cells = "".join(f"{','.join(map(str, values))},{label}\n" for label, values in rows)
    head = "# made\n@problemName made\n@timeStamps {}\n@univariate {}\n@classLabel true up down\n@data\n"
    two = "".join(f"{str(v[:4])[1:-1]}:?, {str(v[5:])[1:-1]}:{label}\n" for label, v in rows)
    timed = "".join(f"{','.join(f'({t},{x})' for t, x in enumerate(values))}:{label}\n" for label, values in rows)
    steps = "series\ttime\tx\ty\tlabel\n" + "".join(
        f"s{n}\t2024-01-01T00:00:{t:02}\t{x}\t{t}\t{'ab'[t % 2]}\n"
        for n, (_, v) in enumerate(rows)
        for t, x in enumerate(v)
    )
    listed = "".join(json.dumps({"series": [[x] for x in v], "label": v[0]}) + "\n" for _, v in rows)
    few = {"features": 4}
    return [
        Data("series", {"a.csv": cells.encode()}, "a.csv", few, model="classes", weight=4),
        Data("series", {"a.ts": (head.format("false", "false") + two).encode()}, ".", few, weight=4),
        Data("series", {"b.ts": (head.format("true", "true") + timed).encode()}, "b.ts", few, weight=4),
        Data("series", {"a.tsv": steps.encode()}, "a.tsv", few, model="labels", weight=4),
        Data("series", {"a.jsonl": listed.encode()}, "a.jsonl", {**few, "target": "number"}, model="numbers", weight=4),
    ]


def genomes() -> list[Data]:
    draw = Random(0)
    letters = "".join(draw.choices("ACGT", k=1200))
    fasta = (">one all\n" + "".join(letters[at : at + 60] + "\n" for at in range(0, len(letters), 60))).encode()
    gff = "##gff-version 3\n" + "".join(
        f"one\tx\tCDS\t{at + 1}\t{at + 60}\t.\t{'+-'[at % 200 // 100]}\t0\tID=cds{at}\n" for at in range(0, 1100, 100)
    )
    bed = "".join(f"one\t{at}\t{at + 60}\tcds\t0\t{'+-'[at % 200 // 100]}\n" for at in range(0, 1000, 100))
    bed += "one\t1000\t1100\tcds\t0\t+\t1000\t1100\t0\t2\t30,30,\t0,60,\n"
    pieces = [(draw.choice("NEI"), "".join(draw.choices("ACGTN", k=12))) for _ in range(14)]
    labelled = "".join(f">s{n} {label}\n{piece}\n" for n, (label, piece) in enumerate(pieces))
    rows = "".join(f"{label}, s{n}, {piece}\n" for n, (label, piece) in enumerate(pieces))
    table = "label,text\n" + "".join(f"{label},{piece}\n" for label, piece in pieces)
    short = {"stretch": 60}
    return [
        Data("dna", {"a.gb": genbank(letters)}, "a.gb", short, model="regions"),
        Data("dna", {"a.fasta": fasta, "a.gff3": gff.encode()}, "a.fasta", short),
        Data("dna", {"a.gff3": gff.encode() + b"##FASTA\n" + fasta}, ".", short),
        Data("dna", {"a.fa": fasta, "a.bed": bed.encode()}, "a.fa", short),
        Data("dna", {"a.fasta": labelled.encode()}, "a.fasta", model="classes", weight=9),
        Data("dna", {"a.data": rows.encode()}, "a.data", weight=9),
        Data("dna", {"a.csv": table.encode()}, "a.csv", weight=9),
    ]


def numbers() -> list[Data]:
    draw = Random(0)
    series = [[round(n * 7 % 12 + draw.random(), 3) for n in range(60)] for _ in range(3)]
    times = [f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00" for n in range(60)]
    wide = "time,a,b,c\n" + "".join(f"{t},{x},{y},{z}\n" for t, x, y, z in zip(times, *series, strict=True))
    long = "id\ttime\tvalue\theat\n" + "".join(
        f"s{at}\t{time}\t{value}\t{value + 1}\n"
        for at, values in enumerate(series)
        for time, value in zip(times, values, strict=True)
    )
    lists = "".join(json.dumps({"item_id": f"s{at}", "target": values}) + "\n" for at, values in enumerate(series))
    tsf = "@relation a\n@attribute series_name string\n@frequency hourly\n@missing true\n@data\n" + "".join(
        f"s{at}:{','.join(map(str, values))},?\n" for at, values in enumerate(series)
    )
    arrays = io.BytesIO()
    np.savez(arrays, a=np.array(series[0]), b=np.array(series[1]))
    small = {"horizon": 4, "width": 4, "windows": 1}
    return [
        Data("forecast", {"a.csv": wide.encode()}, "a.csv", small, model="quantiles", weight=4),
        Data("forecast", {"a.tsv": long.encode()}, "a.tsv", small | {"past": "heat"}, weight=4),
        Data("forecast", {"a.jsonl": lists.encode()}, "a.jsonl", small, weight=4),
        Data("forecast", {"a.tsf": tsf.encode()}, "a.tsf", small, weight=4),
        Data("forecast", {"a.npz": arrays.getvalue()}, "a.npz", small, weight=4),
        Data("forecast", {"a.npy": written("a.npy", lambda path: np.save(path, np.array(series[0])))}, "a.npy", small),
        Data("forecast", {"a.parquet": written("a.parquet", lambda path: parquet(path, series))}, "a.parquet", small),
    ]


def parquet(path: Path, series: Sequence[Sequence[float]]) -> None:
    from pyarrow import parquet as pq
    from pyarrow import table

    pq.write_table(table({f"s{at}": values for at, values in enumerate(series)}), path)


def all_data() -> list[Data]:
    """Every task's data, in every format."""
    return [*texts(), *signals(), *genomes(), *numbers()]
