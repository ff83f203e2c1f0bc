"""Rows of tagged words are read by their form: comments, counts and layers are no words and no tags."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.text.columns import TaggedSentence, read_columns
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

quick = settings(deadline=None, derandomize=True, max_examples=60)

WORDS = st.text(st.sampled_from("aZé#1.-ि"), min_size=1, max_size=5).filter(lambda word: word[0] != "#")
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(["O", "B-per", "I-loc"])), min_size=1, max_size=5), min_size=1, max_size=4
)
COMMENTS = ["# text = It is O", "# id 12ab\tdomain=en", "#", "# sent_id = 1", "# a comment of many words"]


def read(path: Path, text: str, tag_column: int | None = None) -> tuple[list[TaggedSentence], list[str]]:
    path.write_text(text, encoding="utf-8")
    with noting() as notes:
        return list(read_columns(path, tag_column)), notes.lines()


@quick
@given(SENTENCES, st.sampled_from(["\t", " "]), st.booleans(), st.booleans(), st.sampled_from(COMMENTS))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    sentences: list[list[tuple[str, str]]],
    between: str,
    numbered: bool,
    extra: bool,
    comment: str,
) -> None:
    blocks = []
    for sentence in sentences:
        rows = [comment]
        for number, (word, tag) in enumerate(sentence, 1):
            cells = [*([str(number)] if numbered else []), f"w{word}", *(["_"] if extra else []), tag]
            rows.append(between.join(cells))
        blocks.append("\n".join(rows))
    path = tmp_path_factory.getbasetemp() / "written.conll"
    found, told = read(path, "\n\n".join(blocks) + "\n")
    assert [[*zip(one.words, one.tags, strict=True)] for one in found] == [
        [(f"w{word}", tag) for word, tag in sentence] for sentence in sentences
    ]
    lines = path.read_text(encoding="utf-8").split("\n")
    for one in found:
        assert all(word in lines[int(one.where_is(at).rsplit(":", 1)[1]) - 1] for at, word in enumerate(one.words))
    assert any("a comment" in line for line in told)
    assert any("counts the words" in line for line in told) == numbered


def test_a_word_that_begins_with_a_hash_is_a_word(tmp_path: Path) -> None:
    found, told = read(tmp_path / "a.tsv", "#\tO\n#fun\tB-x\nday\tO\n")
    assert found[0].words == ["#", "#fun", "day"]
    assert told == []


def test_ranges_and_empty_nodes_of_conll_u_are_no_words(tmp_path: Path) -> None:
    rows = "# text = im Haus\n1-2\tim\t_\tO\n1\tin\t_\tO\n2\tdem\t_\tO\n2.1\tnichts\t_\tO\n3\tHaus\t_\tB-loc\n"
    (found,), _ = read(tmp_path / "a.conllu", rows)
    assert (found.words, found.tags) == (["in", "dem", "Haus"], ["O", "O", "B-loc"])
    assert found.where_is(2) == f"{tmp_path / 'a.conllu'}:3"  # rows are left out in between


def test_of_nested_layers_the_outer_one_is_taken_and_told(tmp_path: Path) -> None:
    text = "1\tBonner\tB-org\tB-loc\n2\tBank\tI-org\tO\n\n1\tBonn\tB-loc\tO\n"
    found, told = read(tmp_path / "a.tsv", text)
    assert [one.tags for one in found] == [["B-org", "I-org"], ["B-loc"]]
    assert f"{tmp_path / 'a.tsv'}: tags are column 3 of 4; 4 could be tags, too: --tag-column takes another" in told
    found, _ = read(tmp_path / "a.tsv", text, tag_column=4)
    assert [one.tags for one in found] == [["B-loc", "O"], ["O"]]


def test_of_chunks_and_names_the_last_is_taken_and_told(tmp_path: Path) -> None:
    found, told = read(tmp_path / "a.conll", "Anna NNP B-NP B-per\nsang VBD B-VP O\n")
    assert found[0].tags == ["B-per", "O"]
    assert told == [f"{tmp_path / 'a.conll'}: tags are column 4 of 4; 3 could be tags, too: --tag-column takes another"]


def test_tags_before_notes_are_found(tmp_path: Path) -> None:
    found, told = read(tmp_path / "a.iob2", "1\tAnna\tB-per\t-\tann1\n2\tsang\tO\t-\tann1\n")
    assert (found[0].words, found[0].tags) == (["Anna", "sang"], ["B-per", "O"])
    assert f"{tmp_path / 'a.iob2'}: tags are column 3 of 5, the only one of tags alone" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\tO\n2\tB-x\n3\tO\n", "a.conll:1: expected words in the first column, or a count of them"),
        ("7\tx\tO\n3\tx\tO\n9\tx\tO\n", "a.conll:1: expected words in the first column, or a count of them"),
        ("a NN B-NP O\nb NN B-NP B-x\nc NN B-NP per\n", "a.conll:3: expected a tag such as O, B-person or I-person"),
    ],
)
def test_what_deceives_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path / "a.conll", text)
    assert message in str(caught.value)
    assert "--tag-column" in str(caught.value) or "mend the columns" in str(caught.value)


@pytest.mark.parametrize("column", [1, 4])
def test_a_column_that_is_not_there(tmp_path: Path, column: int) -> None:
    with pytest.raises(UserError, match="--tag-column: expected a column from 2 to 2"):
        read(tmp_path / "a.conll", "a O\n", tag_column=column)
