"""How far what was heard is from what was said: word and character errors, by length and by word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from throughtime.applications.judging.labels import HARDEST
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.task import Table
from throughtime.extras import extra

COMMONEST = 40
"""Words that are counted each for itself."""


SAID_OF_ALL = Baseline(
    "word_error",
    "commonest_word_error",
    "one transcript, said of every recording, errs less, for it adds few words: those that are added count as errors, "
    "too, and may come to more than 100 %",
    higher=False,
)
"""Beside which recognised speech stands."""


def word_error(said: Sequence[str], heard: Sequence[str]) -> float:
    """Word errors in percent of the words said: substitutions, deletions and insertions of the cheapest alignment.

    Example:
        >>> word_error(["one two three", "four"], ["one too", "four"])
        50.0
    """
    error: float = _jiwer().process_words(list(said), list(heard)).wer
    return 100.0 * error


def error_figures(said: Sequence[str], heard: Sequence[str]) -> dict[str, Any]:
    """Word and character errors in percent, counts of the kinds of error, and the share of exact transcripts.

    Example:
        >>> figures = error_figures(["one two", "four"], ["one", "four"])
        >>> figures["deletions"], figures["exact"]
        (1, 50.0)
    """
    words = _jiwer().process_words(list(said), list(heard))
    characters = _jiwer().process_characters(list(said), list(heard))
    return {
        "word_error": 100.0 * float(words.wer),
        "character_error": 100.0 * float(characters.cer),
        "exact": 100.0 * sum(s.split() == h.split() for s, h in zip(said, heard, strict=True)) / len(said),
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "words": sum(map(len, words.references)),
    }


def by_length(said: Sequence[str], heard: Sequence[str]) -> Table:
    """Word errors by the number of words said."""
    groups: dict[int, list[int]] = defaultdict(list)
    for number, transcript in enumerate(said):
        groups[len(transcript.split())].append(number)
    rows = [
        [length, len(chosen), word_error([said[n] for n in chosen], [heard[n] for n in chosen])]
        for length, chosen in sorted(groups.items())
    ]
    return Table("by length", ["words", "recordings", "word error %"], rows)


def by_word(said: Sequence[str], heard: Sequence[str]) -> Table:
    """What became of the commonest words, and what was heard in their place."""
    right: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    added: Counter[str] = Counter()
    taken: dict[str, Counter[str]] = defaultdict(Counter)
    found = _jiwer().process_words(list(said), list(heard))
    for was, now, chunks in zip(found.references, found.hypotheses, found.alignments, strict=True):
        for chunk in chunks:
            before = was[chunk.ref_start_idx : chunk.ref_end_idx]
            after = now[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "equal":
                right.update(before)
            elif chunk.type == "delete":
                missed.update(before)
            elif chunk.type == "insert":
                added.update(after)
            else:
                for word, other in zip(before, after, strict=True):
                    taken[word][other] += 1
    spoken = Counter(word for transcript in said for word in transcript.split())
    rows: list[list[str | int | float]] = []
    for word, count in sorted(spoken.most_common(COMMONEST)):
        others = ", ".join(f"{other} {times}" for other, times in taken[word].most_common(3))
        rows.append([word, count, 100 * right[word] / count, taken[word].total(), missed[word], added[word], others])
    return Table("by word", ["word", "said", "right %", "taken for another", "missed", "added", "taken for"], rows)


def hardest(said: Sequence[str], heard: Sequence[str], where: Sequence[str]) -> Table:
    """The transcripts with the most errors."""
    jiwer = _jiwer()
    rows: list[tuple[int, str, str, str]] = []
    for was, now, place in zip(said, heard, where, strict=True):
        found = jiwer.process_words(was, now)
        if errors := found.substitutions + found.deletions + found.insertions:
            rows.append((errors, was, now, place))
    rows.sort(key=lambda row: -row[0])
    return Table("most errors", ["errors", "said", "heard", "recording"], rows[:HARDEST])


def _jiwer() -> Any:
    return extra("jiwer", "speech", "counting word errors")
