"""Sentences whose verb agrees with a noun far before it: "The cats, which already ate the fish of the old king, were".

Between noun and verb stand nouns of either number, so that the last noun seen tells nothing (Linzen, Dupoux and
Goldberg 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOUNS = (
    ("cat", "cats"),
    ("dog", "dogs"),
    ("child", "children"),
    ("teacher", "teachers"),
    ("farmer", "farmers"),
    ("mouse", "mice"),
    ("pilot", "pilots"),
    ("singer", "singers"),
    ("painter", "painters"),
    ("woman", "women"),
    ("baker", "bakers"),
    ("sailor", "sailors"),
    ("neighbour", "neighbours"),
    ("man", "men"),
    ("goose", "geese"),
    ("lawyer", "lawyers"),
    ("horse", "horses"),
    ("student", "students"),
    ("wolf", "wolves"),
    ("nurse", "nurses"),
)
VERBS = (
    ("was", "were"),
    ("is", "are"),
    ("has", "have"),
    ("sleeps", "sleep"),
    ("sings", "sing"),
    ("waits", "wait"),
    ("seems", "seem"),
    ("works", "work"),
    ("laughs", "laugh"),
    ("does", "do"),
)
ATE = ("ate", "saw", "hid", "sold", "found", "drew", "lost", "took")
THINGS = (
    ("fish", "fishes"),
    ("apple", "apples"),
    ("letter", "letters"),
    ("lamp", "lamps"),
    ("book", "books"),
    ("loaf", "loaves"),
)
LIKE = ("old", "small", "grey", "quiet", "famous", "hungry", "clever", "tired")
LINKS = ("of", "near", "with", "behind", "and", "beside", "without", "under")
ADVERBS = ("often", "now", "really", "still", "never", "always")

NEVER_MET = 5
"""Every so many-th pair of noun and verb does not stand in the training data."""


@dataclass(frozen=True)
class Agreement:
    """A sentence up to its verb.

    Attributes:
        words: Before the verb.
        verb: The form that agrees.
        other: The form that does not.
        gap: Words between noun and verb.
        met: Whether the noun stands with this verb in the training data.
        where: Part and number.
    """

    words: list[str]
    verb: str
    other: str
    gap: int
    met: bool
    where: str


def met(noun: int, verb: int) -> bool:
    """Whether a noun and a verb, by number, stand together in the training data; each stands there with others."""
    return (noun + verb) % NEVER_MET > 0


def sentence(random: np.random.Generator, gap: int, seen: bool, where: str) -> Agreement:
    """A sentence with so many words between noun and verb, a pair that the training data has or has not.

    Example:
        >>> made = sentence(np.random.default_rng(3), 6, seen=True, where="train:1")
        >>> len(made.words), made.gap, {made.verb, made.other} in map(set, VERBS)
        (8, 6, True)
    """
    pairs = [(n, v) for n in range(len(NOUNS)) for v in range(len(VERBS)) if met(n, v) == seen]
    noun, verb = pairs[random.integers(len(pairs))]
    number = int(random.integers(2))
    words = ["the", NOUNS[noun][number], *filling(random, gap)]
    return Agreement(words, VERBS[verb][number], VERBS[verb][1 - number], gap, seen, where)


def filling(random: np.random.Generator, count: int) -> list[str]:
    """So many words that may stand between a noun and its verb."""
    if count < 3:
        return [_one(random, ADVERBS) for _ in range(count)]
    words = [",", "which", "already", _one(random, ATE)]
    while len(words) < count:
        words += _phrase(random)
    return [*words[: count - 1], ","]


def _phrase(random: np.random.Generator) -> list[str]:
    names = NOUNS if random.integers(2) else THINGS
    noun = names[random.integers(len(names))][random.integers(2)]
    like = [_one(random, LIKE)] if random.integers(2) else []
    return ["the", *like, noun, _one(random, LINKS)]


def _one(random: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(random.integers(len(words)))]
