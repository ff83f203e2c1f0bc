"""What belongs together stays on one side of every split; folds are of one size and hold every example once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.groups import groups_of
from throughtime.data.splitting import fold, hold_out, together
from throughtime.errors import UserError

GROUPS = st.lists(st.integers(0, 8), min_size=6, max_size=40).filter(lambda groups: len(set(groups)) >= 3)


@settings(max_examples=50, deadline=None)
@given(GROUPS, st.integers(2, 3), st.integers(0, 5))
def test_folds_hold_every_example_once_and_no_group_twice(groups: list[int], folds: int, seed: int) -> None:
    labels = [None] * len(groups)
    found = [fold(groups, labels, folds, number, seed) for number in range(1, folds + 1)]
    assert sorted(place for _, held in found for place in held) == list(range(len(groups)))
    for rest, held in found:
        assert sorted(rest + held) == list(range(len(groups)))
        assert not {groups[place] for place in rest} & {groups[place] for place in held}


def test_folds_are_stratified_and_the_same_for_the_same_seed() -> None:
    labels = ["a"] * 20 + ["b"] * 10
    found = [fold(range(30), labels, 5, number, 0)[1] for number in range(1, 6)]
    assert [Counter(labels[place] for place in held) for held in found] == [{"a": 4, "b": 2}] * 5
    assert found[0] == fold(range(30), labels, 5, 1, 0)[1] != fold(range(30), labels, 5, 1, 1)[1]


def test_as_many_folds_as_examples_leave_one_out() -> None:
    labels = ["a", "b"] * 5
    held = [fold(range(10), labels, 10, number, 0)[1] for number in range(1, 11)]
    assert sorted(held) == [[place] for place in range(10)]
    with pytest.raises(UserError, match="at most 10"):
        fold(range(10), labels, 11, 1, 0)


def test_a_label_of_one_group_alone_is_refused() -> None:
    with pytest.raises(UserError, match="'rare' in one alone"):
        fold(range(5), ["a", "a", "rare", "b", "b"], 2, 1, 0)


def test_what_is_the_same_or_of_one_group_stays_together() -> None:
    numbers = together(["a", "b", "c", "b", "d"], ["x", "y", "x", "z", "z"])
    assert numbers[0] == numbers[2] != numbers[1] == numbers[3] == numbers[4]
    train, held = hold_out("abcde", [0.4], 0, numbers)
    assert ("a" in train) == ("c" in train)
    assert len({"b" in train, "d" in train, "e" in train}) == 1
    assert sorted(train + held) == list("abcde")


def test_groups_come_from_a_column(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("text,label,who\nfine,good,ann\nbad,poor,bob\nwell,good,ann\n")
    places = [(f"{table}:{line}", ()) for line in (2, 3, 4)]
    assert groups_of(places, "who") == groups_of(places, "3") == ["ann", "bob", "ann"]
    with pytest.raises(UserError, match=r"columns are text, label, who \(did you mean 'who'\?\)"):
        groups_of(places, "whom")
    table.write_text("text,label,who\nfine,good,ann\nbad,poor,\n")
    with pytest.raises(UserError, match=r"a\.csv:3: --group: expected a value in column 'who'"):
        groups_of(places[:2], "who")


def test_groups_come_from_the_names_of_files(tmp_path: Path) -> None:
    places = [("list.tsv:1", ("/data/7_ann_1.wav",)), ("b/7_bob_2.mid", ()), ("list.tsv:9", ("/data/0_ann_0.wav",))]
    assert groups_of(places, "_([a-z]+)_") == ["ann", "bob", "ann"]
    with pytest.raises(UserError, match=r"expected the name '7_ann_1\.wav' to match"):
        groups_of(places, "^(b.*)$")
    with pytest.raises(UserError, match=r"whose first group .* the examples have no columns"):
        groups_of(places, "speaker")
    with pytest.raises(UserError, match="no pattern"):
        groups_of(places, "(ann")


def test_a_pattern_that_would_take_years_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.data.groups.SECONDS", 0.05)
    name = f"/data/{'a' * 200}.wav"
    with pytest.raises(UserError, match="takes too long"):
        groups_of([("x", (name,))], r"((?:a|aa)+)\.ogg")
