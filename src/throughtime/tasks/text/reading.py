"""What training read of texts: files, texts or lines, their tokens, what is not known, and what guessing comes to."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from throughtime.applications.folder.model_folder import ModelFolder
from throughtime.applications.reading.account import DataRead, Guess, Lengths, Part
from throughtime.applications.reading.gather import FILES, Origin, in_a_word, lengths_of, spread, with_notes
from throughtime.applications.reading.readable import Counts, unigram
from throughtime.applications.text_model import TOKENIZER, TextSettings, token_files
from throughtime.data.batches import Ids
from throughtime.data.shards.documents import ShardTexts
from throughtime.data.text.corpus import TokenFile
from throughtime.data.text.files import BUILT_IN, FileTexts, Texts
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.figures import ordinal, share
from throughtime.runtime.reading.notes import Notes, leave_out

STEPS = 60
"""Tokens of an example that is shown."""

TOGETHER = 1 << 22
"""Tokens that are counted at once."""

Bounds = npt.NDArray[np.int64]
"""Beginnings and ends, ``[N, 2]``: of many millions, which as pairs of numbers would fill the memory."""

UNITS = {"bytepairs": "byte pairs"}
"""What units are called where their name is no word."""


def origin_of(texts: Mapping[str, Texts], settings: TextSettings, memory: Container[str]) -> Origin:
    """Where the text of each part comes from; tells which files are left out, as nothing stands in them.

    Args:
        texts: By part.
        settings: Of the run.
        memory: Parts that come from memory.
    """
    sources, files = {}, {}
    for part, found in texts.items():
        if part in memory:
            sources[part] = "data in memory"
        elif isinstance(found, FileTexts):
            sources[part], files[part] = in_a_word(found.files), list(map(str, found.files))
        elif isinstance(found, ShardTexts):
            files[part] = [shard.name for shard in found.shards]
            sources[part] = in_a_word(files[part])
        else:
            sources[part] = BUILT_IN
        for file in found.files if isinstance(found, FileTexts) else ():
            if not file.stat().st_size:
                leave_out(str(file), "the file is empty")
    if "valid" not in texts and settings.held_out:
        lines = f"every {ordinal(settings.split.every)} line"
        sources["valid"] = f"{lines if settings.sentences else f'the last {share(settings.held_out)}'} of train"
    return Origin(sources, files)


def read_texts(run: ModelFolder, origin: Origin, settings: TextSettings, notes: Notes) -> DataRead:
    """The account of the texts in a run's folder.

    Args:
        run: With its tokenizer and files of ids.
        origin: Where they come from.
        settings: Of the run.
        notes: What readers told.
    """
    tokenizer, tokens = Tokenizer.load(run.folder / TOKENIZER), token_files(run)
    unit, kind = UNITS.get(tokenizer.unit, tokenizer.unit), "lines" if settings.split.each_line else "texts"
    ids = {part: found.ids(len(tokenizer)) for part, found in tokens.items()}
    texts = {part: _texts(found, tokenizer.eos) for part, found in ids.items()}
    parts = {
        part: Part(_some(origin, part), origin.sources[part], len(found), {}, _lengths(found, unit), kind)
        for part, found in texts.items()
    }
    guess = guess_by(ids["train"], ids["valid"], len(tokenizer)) if "valid" in ids else None
    seen = texts["train"] if not settings.cut else _pieces(len(ids["train"]), settings.cut)
    shown = [_shown(ids["train"][begin:end], tokenizer) for begin, end in spread(seen)]
    notes.taken.append(_vocabulary(tokens, tokenizer, unit))
    return with_notes(parts, notes, shown, guess)


def guess_by(train: Ids, judged: Ids, vocabulary: int) -> Guess:
    """The perplexity of saying each token as often as the training data has it.

    Example:
        >>> round(guess_by(np.array([1, 2, 2, 2]), np.array([2, 2]), 3).value, 2)
        1.75
    """
    perplexity = math.exp(unigram(_counts(train, vocabulary), _counts(judged, vocabulary)))
    return Guess("perplexity", perplexity, "saying each token as often as the training data", higher=False)


def _vocabulary(tokens: Mapping[str, TokenFile], tokenizer: Tokenizer, unit: str) -> str:
    """How many tokens are known, and which share of each part is not."""
    unknown = [f"{100 * found.unknown / max(1, found.tokens):.2f} % of {part}" for part, found in tokens.items()]
    return f"vocabulary: {len(tokenizer):,} {unit}, UNK and EOS among them; unknown (UNK): {', '.join(unknown)}"


def _texts(ids: Ids, eos: int) -> Bounds:
    """Where texts begin and end, ``[N, 2]``, their EOS left out; the last one may have none.

    Example:
        >>> _texts(np.array([5, 6, 1, 1, 7]), 1).tolist()
        [[0, 2], [3, 3], [4, 5]]
    """
    found = [begin + np.flatnonzero(part == eos) for begin, part in _in_parts(ids)]
    cuts = np.concatenate([np.zeros(0, np.int64), *found])
    if len(ids) and (not len(cuts) or cuts[-1] < len(ids) - 1):
        cuts = np.append(cuts, len(ids))
    return np.stack([np.concatenate([np.zeros(min(1, len(cuts)), np.int64), cuts[:-1] + 1]), cuts], axis=1)


def _some(origin: Origin, part: str) -> list[str]:
    return list(origin.files.get(part, ()))[:FILES]


def _pieces(tokens: int, steps: int) -> Bounds:
    begins = np.arange(0, tokens, steps)
    return np.stack([begins, np.minimum(begins + steps, tokens)], axis=1)


def _lengths(texts: Bounds, unit: str) -> Lengths:
    return lengths_of(texts[:, 1] - texts[:, 0], unit)


def _counts(ids: Ids, vocabulary: int) -> Counts:
    """How often each token stands there."""
    found = np.zeros(vocabulary, np.int64)
    for _, part in _in_parts(ids):
        found += np.bincount(part, minlength=vocabulary)
    return found


def _in_parts(ids: Ids) -> Iterator[tuple[int, Ids]]:
    """A file's ids, a part at a time, and where it begins: the whole may be larger than memory."""
    return ((begin, ids[begin : begin + TOGETHER]) for begin in range(0, len(ids), TOGETHER))


def _shown(ids: Ids, tokenizer: Tokenizer) -> str:
    """Tokens with spaces between them, characters without; line breaks and ends of texts are seen."""
    first = ids[:STEPS].tolist()
    names = tokenizer.tokens(first) if tokenizer.unit != "bytepairs" else [tokenizer.decode([i]) for i in first]
    between = {"characters": "", "bytepairs": "|"}.get(tokenizer.unit, " ")
    return between.join(names).replace("\n", "⏎") + ("…" if len(ids) > STEPS else "")
