"""Shards of text, tokenised beside the run's folder by a process a core; after a kill it goes on where it was."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from throughtime.applications.folder.model_folder import check_new
from throughtime.applications.text_model import TOKENIZER, TextSettings
from throughtime.data.progress import is_shown, report
from throughtime.data.shards.crew import worked
from throughtime.data.shards.dealing import Deal, Reading
from throughtime.data.shards.documents import ShardTexts
from throughtime.data.shards.names import Shard, check_unchanged
from throughtime.data.shards.survey import Look, Seen, budgets, load_seen, places, sampled, seen_file
from throughtime.data.shards.tokens import Encode, characters_of, chunks_of, jobs_for, joined
from throughtime.data.text.corpus import TokenFile, learn_tokenizer
from throughtime.data.text.files import Texts
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.errors import UserError, shown
from throughtime.files import END as PARTIAL
from throughtime.files import make_folder, write_json
from throughtime.plain import read_json
from throughtime.runtime.reading.notes import Notes, note, pass_on
from throughtime.training.lock import alone
from throughtime.visible import tell

BEGUN = "begun.json"
"""Which shards and which settings a folder of chunks is of."""

LOCK = ".lock"

DECIDING = (
    "unit",
    "eos",
    "sentences",
    "held_out",
    "encoding",
    "text_column",
    "lowercase",
    "min_count",
    "max_vocab",
    "seed",
)
"""Settings that tokens depend on."""

HOME, EACH = 384, 160
"""Megabytes of the first process, and of each other one: what is measured, and some room."""

EVERY = 60.0
"""Seconds between two lines on how far it has come, where there is no terminal."""

KEPT = 1 << 24
"""Bytes of ids from which on they stay where the user's mistake ends it: some seconds of work."""

SAMPLE = 1 << 25
"""Characters that a vocabulary is learnt from, at most."""


def check_column(texts: Mapping[str, Texts], settings: TextSettings) -> None:
    """Refuses a column where nothing has any.

    Raises:
        UserError: Says what has one.
    """
    if settings.text_column is not None and not any(isinstance(found, ShardTexts) for found in texts.values()):
        raise UserError("--text-column: expected JSON lines or parquet, which have fields and columns, got plain text")


@contextmanager
def beside(out: Path, texts: ShardTexts, settings: TextSettings) -> Iterator[Path]:
    """A folder for the chunks of shards, which stays until a run is made of them, whatever ends this process.

    Args:
        out: The run's folder.
        texts: The shards.
        settings: Of the run.

    Raises:
        UserError: If it holds those of other shards or settings, or another process is at it.
    """
    folder = place_of(out)
    check_new(out)
    told, there = _told(texts, settings), (folder / BEGUN).exists()
    made = [parent for parent in out.parents if not parent.exists()]
    make_folder(folder)
    with alone(folder / LOCK, str(folder), "is tokenising there; wait for that to end, or stop it first"):
        if there:
            _check(folder, told, texts.shards)
            for left in folder.glob(f".*{PARTIAL}"):
                left.unlink()
        write_json(folder / BEGUN, told)
        try:
            yield folder
        except BaseException as error:
            _keep_or_not(folder, made, isinstance(error, UserError))
            raise
    shutil.rmtree(folder, ignore_errors=True)


def place_of(out: Path) -> Path:
    """Where the chunks of a run's shards stand until the run does."""
    return out.parent / f".{out.name[:200]}.shards"


def tidy(out: Path) -> None:
    """Removes the chunks of a run that stands: whoever made it was killed before it did so."""
    folder = place_of(out)
    if (folder / BEGUN).exists():
        with suppress(UserError), alone(folder / LOCK, str(folder), "is tokenising there"):
            shutil.rmtree(folder, ignore_errors=True)


def tokenised(
    texts: ShardTexts, settings: TextSettings, folder: Path, out: Path
) -> tuple[Tokenizer, dict[str, TokenFile]]:
    """The tokenizer of shards, and their ids in files, by part.

    Args:
        texts: The shards.
        settings: Of the run.
        folder: For what is made on the way.
        out: For the files.

    Raises:
        UserError: If a shard is broken, or was changed meanwhile; names the line.
    """
    shards, reading = texts.shards, Reading(texts.field, settings.split, settings.encoding)
    workers = _workers(texts, settings)
    seen = _seen(shards, Look(reading, settings.seed, folder), workers)
    total = sum(one.characters for one in seen)
    deal = _deal(total, texts, settings)
    tokenizer = _learnt(seen, deal, settings, folder)
    done = sum(characters_of(chunks_of(folder, number)) for number in range(len(shards)))
    if done:
        note(f"tokenising went on where it was stopped, at {done:,} of {total:,} characters")
    jobs = jobs_for(shards, places(seen), folder, workers)
    pace = _Pace("characters tokenised", total, done)
    for characters in worked(Encode(reading, deal, folder), jobs, workers):
        pace.add(characters)
    check_unchanged(shards, f"remove {folder} to begin anew")
    return tokenizer, joined(folder, shards, seen, out)


class _Pace:
    """How far it has come: shown in a terminal, a line now and then elsewhere.

    Args:
        unit: What is counted.
        total: Of it, where that is known.
        done: Of it before.
    """

    def __init__(self, unit: str, total: int | None = None, done: int = 0) -> None:
        self.unit, self.total, self.done = unit, total, done
        self.told = time.monotonic()

    def add(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        report(self.done, self.total, self.unit)
        if not is_shown() and time.monotonic() - self.told >= EVERY:
            self.told = time.monotonic()
            of = "" if self.total is None else f" of {self.total:,}"
            tell(f"{self.done:,}{of} {self.unit}")


def _told(texts: ShardTexts, settings: TextSettings) -> dict[str, Any]:
    """What the chunks of shards depend on."""
    said = settings.model_dump(mode="json", include=set(DECIDING))
    said["held_out"] = said["held_out"] if settings.valid is None else 0.0
    return {
        "format": 1,
        "settings": said,
        "shards": [[shard.name, shard.size, shard.stamp] for shard in texts.shards],
    }


def _check(folder: Path, told: dict[str, Any], shards: Sequence[Shard]) -> None:
    """Refuses to go on with the chunks of other shards, or made otherwise."""
    before = read_json(folder / BEGUN)
    remedy = f"remove {folder} to begin anew, or pass another --out"
    said = before.get("settings")
    for name, value in told["settings"].items():
        if not isinstance(said, dict) or said.get(name) != value:
            was = said.get(name) if isinstance(said, dict) else None
            raise UserError(
                f"--{name.replace('_', '-')}: tokenising for this --out began with {shown(str(was))}, got "
                f"{shown(str(value))}; {remedy}"
            )
    found = before.get("shards")
    were = {row[0]: row for row in found if isinstance(row, list) and row} if isinstance(found, list) else {}
    for shard, row in zip(shards, told["shards"], strict=True):
        if were.get(shard.name) != row:
            how = "was written again since then" if shard.name in were else "was not there then"
            raise UserError(f"{shard.name}: expected the shards that tokenising began with; this one {how}; {remedy}")
    if before != told:
        gone = next((name for name in were if name not in {shard.name for shard in shards}), "their order")
        raise UserError(f"{gone}: expected the shards that tokenising began with, in their order; {remedy}")


def _keep_or_not(folder: Path, made: Sequence[Path], refused: bool) -> None:
    """What has cost time stays, and that is said; of what is ``refused`` after a moment nothing does."""
    size = sum(path.stat().st_size for path in folder.glob("*.ids"))
    if (folder / TOKENIZER).exists() and size >= KEPT * refused:
        tell(f"{folder}: what is tokenised stays there; the same command goes on with it")
        return
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # something else may stand in them already
        for parent in made:
            parent.rmdir()


def _workers(texts: ShardTexts, settings: TextSettings) -> int:
    """How many processes read; shards in memory are this one's alone."""
    if any(shard.name.startswith("memory:") for shard in texts.shards):
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    room = max(1, (settings.memory - HOME) // EACH)
    if settings.workers is not None and settings.workers > room:
        raise UserError(
            f"--workers: expected at most {room} in --memory {settings.memory}, got {settings.workers}; each takes up "
            f"to {EACH} MB: pass --memory {HOME + EACH * settings.workers}"
        )
    return settings.workers or min(cores, room)


def _seen(shards: Sequence[Shard], look: Look, workers: int) -> list[Seen]:
    """What every shard comes to; those that were looked at before a kill are not looked at again."""
    jobs = [
        (number, shard, budget)
        for number, (shard, budget) in enumerate(zip(shards, budgets(shards, SAMPLE), strict=True))
        if not seen_file(look.folder, number).exists()
    ]
    pace = _Pace("characters looked at")
    for characters in worked(look, sorted(jobs, key=lambda job: -job[1].size), workers):
        pace.add(characters)
    seen = [load_seen(look.folder, number) for number in range(len(shards))]
    for one in seen:
        pass_on(Notes(one.taken, one.left_out))
    return seen


def _deal(total: int, texts: ShardTexts, settings: TextSettings) -> Deal:
    """What is held out of shards of so many characters."""
    split = settings.split
    if settings.valid is not None or not split.held_out:
        return Deal(split.each_line)
    if split.sentences:
        return Deal(split.each_line, every=split.every)
    return Deal(split.each_line, None, int(total * (1 - split.held_out)), texts.whole or split.line_ends)


def _learnt(seen: Sequence[Seen], deal: Deal, settings: TextSettings, folder: Path) -> Tokenizer:
    """The tokenizer, which is learnt once."""
    total, drawn = sum(one.characters for one in seen), sum(_drawn(one, deal.each_line) for one in seen)
    if drawn < total:
        note(f"the vocabulary is learnt from {drawn:,} of {total:,} characters, drawn from all shards by --seed")
    path = folder / TOKENIZER
    if path.exists():
        return Tokenizer.load(path)
    tokenizer = learn(sampled(seen, deal), settings)
    tokenizer.save(path)
    return tokenizer


def learn(pieces: Iterator[str | None], settings: TextSettings) -> Tokenizer:
    """The tokenizer of texts, of the settings' kind.

    Raises:
        UserError: If there is no text, or too little of it.
    """
    return learn_tokenizer(
        pieces,
        settings.unit,
        min_count=settings.min_count,
        max_size=settings.max_vocab,
        lowercase=settings.lowercase,
    )


def _drawn(one: Seen, each_line: bool) -> int:
    return sum(int(each_line) if piece is None else len(piece) for block in one.sample for piece in block.pieces)
