"""Tables of strangers: what is a heading, which column is what, and what is told or refused."""

from __future__ import annotations

import csv
import io
import json
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from throughtime.data.tables.rows import read_rows
from throughtime.data.text.labelled import read_labelled
from throughtime.errors import UserError
from throughtime.runtime.reading.notes import noting

quick = settings(deadline=None, derandomize=True, max_examples=60)

FILMS = [("a good film", "pos"), ("a bad film", "neg"), ("what a nice one", "pos"), ("an awful thing", "neg")]
PAIRS = [("good film", "pos"), ("bad film", "neg")]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


def table(rows: list[tuple[str, ...]], separator: str = ",") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def read(path: Path, *columns: str | None, header: bool | None = None) -> list[tuple[str, str]]:
    return [(found.text, found.label) for found in read_labelled(path, *columns, header=header)]


def told(path: Path, *columns: str | None) -> str:
    with noting() as notes:
        read(path, *columns)
    return "\n".join(notes.lines())


def refused(path: Path, *columns: str | None) -> str:
    with pytest.raises(UserError) as caught:
        read(path, *columns)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    "heading", [("Comment", "Mood"), ("v1", "v2"), ("Text_Body", "Is_Positive"), ("0", "1"), ("1", "2")]
)
@pytest.mark.parametrize("numbers", [False, True])
def test_a_heading_is_known_by_the_rows_below_it(tmp_path: Path, heading: tuple[str, str], numbers: bool) -> None:
    names = {"pos": "1", "neg": "2"}
    films = [(text, names[label] if numbers else label) for text, label in FILMS]
    path = write(tmp_path, "a.csv", table([heading, *films]))
    if numbers and heading[0].isdigit():  # a row like the others, but for its text: who knows
        assert refused(path).startswith(
            f"a.csv:1: expected a heading, or a row like the others, got {heading[0]!r}, {heading[1]!r}, which may be "
            "either; pass --header if it names the columns, --no-header if it does not"
        )
        assert read(path, header=True) == films
    else:
        assert read(path) == films
    assert read(path, header=False) == [heading, *films]
    assert read(write(tmp_path, "a.csv", table(films))) == films


def test_what_two_rows_do_not_tell_is_settled_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", table([("Words said", "Mood"), *PAIRS]))
    assert "a.csv:1: expected a heading, or a row like the others, got 'Words said', 'Mood'" in refused(path)
    assert read(path, header=True) == read(path, "Words said") == read(path, None, "mood".title()) == PAIRS
    assert read(path, header=False) == [("Words said", "Mood"), *PAIRS]


def test_an_empty_cell_tells_little(tmp_path: Path) -> None:
    rows = [("gj04", "1", "", "a good film"), ("gj04", "0", "*", "a bad film was here"), ("cj99", "1", "", "one more")]
    rows += [("cj99", "0", "*", "and that is the end"), ("gj04", "1", "*", "or not")]
    path = write(tmp_path, "a.tsv", "".join("\t".join(row) + "\n" for row in rows))
    assert read(path, "4", "2") == [(row[3], row[1]) for row in rows]


def test_a_class_that_is_called_like_a_column_makes_no_heading(tmp_path: Path) -> None:
    rows = [("I love it", "message"), ("what is it", "question"), ("send it", "message"), ("who", "question")]
    path = write(tmp_path, "a.csv", table(rows))
    assert read(path) == rows
    assert "it has no heading: 'message' of the first row stands in its column again" in told(path)


def test_a_heading_that_comes_again_is_left_out(tmp_path: Path) -> None:
    rows = [("text", "label"), *PAIRS]
    path = write(tmp_path, "a.csv", table(rows + rows))
    assert read(path) == PAIRS * 2
    assert "left out: the heading stands there again" in told(path)


def test_how_columns_were_found_is_told(tmp_path: Path) -> None:
    rows = [("Unnamed: 0", "Words", "Stars given", "When")]
    rows += [(str(n), *film, f"2024-01-0{n + 1} 10:00") for n, film in enumerate(FILMS)]
    path = write(tmp_path, "a.csv", table(rows))
    assert read(path) == FILMS
    assert told(path).replace(f"{path}", "a.csv").splitlines() == [
        "a.csv:1: the first row is a heading: 'Unnamed: 0' stands above a column where all else is a number",
        "a.csv: the text is column 'Words' (the longest values)",
        "a.csv: the label is column 'Stars given' (its name)",
        "a.csv: columns that are not read: Unnamed: 0, When",
    ]


def test_columns_that_may_both_be_meant_are_refused(tmp_path: Path) -> None:
    rows = [("id", "first", "second", "said", "held")]
    rows += [(str(7 * n), text, text[::-1], label, label.upper()) for n, (text, label) in enumerate(FILMS)]
    path = write(tmp_path, "a.csv", table(rows))
    assert "expected one column that may be meant, got 2: 'first', 'second'; name it by --text-column" in refused(path)
    assert "got 2: 'said', 'held'; name it by --label-column" in refused(path, "first")
    assert read(path, "first", "said") == read(path, "2", "4") == FILMS


def test_a_heading_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,label,text\none,x,uno\ntwo,y,due\n")
    assert "got 2: 'text [1]', 'text [3]'; name it by --text-column, or by its number" in refused(path)
    assert "got 2: 'text [1]', 'text [3]'" in refused(path, "text")
    assert read(path, "3") == [("uno", "x"), ("due", "y")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sep=;\ntext;label\ngood, film;pos\nbad film;neg\n", [("good, film", "pos"), ("bad film", "neg")]),
        ('"sep=|"\r\ntext|label\r\ngood film|pos\r\nbad film|neg\r\n', PAIRS),
        ("\n\r\n  \ntext;label\ngood film;pos\nbad film;neg\n", PAIRS),
        ("text\tlabel\ngood film\tpos\nbad film\tneg\n", PAIRS),
        ('label, text\nneg, "slow, but good"\npos, "ok"\n', [("slow, but good", "neg"), ("ok", "pos")]),
        ("text,label,,\ngood film,pos,,\nbad film,neg,,\n,,,\n", PAIRS),
        ("\ufefftext,label\ngood film,pos\nbad film,neg\n", PAIRS),
    ],
)
def test_what_spreadsheets_write(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert read(write(tmp_path, "a.csv", text)) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.csv",
            "text,label\nfine,pos\nWell, so so,neg\n",
            "a.csv:3: expected 2 columns, as many as there are headings",
        ),
        ("a.csv", "label,text\npos,fine\nneg,Well, so so\n", "got 3, the last ' so so'; put quotes around a text"),
        ("a.tsv", "text\tlabel\nfine\tpos\nso\tso\tneg\n", "a.tsv:3: expected 2 columns"),
        ("a.csv", "so; so,pos\nfine; good,neg\n", "lines that are divided by commas as well as by semicolons; name it"),
        ("a.csv", "text,label\nfine,pos\nnan,neg\n", "a.csv:3: expected a value in column 'text', got 'nan'"),
        ("a.csv", "text,label\nfine,pos\nso,NaN\n", "a.csv:3: expected a value in column 'label', got 'NaN'"),
        (
            "a.csv",
            "text,label,split\na,x,train\nb,y,test\n",
            "got column 'split', which says of each whether it is for",
        ),
        (
            "a.csv",
            "when,load\n10:00,4.5\n11:00,4.7\n12:00,5.1\n",
            "expected a column of texts or classes, got numbers or",
        ),
        (
            "a.csv",
            "what,when\nso fine,10:00\nso so,11:00\nbad,12:00\n",
            "got numbers or times alone; pass --label-column",
        ),
        ("a.csv", "so here,2019\nfine,0\nbad,1\nso,0\nno,1\n", "a.csv:1: expected a heading, or a row like the others"),
        (
            "a.jsonl",
            '{"text": "a", "text": "b", "label": "x"}\n',
            "a.jsonl:1: expected JSON, which this is not ('text' stands",
        ),
        ("a.jsonl", '{"text": null, "label": "x"}\n', "a.jsonl:1: expected a value in column 'text', got none"),
        ("a.jsonl", '{"text": "a", "label": NaN}\n', "a.jsonl:1: expected a value in column 'label', got none"),
        ("a.jsonl", '{"text": 5, "label": "x"}\n', "a.jsonl:1: expected a text in column 'text', got a number, '5'"),
        ("a.jsonl", '{"text": ["a"], "label": "x"}\n', "a.jsonl:1: expected a text in column 'text', got a list"),
        ("a.jsonl", '{"text": {"a": 1}, "label": "x"}\n', "got an object"),
        ("a.jsonl", '{"text": "a", "label": ["x"]}\n', "a.jsonl:1: expected one label in column 'label', got a list"),
    ],
)
def test_what_would_be_misread_is_refused_with_its_line(tmp_path: Path, name: str, text: str, expected: str) -> None:
    assert expected in refused(write(tmp_path, name, text))


def test_a_label_is_the_column_of_that_name_though_the_first_rows_have_none(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": n, "text": f"a {n}", "label": None} for n in range(1200)]
    path = write(tmp_path, "a.jsonl", "".join(f"{json.dumps(row)}\n" for row in [*rows, {"text": "b", "label": "x"}]))
    assert "a.jsonl:1: expected a value in column 'label', got none" in refused(path)


def test_what_an_annotator_did_not_accept_is_left_out(tmp_path: Path) -> None:
    rows = [{"text": t, "label": "x", "answer": a} for t, a in (("a", "accept"), ("b", "reject"), ("c", "ignore"))]
    path = write(tmp_path, "a.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert read(path) == [("a", "x")]
    assert "left out: the answer is reject" in told(path)
    assert "left out: the answer is ignore" in told(path)
    asked = [{**row, "answer": "yes"} for row in rows]  # another's column of that name
    assert len(read(write(tmp_path, "a.jsonl", "".join(f"{json.dumps(row)}\n" for row in asked)))) == 3


# What is written is what is read -------------------------------------------------------------------------------------

cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
filled = cells.filter(str.strip)


@quick
@given(st.lists(st.tuples(filled, cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_every_table_that_csv_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list, separator: str
) -> None:
    heading = ("name", "text", "label")
    assume(heading not in rows and all("text" not in row for row in rows))
    path = write(tmp_path_factory.getbasetemp(), "any.csv", table([heading, *rows], separator))
    with suppress(UserError) if len({",", ";", "\t", "|"} & set("".join(map("".join, rows)))) > 1 else nullcontext():
        found = [tuple(columns.values()) for _, columns in read_rows(path, {"text"})]
        assert found == rows


@quick
@given(st.lists(st.tuples(filled, cells), min_size=2, max_size=8), st.data())
def test_a_cell_too_many_or_too_few_names_its_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    changed: list[tuple[str, ...]] = [*rows]
    changed[at] = data.draw(st.sampled_from([(*rows[at], "more"), rows[at][:1]]))
    path = write(tmp_path_factory.getbasetemp(), "any.csv", table([("text", "label"), *changed]))
    with pytest.raises(UserError, match=rf"any.csv:{at + 2}: expected 2 columns|as well as by"):
        list(read_rows(path, {"text"}, header=True))


values = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)


@quick
@given(st.lists(st.tuples(cells | values, filled | values | st.lists(cells)), min_size=1, max_size=6))
def test_every_json_line_is_read_or_refused_by_its_number(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows]
    path = write(tmp_path_factory.getbasetemp(), "any.jsonl", "".join(lines))
    good = [isinstance(text, str) and label is not None and not isinstance(label, list) for text, label in rows]
    if all(good):
        found = read(path)
        assert [text for text, _ in found] == [text for text, _ in rows]
        assert [label for _, label in found] == [
            label.strip() if isinstance(label, str) else json.dumps(label) for _, label in rows
        ]
    else:
        assert refused(path).startswith(f"any.jsonl:{good.index(False) + 1}: expected ")
