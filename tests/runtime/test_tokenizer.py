"""Texts are cut as the library cuts them that learnt the vocabulary, whatever characters stand in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers
from tokenizers.normalizers import Lowercase

from throughtime.data.text import tokenizer as learnt
from throughtime.data.text.tokenizer import Tokenizer as Learnt
from throughtime.errors import UserError
from throughtime.runtime.text.signs import lower, signs
from throughtime.runtime.text.spelling import BYTES
from throughtime.runtime.text.tokenizer import GPT, PARTED, WORDS, WORDS_BEFORE, Tokenizer

EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
SIGNS = {byte: sign for sign, byte in BYTES.items()}


def split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), "removed", invert=True)


PAIRS = {
    "words": (split(learnt.WORD), WORDS),
    "words of older folders": (split(learnt.WORD_BEFORE), WORDS_BEFORE),
    "byte pairs": (pre_tokenizers.ByteLevel(add_prefix_space=False), GPT),
    "tokens": (pre_tokenizers.WhitespaceSplit(), PARTED),
}


def texts() -> Iterator[str]:
    """Characters among letters, beside themselves, before and after digits and apostrophes; and drawn ones.

    All of the first, and those where one kind ends and another begins.
    """
    kinds = [category(sign) for sign in EVERY]
    ends = [n for n in range(1, len(EVERY)) if n < 0x3000 or kinds[n] != kinds[n - 1] or kinds[n - 1] != kinds[n - 2]]
    for begin in range(0, len(ends), 4096):
        yield "".join(f"a{c}b {c}{c} 1{c}’x'{c}s\n" for c in map(EVERY.__getitem__, ends[begin : begin + 4096]))
    rng = random.Random(0)
    for _ in range(300):
        some = [
            rng.choice("ab1' ’-\n\t_.,"),
            rng.choice("ab1' ’-\n\t_.,"),
            rng.choice(EVERY[:0x3000]),
            rng.choice(EVERY),
        ]
        yield "".join(rng.choices(some, k=30))


@pytest.mark.parametrize("name", PAIRS)
def test_parts_are_those_of_the_library(name: str) -> None:
    theirs, pattern = PAIRS[name]
    for text in texts():
        seen = text if pattern is PARTED else signs(text)
        found = [text[match.start() : match.end()] for match in pattern.finditer(seen)]
        if pattern is GPT:
            found = ["".join(SIGNS[byte] for byte in part.encode()) for part in found]
        assert found == [part for part, _ in theirs.pre_tokenize_str(text)]


def test_lower_case_is_that_of_the_library() -> None:
    text = "".join(EVERY) + "ΑΣ ΣΑΣ."
    assert lower(text) == Lowercase().normalize_str(text)
    assert lower("ΑΣ") == "ας".replace("ς", "σ")


CORPUS = [
    "Ah, didn't the cat's tail — so long! — move?\n",
    "Größe, naïve café: 12½ €\tnoted.\n",
    "हिन्दी में लिखा है। 猫 猫!\n",
]
KINDS: dict[str, Callable[[], Learnt]] = {
    "characters": lambda: Learnt.train(CORPUS),
    "lower characters": lambda: Learnt.train(CORPUS, lowercase=True),
    "words": lambda: Learnt.train(CORPUS, "words"),
    "lower words": lambda: Learnt.train(CORPUS, "words", lowercase=True),
    "byte pairs": lambda: Learnt.train(CORPUS * 5, "bytepairs", max_size=330),
    "tokens": lambda: Learnt.train([*CORPUS, "<unk> ends <eos>"], "tokens"),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Learnt, Tokenizer]]:
    folder, found = tmp_path_factory.mktemp("tokenizers"), {}
    for name, train in KINDS.items():
        trained = train()
        trained.save(folder / f"{name}.json")
        found[name] = trained, Tokenizer.load(folder / f"{name}.json")
    return found


@pytest.mark.parametrize("name", KINDS)
def test_ids_and_texts_are_those_of_the_library(name: str, pairs: dict[str, tuple[Learnt, Tokenizer]]) -> None:
    theirs, ours = pairs[name]
    assert (len(ours), ours.unit) == (len(theirs), theirs.unit)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.one_of(st.sampled_from(CORPUS), st.text(max_size=12), st.sampled_from(["<unk>", " <eos> "]))))
    def check(parts: list[str]) -> None:
        text = "".join(parts)
        ids = theirs.encode(text)
        assert ours.encode(text) == ids
        assert ours.tokens(ids) == theirs.tokens(ids)
        assert ours.decode(ids) == theirs.decode(ids)
        assert list(ours.stream([*ids, 1], line_ends=True)) == list(theirs.stream([*ids, 1], line_ends=True))

    check()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"model": {"type": "Unigram", "vocab": {"a": 0}}}',
        '{"model": {"type": "WordLevel", "vocab": {"a": 1}}}',
        '{"model": {"type": "WordLevel", "vocab": ["a"]}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}',
    ],
)
def test_another_file_is_refused_in_a_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(UserError, match="that Throughtime wrote; export the run again"):
        Tokenizer.load(tmp_path / "tokenizer.json")
