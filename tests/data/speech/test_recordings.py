"""Recordings and their transcripts: manifests of every kind, folders, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from throughtime.data.parts import find_parts
from throughtime.data.speech.recordings import is_recordings, read_recordings
from throughtime.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for name in ("a.wav", "b.flac", "c.mp3"):
        (tmp_path / "clips" / name).write_bytes(b"sound")
    return tmp_path


def said(path: Path, **columns: str) -> list[tuple[str, str]]:
    return [(found.audio.name, found.transcript) for found in read_recordings([path], **columns)]


MANIFESTS = {
    "named.tsv": "client\tpath\tsentence\n7\tclips/a.wav\tto  be \n8\tclips/b.flac\tor not\n",
    "named.csv": 'file,transcript\nclips/a.wav,"to be"\nclips/b.flac,or not\n',
    "bare.tsv": "to be\tclips/a.wav\nor not\tclips/b.flac\n",
    "nemo.jsonl": "".join(
        json.dumps({"audio_filepath": f"clips/{name}", "duration": 1.5, "text": text}) + "\n"
        for name, text in (("a.wav", "to be"), ("b.flac", "or not"))
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_of_every_kind_say_the_same(folder: Path, name: str) -> None:
    (folder / name).write_text(MANIFESTS[name])
    assert said(folder / name) == [("a.wav", "to be"), ("b.flac", "or not")]
    first = read_recordings([folder / name])[0]
    assert first.audio == (folder / "clips" / "a.wav").resolve()
    assert first.where == f"{folder / name}:{1 if name.startswith(('bare', 'nemo')) else 2}"


def test_columns_can_be_named(folder: Path) -> None:
    (folder / "m.csv").write_text("text,path,raw,other\nto be,clips/a.wav,TO BE,clips/b.flac\n")
    assert said(folder / "m.csv", audio="other", transcript="3") == [("b.flac", "TO BE")]


def test_a_folder_has_a_text_beside_every_recording(folder: Path) -> None:
    clips = folder / "clips"
    for name, text in (("a", "to\nbe\n"), ("b", "that  is\n"), ("c", "or not")):
        (clips / f"{name}.txt").write_text(text)
    assert said(clips) == [("a.wav", "to be"), ("b.flac", "that is"), ("c.mp3", "or not")]


def test_parts_are_found_as_manifests_or_folders(folder: Path) -> None:
    (folder / "train.tsv").write_text(MANIFESTS["named.tsv"])
    (folder / "test.jsonl").write_text(MANIFESTS["nemo.jsonl"])
    assert find_parts([folder], is_recordings) == {"train": [folder / "train.tsv"], "test": [folder / "test.jsonl"]}
    other = folder / "other"
    for part in ("train", "dev"):
        (other / part).mkdir(parents=True)
        (other / part / "x.wav").write_bytes(b"sound")
        (other / part / "x.txt").write_text("word")
    assert find_parts([other], is_recordings) == {"train": [other / "train"], "valid": [other / "dev"]}


def test_the_same_twice_is_once(folder: Path) -> None:
    (folder / "one.tsv").write_text(MANIFESTS["named.tsv"])
    (folder / "two.csv").write_text(MANIFESTS["named.csv"])
    assert len(read_recordings([folder / "one.tsv", folder / "two.csv"])) == 2


def test_manifests_that_disagree_are_both_named(folder: Path) -> None:
    (folder / "one.tsv").write_text(MANIFESTS["named.tsv"])
    (folder / "clips" / "two.csv").write_text("path,text\n../clips/b.flac,or knot\n")
    with pytest.raises(UserError) as error:
        read_recordings([folder / "one.tsv", folder / "clips" / "two.csv"])
    assert str(error.value) == (
        f"{folder / 'clips' / 'two.csv'}:2: expected b.flac to say 'or not', as in {folder / 'one.tsv'}:3, "
        "got 'or knot'; mend one of them"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tsv", "path\ttext\nclips/z.wav\thm\n", "m.tsv:2: expected the recording "),
        ("m.tsv", "path\ttext\n\thm\n", "m.tsv:2: expected the recording "),
        ("m.jsonl", '{"path": "clips/a.wav"}\n', "expected two columns, got one, 'path'"),
        ("m.jsonl", '{"path": "clips/a.wav", "text": "x"}\n{"path": "clips/b.flac"}\n', "m.jsonl:2: expected a value"),
        ("m.tsv", "path\ttext\nclips/a.wav\thm\nclips/b.flac\t \n", "m.tsv:3: expected what is said in the recording"),
        ("clips/b.txt", " \n", "b.txt: expected what is said in the recording, got nothing"),
        ("m.json", "[]", "expected a manifest (.csv, .tsv, .tab, .jsonl, .ndjson)"),
        ("clips/a.txt", "words", "b.flac: expected its transcript in b.txt beside it, found none"),
        ("clips/d.txt", "words", "a.wav: expected its transcript in a.txt"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, name: str, content: str, message: str) -> None:
    if name == "clips/b.txt":
        (folder / "clips" / "a.txt").write_text("words")
    (folder / name).write_text(content)
    with pytest.raises(UserError) as error:
        read_recordings([folder / name if "/" not in name else folder / "clips"])
    assert message in str(error.value)


def test_a_text_without_recording_is_named(folder: Path) -> None:
    for name in "abcd":
        (folder / "clips" / f"{name}.txt").write_text("word")
    with pytest.raises(UserError, match=r"d\.txt: expected a recording of that name beside it"):
        read_recordings([folder / "clips"])
