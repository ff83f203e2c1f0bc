"""Files of strangers: each is read, or refused in one line that names it; nothing hangs, nothing is left running."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forked import Forked, execute
from throughtime.data.dna.genomes import read_genome
from throughtime.data.dna.intervals import read_intervals
from throughtime.data.dna.sequences import KINDS, read_sequences
from throughtime.data.music import abc, matlab
from throughtime.data.music.abc import abc_to_midi, abc_tunes
from throughtime.data.music.midi import MIDI, read_midi
from throughtime.data.music.rolls import read_rolls
from throughtime.data.parts import check_there
from throughtime.data.speech.audio import SUFFIXES as SOUND
from throughtime.data.speech.audio import Audio, audio_info
from throughtime.data.speech.recordings import read_recordings
from throughtime.data.text.aligned import read_aligned
from throughtime.data.text.columns import read_columns, read_spans
from throughtime.data.text.files import open_texts
from throughtime.data.text.labelled import read_labelled
from throughtime.data.text.vectors import read_vectors
from throughtime.data.trees.treebank import read_brackets, read_heads
from throughtime.data.trees.trees import Tree, binarised, to_brackets
from throughtime.data.video.keypoints import read_points
from throughtime.errors import UserError
from throughtime.runtime.dna.genbank import GENBANK
from throughtime.runtime.reading.files import read_file
from throughtime.runtime.video.films import SUFFIXES as VIDEO
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.look import Look

for library in ("symusic", "soundfile", "soxr", "Bio", "av", "scipy.io"):
    pytest.importorskip(library)

Reader = Callable[[Path], Any]


def sound(path: Path) -> None:
    audio_info(path)
    for block in Audio(path).blocks(8000):
        assert np.isfinite(block).all()


def eager(read: Callable[..., Iterable[Any]], *given: Any) -> Reader:
    return lambda path: list(read(path, *given))


READERS: dict[str, Reader] = {
    **dict.fromkeys(SOUND, sound),
    **dict.fromkeys(VIDEO, lambda path: list(Video(path, Look(8, 5.0)))),
    **dict.fromkeys(MIDI, lambda path: read_midi(path, 4)),
    **dict.fromkeys((".mat", ".json"), read_rolls),
    **dict.fromkeys(GENBANK, eager(read_genome)),
    **dict.fromkeys(KINDS, eager(read_sequences)),
    ".abc": abc_tunes,
    ".gff3": read_intervals,
    ".bed": read_intervals,
    ".txt": eager(read_file),
    ".conll": eager(read_columns),
    ".spans": eager(read_spans),
    ".points": eager(read_points, 2),
    ".tree": eager(read_brackets),
    ".conllu": eager(read_heads),
    ".vec": read_vectors,
    ".labels.csv": eager(read_labelled),
    ".labels.jsonl": eager(read_labelled),
    ".aligned.tsv": lambda path: list(read_aligned([path], None, None)),
    ".manifest.csv": lambda path: read_recordings([path]),
}


@pytest.mark.parametrize("suffix", READERS)
def test_pipes_devices_folders_and_broken_links_are_refused_at_once(tmp_path: Path, suffix: str) -> None:
    made = {name: tmp_path / f"{name}{suffix}" for name in ("pipe", "device", "missing", "loop")}
    os.mkfifo(made["pipe"])
    made["device"].symlink_to("/dev/zero")
    made["missing"].symlink_to(tmp_path / "nowhere")
    made["loop"].symlink_to(made["loop"])
    for path in made.values():
        with pytest.raises(UserError, match=f"{path.name}"):
            READERS[suffix](path)
        with pytest.raises(UserError, match=f"{path.name}"):
            check_there(path)
        with pytest.raises(UserError, match=f"{path.name}"):
            open_texts([path])


def refused(path: Path, content: bytes | str, said: str) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    suffix = max((suffix for suffix in READERS if path.name.endswith(suffix)), key=len)
    with pytest.raises(UserError) as caught:
        READERS[suffix](path)
    assert path.name in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


RECORD = """LOCUS       ab 30 bp    DNA     linear   BCT 01-JAN-2000
DEFINITION  x.
FEATURES             Location/Qualifiers
     CDS             complement(join(1..6,8..>15))
                     /codon_start=2
     CDS             20..25
ORIGIN
        1 acgtacgtac gtacgtacgt acgtacgtac
//
"""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", '{"train": [[[NaN]]]}', "NaN is no number"),
        ("a.json", '{"train": [[[Infinity]]]}', "Infinity is no number"),
        ("a.json", '{"train": [[[1e999]]]}', "1e999 is no number"),
        ("a.json", '{"train": 5}', "train: expected a list of tunes, got int"),
        ("a.json", '{"train": {"a": 1}}', "train: expected a list of tunes, got dict"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.labels.jsonl", '{"text": "\\ud800", "label": "x"}', ":1: expected JSON, which this is not"),
        ("a.labels.jsonl", '{"text": "a", "label": ' + "[" * 9999, "nested too deeply"),
        ("a.labels.jsonl", '{"text": "a", "label": ' + "9" * 5000 + "}", "5,000 digits"),
        ("a.spans", '{"text": "\\udc01", "spans": []}', ":1: expected JSON, which this is not"),
        ("a.gb", RECORD.replace("start=2", "start=x"), "record ab: expected the codon_start of a CDS to be 1, 2 or 3"),
        ("a.gb", RECORD.replace("start=2", "start=9"), "got '9'"),
        ("a.gb", RECORD.replace("DNA ", "DN1 "), "expected GenBank, got a broken record"),
        ("a.gff3", "chr\tx\tCDS\t" + "9" * 5000 + "\t9\t.\t+\t0\t\n", ":1: expected a number"),
        ("a.vec", "a 1 NaN\n", ":1: expected 2 numbers after 'a', got NaN or infinity"),
        ("a.vec", "a 1 1e39\n", "NaN or infinity"),
        ("a.vec", "5 ²\n", ":1: "),
        ("a.vec", "5 " + "9" * 5000 + "\n", ":1: "),
        ("a.points", "wave,1,1e300\n", ":1: expected a number in column 3, got '1e300'"),
        ("a.manifest.csv", f"path,text\n{'x' * 5000}.wav,hello\n", ":2: expected the recording"),
        ("a.manifest.csv", 'path,text\n"a\nb.wav",hello\n', ":3: expected the recording"),
        ("a.tree", "(" * 100_000, ":1: unbalanced brackets: 100000 left open"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    refused(tmp_path / name, content, said)


def wav(kind: int, bits: int, data: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * frame % 2**32, frame, bits)
    parts = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38])
def test_samples_that_are_no_numbers_are_named(tmp_path: Path, value: float) -> None:
    samples = np.zeros(8000, np.float32)
    samples[4000] = value
    refused(tmp_path / "a.wav", wav(3, 32, samples.tobytes()), "expected samples within [-1, 1], got one at 0.50 s")


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (1, 1), (2**31 - 1, 1), (2**31, 1), (8000, 0), (8000, 1000)])
def test_rates_and_channels_have_bounds(tmp_path: Path, rate: int, channels: int) -> None:
    refused(tmp_path / "a.wav", wav(1, 16, b"\0" * 4000, rate, channels), "expected ")


def rolls(compress: bool) -> bytes:
    from scipy import io as scipy_io

    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = np.zeros((3, 88), np.uint8), np.eye(88)
    made = io.BytesIO()
    scipy_io.savemat(made, {"traindata": cell, "testdata": cell}, do_compression=compress)
    return made.getvalue()


def test_a_matlab_file_cannot_take_more_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "INFLATED", 1 << 20)
    bomb = zlib.compress(b"\0" * (2 << 20))
    refused(
        tmp_path / "a.mat", rolls(True)[:128] + struct.pack("<2I", 15, len(bomb)) + bomb, "more than 1,048,576 bytes"
    )
    plain = bytearray(rolls(False))
    at = plain.index(struct.pack("<4I", 5, 8, 1, 2))  # the sizes of the first cell
    plain[at + 8 : at + 16] = struct.pack("<2I", 2**31 - 1, 2**31 - 1)
    refused(tmp_path / "b.mat", bytes(plain), "holds 2")


TUNE = "X:1\nT:Opus 12345678\nM:4/4\nL:1/8\nK:D\nDEFG|\n"


@pytest.mark.parametrize("line", ["M:4294967295/8", "L:1/99999999", "Z99999999|", "P:(A2000000000)"])
def test_numbers_that_would_keep_the_program_busy_are_refused_before_it_runs(line: str) -> None:
    with pytest.raises(UserError, match="a:1: expected a tune in ABC, whose numbers have at most 6 digits"):
        abc_to_midi("a:1", TUNE.replace("M:4/4", line), Path("nowhere"))


def endless(folder: Path) -> Path:
    program = folder / "endless"
    program.write_text("#!/bin/sh\nwhile :; do :; done\n")
    program.chmod(0o755)
    return program


def test_a_tune_that_takes_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc, "SECONDS", 0.1)
    monkeypatch.setattr(abc, "_limit", lambda pid: None)
    with pytest.raises(UserError, match=r"a:1: expected a tune in ABC, .*nothing can play it"):
        abc_to_midi("a:1", TUNE, endless(tmp_path))


OUTLIVED = """
from pathlib import Path
from throughtime.data.music import abc

abc.SECONDS = 1
limit = abc._limit

def told(pid):
    limit(pid)
    print(pid, flush=True)

abc._limit = told
abc.abc_to_midi("a", {tune!r}, Path({program!r}))
"""


def test_the_program_does_not_outlive_a_killed_parent(tmp_path: Path, forked: Callable[..., Forked]) -> None:
    parent = forked(execute, OUTLIVED.format(tune=TUNE, program=str(endless(tmp_path))))
    child = int(parent.line())
    parent.process.kill()
    for _ in range(200):
        if not running(child):
            return
        time.sleep(0.1)
    raise AssertionError("the program still runs")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_tune_reads_no_other_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("CDEFGABc|")
    program = tmp_path / "copies"
    program.write_text("#!/bin/sh\ncp tune.abc tune.mid\n")
    program.chmod(0o755)
    played = abc_to_midi("a", TUNE + f"%%abc-include {other}\n % % ABC-Include {other}\nG|\n", program)
    assert b"include" not in played.lower()
    assert played.startswith(TUNE.encode())
    assert played.endswith(b"G|\n")


def test_a_node_with_many_children_takes_a_moment() -> None:
    count = 50_000
    tree = Tree(["a"] * count + [""], [""] * (count + 1), [count] * count + [-1])
    begin = time.process_time()
    assert len(binarised(tree)) == 2 * count - 1
    assert time.process_time() - begin < 5
    assert to_brackets(binarised(Tree(["a", "b", "c", ""], ["1", "2", "3", "4"], [3, 3, 3, -1]))) == (
        "(4 (1 a) (_ (2 b) (3 c)))"
    )


def samples(folder: Path) -> Iterator[tuple[str, bytes]]:
    """A good file of each kind that is mutated."""
    import av
    import soundfile

    from throughtime.data.music.midi import write_midi
    from throughtime.runtime.music.tunes import Tune

    write_midi(folder / "s.mid", Tune.of([(i, 2, 60 + i) for i in range(6)]), 4)
    yield ".mid", (folder / "s.mid").read_bytes()
    wave = 0.5 * np.sin(np.arange(1000) / 10)
    for suffix, kind in ((".wav", "FLOAT"), (".wav", "PCM_16"), (".flac", None), (".ogg", None), (".mp3", None)):
        soundfile.write(folder / f"s{suffix}", wave, 8000, subtype=kind)
        yield suffix, (folder / f"s{suffix}").read_bytes()
    for suffix, codec in ((".mp4", "mpeg4"), (".mkv", "mpeg4")):
        with av.open(str(folder / f"s{suffix}"), "w") as container:
            container.metadata["title"] = "a title of some length"
            stream: Any = container.add_stream(codec, rate=25)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            for number in range(5):
                picture = np.full((32, 32, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        yield suffix, (folder / f"s{suffix}").read_bytes()
    yield ".mat", rolls(True)
    yield ".mat", rolls(False)[:3000]
    yield ".json", json.dumps({"train": [[[60, 64], [-1]]], "test": [[[60.0]]]}).encode()
    yield ".gb", RECORD.encode()
    yield ".gff3", b"chr1\tx\tCDS\t1\t9\t.\t+\t0\tID=a\nchr1\tx\tCDS\t4\t12\t.\t-\t.\t\n"
    yield ".bed", b"chr1\t2\t12\tn\t5\t-\t2\t12\t0\t2\t3,4\t0,6\n"
    yield ".fa", b">a l\nACGTNNRY\n>b|k\nAC GT\n"
    yield ".conll", b"Ann\tB-per\nlives\tO\n\nBo\tS-per\n"
    yield ".spans", b'{"text": "ann lives", "spans": [[0, 3, "per"]]}\n'
    yield ".points", b"clip,frame,label,x1,y1\na,0,w,1,2\na,1,w,2,3\n"
    yield ".tree", b"(3 (2 very) (4 good))\n(1 (0 (2 a) (2 b) (2 c)) (2 -LRB-))\n"
    yield ".conllu", b"1\tDogs\t_\t_\t_\t_\t2\tn\t_\tLabel=a\n2\tbark\t_\t_\t_\t_\t0\tr\t_\t_\n"
    yield ".vec", b"2 3\na 1 2 3\nb 4 5 6\n"
    yield ".labels.csv", b'text,label\n"a, ""b""",x\nc,y\n'
    yield ".labels.jsonl", b'{"text": "abc", "label": "x", "m": [1, {"a": null}]}\n'
    yield ".aligned.tsv", b"ein Haus\ta house\n"
    yield ".abc", TUNE.encode()


ODD = [
    b"\0",
    b"\r",
    b"\n",
    b"\xff",
    b"\xed\xa0\x80",
    b"NaN",
    b"1e999",
    b"9" * 50,
    b"9" * 5000,
    b"-1",
    b"(",
    b"((((",
    b"[",
]
ODD += [
    b'"',
    b"\t",
    b",",
    b"..",
    b"^",
    b"join(",
    b"\xc2\xb2",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
]


def mutated(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(min(len(changed), 600) + 1)
        kind = draw.random()
        if kind < 0.5:
            odd = draw.choice(ODD)
            changed[at : at + draw.choice([0, len(odd)])] = odd
        elif kind < 0.8 and at < len(changed):
            changed[at] = draw.randrange(256)
        elif kind < 0.9:
            del changed[at : at + draw.randrange(1, 12)]
        else:
            del changed[max(1, at) :]
    return bytes(changed)


@pytest.mark.filterwarnings("default")
def test_damaged_files_are_read_or_named(tmp_path: Path) -> None:
    draw, refusals = random.Random(0), 0
    for suffix, content in samples(tmp_path):
        path = tmp_path / f"x{suffix}"
        for _ in range(60):
            path.write_bytes(mutated(content, draw))
            if (said := complaint(suffix, path)) is not None:
                refusals += 1
                assert path.name in said
                assert "\n" not in said
    assert refusals > 300


def complaint(suffix: str, path: Path) -> str | None:
    try:
        READERS[suffix](path)
    except UserError as error:
        return str(error)
    return None
