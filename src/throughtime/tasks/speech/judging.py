"""How good a recogniser is, beside what says the same of every recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from throughtime.applications.judging.word_errors import by_length, by_word, error_figures, hardest, word_error
from throughtime.applications.reading.account import Guess
from throughtime.applications.task import Report, Table
from throughtime.errors import shown
from throughtime.tasks.speech.examples import SpeechExample, named

NOTHING = 100.0
"""Word error of hearing nothing, in percent."""


def report(
    examples: Sequence[SpeechExample], heard: Sequence[str], commonest: str, further: Mapping[str, float]
) -> Report:
    """Word and character errors beside those of the commonest transcript; by length and word; the hardest.

    Args:
        examples: That were judged.
        heard: In each of them.
        commonest: Transcript of the training data.
        further: Figures that stand beside.
    """
    said = [example.transcript for example in examples]
    figures = error_figures(said, heard)
    names = [named(example) for example in examples]
    broken = [[name, example.warning] for name, example in zip(names, examples, strict=True) if example.warning]
    return Report(
        {
            "word_error": figures.pop("word_error"),
            "commonest_word_error": word_error(said, [commonest] * len(said)),
            **figures,
            **further,
            "recordings": len(said),
            "seconds": round(sum(example.seconds for example in examples), 1),
        },
        [
            by_length(said, heard),
            by_word(said, heard),
            hardest(said, heard, names),
            Table("broken recordings", ["recording", "warning"], broken),
        ],
    )


def best_guess(said: Sequence[str], commonest: str) -> Guess:
    """The word error of hearing nothing, or the commonest transcript, whichever is less.

    Example:
        >>> best_guess(["yes", "no", "yes"], "yes").how, best_guess(["one two", "three"], "four five six").how
        ("always hearing 'yes'", 'hearing nothing')
    """
    error = word_error(said, [commonest] * len(said))
    how = f"always hearing {shown(commonest)}" if error < NOTHING else "hearing nothing"
    return Guess("word_error", min(error, NOTHING), how, higher=False)
