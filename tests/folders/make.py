"""Makes the recorded model folders: of every task a small one as the command line makes it, and what is said of it.

    python tests/folders/make.py [NAME...]

writes ``NAME.tar.xz`` beside this file for each case that has none yet, or for those named. A recorded folder stays as
it is for as long as its form has to load; a new form is a new case, under a new name. What an archive holds::

    data/         what was trained on, and what predictions are asked for
    run/          a run that SIGTERM stopped half-way: weights to use, and a checkpoint to go on from
    record.json   the commands, and what each of them gave: of that run, and of one that nothing stopped

Commands name files relative to the folder that the archive is unpacked into; where a file holds that folder's own
path, the archive has ``{here}``. ``tests/test_recorded_folders.py`` runs the commands again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from recording import SUFFIX, call, history, pack, said

from data import (
    aligned,
    beats,
    bracketed,
    dictionary,
    films,
    genomes,
    headed,
    hours,
    nothing,
    points,
    reviews,
    rolls,
    shapes,
    sites,
    songs,
    states,
    swings,
    tagged,
    texts,
    tunes,
)

HERE = Path(__file__).parent
STEPS, STOPPED_AT = 20, 10
PLAN = f"--device cpu --seed 7 --steps {STEPS} --evaluate-every 5 --hidden 6 --dropout 0.1 --lr 0.01"


@dataclass(frozen=True)
class Case:
    """A recorded folder.

    Attributes:
        task: What is trained.
        write: Writes ``data/`` into a folder.
        options: Of training, ``PATHS`` among them.
        asked: Commands that read ``run/``.
    """

    task: str
    write: Callable[[Path], None]
    options: str
    asked: tuple[str, ...]


JUDGED = "evaluate run --json"
SCORED = "score run --line 'The cat sat.' --line 'A zebra' --line '' --json"
DRAWN = "sample run --seed 3 --length 40 --json"
LINES = "predict run --line 'This film: lovely' --line '' --json"
GERMAN = "predict run --line 'Ein Hund am See singt.' --line 'Zebras!' --line '' --json"
LETTERS = "--letter 4 --spelled 4"
TEXT = (JUDGED, SCORED, DRAWN)
MASKS = "--mels 10 --time-width 5 --band-width 3"
MADE = "--examples 200 --held-out 20"

CASES = {
    "text": Case("text", texts, "data --batch 4 --bptt 20", TEXT),
    "text-words": Case("text", texts, "data --unit words --sentences --max-vocab 18 --cell gru --adaptive", TEXT),
    "text-bytepairs": Case(
        "text",
        texts,
        "data --unit bytepairs --max-vocab 280 --cell lstm-layernorm --tied --batch 4 --bptt 10 --embedding 6",
        TEXT,
    ),
    "sentiment": Case("sentiment", reviews, "data --min-count 1", (JUDGED, f"{LINES} --explain")),
    "sentiment-spelling": Case(
        "sentiment",
        reviews,
        f"data --spelling cnn {LETTERS} --shapes --cell gru-full --pooling attention --weight-drop 0.2",
        (JUDGED, f"{LINES} --nbest 2"),
    ),
    "sentiment-trees": Case(
        "sentiment-trees", bracketed, "data", (JUDGED, "predict run --line '(2 (2 film) (3 fine))' --json")
    ),
    "sentiment-trees-heads": Case("sentiment-trees", headed, "data --cell child-sum", (JUDGED,)),
    "entities": Case(
        "entities",
        tagged,
        f"data {LETTERS} --cell lstm-peephole",
        (JUDGED, "predict run --line 'Clara Stein went to Oslo .' --line '' --nbest 2 --json"),
    ),
    "translation": Case(
        "translation",
        aligned,
        "data --vocab 280",
        (JUDGED, f"{GERMAN} --explain", f"{GERMAN} --nbest 2 --beam 3"),
    ),
    "translation-words": Case(
        "translation",
        aligned,
        "data --unit words --no-tied --attention dot --decoder-hidden 12 --cell rnn",
        (JUDGED, GERMAN),
    ),
    "pronunciation": Case(
        "pronunciation",
        dictionary,
        "data --stress --held-out 0.1 --cell gru-simplified --attention additive --coverage 0.1 --input-feeding",
        (JUDGED, "predict run --line bokad --line '' --nbest 2 --beam 3 --json"),
    ),
    "speech": Case(
        "speech",
        songs,
        f"data {MASKS} --layers 1 --cell lstm-coupled",
        (JUDGED, "predict run data/test/0.wav --explain --json"),
    ),
    "speech-words": Case(
        "speech",
        songs,
        f"data {MASKS} --unit words --no-bidirectional --speed 0 --cell lstm-projected --cell-option proj_size=4",
        (JUDGED, "predict run data/test/0.wav --json", "predict run data/test/1.wav --stream --json"),
    ),
    "music": Case(
        "music",
        tunes,
        "data --transpose 2",
        (JUDGED, "predict run data/up1.abc --nbest 3 --json", f"{DRAWN} --prompt 'up C4'"),
    ),
    "music-keys": Case(
        "music",
        rolls,
        "data --steps-per-beat 1 --cell rnn-relu",
        (JUDGED, "predict run data/round.json --json", f"{DRAWN} --prompt 'C4+G4 D4'"),
    ),
    "dna": Case(
        "dna",
        genomes,
        "data --stretch 300",
        (JUDGED, "predict run new.fasta --json", "predict run --line ACGTTTGACATGGCATAA --line '' --json"),
    ),
    "dna-classes": Case(
        "dna",
        sites,
        "data --layers 1 --pooling mean --cell gru",
        (JUDGED, "predict run --line CCCCCGTCCCCC --nbest 2 --json"),
    ),
    # A large model: its archive is small where there are no moments of Adam, and the last weights are the best.
    "video": Case(
        "video",
        films,
        "data --size 16 --features 6 --layers 1 --fps 5 --flip --optimiser sgd --evaluate-every 10",
        (JUDGED, "predict run data/test/fall/0.mkv --explain --json"),
    ),
    "video-points": Case("video", points, "data --features 6 --cell gru", (JUDGED, "predict run new.csv --json")),
    "forecast": Case(
        "forecast",
        hours,
        "data --horizon 12 --width 6 --average 0 --cell gru",
        (JUDGED, "predict run new.csv --json"),
    ),
    "forecast-counts": Case(
        "forecast",
        hours,
        "data --horizon 5 --width 6 --head negative-binomial --scale robust --lags 1,24 --bptt 40 --warm-up 20",
        (JUDGED, "predict run new.csv --json"),
    ),
    "series": Case("series", shapes, "data --features 6", (JUDGED, "predict run new.jsonl --explain --json")),
    "series-steps": Case(
        "series", states, "data --features 6 --balance --cell rnn", (JUDGED, "predict run new.jsonl --json")
    ),
    "series-numbers": Case("series", swings, "data --features 6", (JUDGED, "predict run new.jsonl --json")),
    "series-novelty": Case(
        "series", beats, "data --novelty --features 6 --span 30", (JUDGED, "predict run new.jsonl --rate 0.01 --json")
    ),
    "agreement": Case("agreement", nothing, f"{MADE} --cell gru --gap 6", (JUDGED,)),
    "adding": Case("adding", nothing, f"{MADE} --cell lstm --length 12", (JUDGED,)),
    "copy": Case("copy", nothing, f"{MADE} --cell gru-simplified --length 5", (JUDGED,)),
}
WITHOUT_EMBEDDING = ("speech", "video", "series", "forecast", "adding")


def training(case: Case) -> list[str]:
    """The command that trains, less ``--out``."""
    embedding = "" if case.task in WITHOUT_EMBEDDING else "--embedding 4"
    return shlex.split(f"train {case.task} {PLAN} {embedding} {case.options}")


def resuming(case: Case) -> list[str]:
    """The command that goes on; tasks that make their data train several cells where none is named."""
    options = shlex.split(case.options)
    at = options.index("--cell") if "--cell" in options else len(options)
    return ["train", case.task, "--resume", "--checkpoint-seconds", "60", *options[at : at + 2]]


@contextlib.contextmanager
def stopped_midway() -> Iterator[None]:
    """SIGTERM comes with the checkpoint before the last step that shall be done, where every step has one."""
    left = [STOPPED_AT]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith("checkpoint.safetensors") and left[0]:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGTERM)

    sys.addaudithook(hear)
    yield
    assert not left[0]


def archive_of(name: str) -> Path:
    """Where a case is recorded."""
    return HERE / f"{name}{SUFFIX}"


def make(name: str) -> None:
    """Writes the archive of a case."""
    case, before = CASES[name], Path.cwd()
    commands = [shlex.split(command) for command in case.asked]
    with tempfile.TemporaryDirectory() as place:
        work = Path(place).resolve()
        (work / "data").mkdir()
        case.write(work / "data")
        os.chdir(work)
        try:
            assert call([*training(case), "--out", "run"])[0] == 0
            end, finished = history(work / "run"), [said(command) for command in commands]
            shutil.rmtree("run")
            with stopped_midway():
                assert call([*training(case), "--checkpoint-seconds", "0", "--out", "run"])[0] == 130
            asked = [
                {"command": command, "stopped": said(command), "finished": after}
                for command, after in zip(commands, finished, strict=True)
            ]
            record = {
                "train": training(case),
                "resume": resuming(case),
                "stopped_at": STOPPED_AT,
                "history": end,
                "asked": asked,
            }
        finally:
            os.chdir(before)
        (work / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pack(work, archive_of(name))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or [name for name in CASES if not (archive_of(name)).exists()]:
        make(chosen)
        print(f"{chosen}: {archive_of(chosen).stat().st_size:,} bytes")
