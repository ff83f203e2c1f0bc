"""Sound and video in tar archives are read where they stand, with the bits of the same files unpacked."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from throughtime.data.shards.tars import samples
from throughtime.data.speech.recordings import read_recordings
from throughtime.errors import UserError
from throughtime.plain import Member, check_regular, confined, member_of, open_regular, read_bytes
from throughtime.runtime.reading.notes import noting

SOUND = (".wav", ".flac")
SAID = ("txt", "json")


def pack(path: Path, members: Mapping[str, bytes], mode: str = "w", kind: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, mode, format=kind) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def sound(kind: str, seconds: float = 0.2, seed: int = 0) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    found, draw = io.BytesIO(), np.random.default_rng(seed)
    soundfile.write(found, (0.1 * draw.standard_normal(round(8000 * seconds))).astype(np.float32), 8000, format=kind)
    return found.getvalue()


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_files_that_every_reader_takes(kind: int, tmp_path: Path) -> None:
    long = "folder/" * 12 + "b.wav"
    path = pack(
        tmp_path / "a.tar", {"a.wav": b"abcdef", "a.txt": b"one", long: b"xyz", "folder/b.json": b"{}"}, kind=kind
    )
    with noting():
        (found,) = [one for one in samples(path, SOUND, SAID) if one.key == "a"]
    assert (found.told, found.where) == ({"txt": b"one"}, f"{path}: a")
    assert member_of(found.media.path) == found.media
    assert read_bytes(found.media.path) == b"abcdef"
    assert check_regular(found.media.path) == 6
    with open_regular(found.media.path) as file:
        assert (file.seek(-2, os.SEEK_END), file.read(), file.read()) == (4, b"ef", b"")
        assert (file.seek(1), file.read(2), file.tell()) == (1, b"bc", 3)
    with pytest.raises(UserError, match="at most 3 bytes, got 6"):
        read_bytes(found.media.path, 3)


def test_samples_of_both_kinds_of_transcript(tmp_path: Path) -> None:
    wav, flac = sound("WAV", seed=1), sound("FLAC", seed=2)
    members = {
        "x/1.wav": wav,
        "x/1.txt": b" the  cat\n",
        "x/2.json": json.dumps({"id": 3, "sentence": "a dog"}).encode(),
        "x/2.flac": flac,
        "x/2.lang": b"en",
        "readme.md": b"",
    }
    path = pack(tmp_path / "a.tar", members)
    with noting() as notes:
        first, second = read_recordings([path])
    assert (first.transcript, second.transcript) == ("the cat", "a dog")
    assert read_bytes(second.audio) == flac
    assert first.where == f"{path}: x/1"
    assert f"{path}: 2 samples, read where they stand in the archive" in notes.taken
    assert [place for places in notes.left_out.values() for place in places] == [
        f"{path}: x/2.lang",
        f"{path}: readme.md",
        f"{path}: readme",
    ]


def test_sound_in_an_archive_is_heard_as_in_its_file(tmp_path: Path) -> None:
    audio = pytest.importorskip("throughtime.data.speech.audio")
    for kind in ("WAV", "FLAC"):
        content = sound(kind, 0.5)
        plain = tmp_path / f"a.{kind.lower()}"
        plain.write_bytes(content)
        path = pack(tmp_path / f"{kind}.tar", {"b.txt": b"one", f"b.{kind.lower()}": content, "c.wav": b"other"})
        with noting():
            found = next(samples(path, SOUND, SAID)).media.path
        assert audio.audio_info(found) == audio.audio_info(plain)
        blocks = [np.concatenate(list(audio.Audio(file).blocks(8000))) for file in (found, plain)]
        np.testing.assert_array_equal(*blocks)


def test_videos_in_an_archive_are_seen_as_in_their_files(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from throughtime.runtime.video.films import Video
    from throughtime.runtime.video.look import Look
    from throughtime.runtime.video.memory import Film
    from throughtime.tasks.video.examples import VideoSettings, read_examples
    from throughtime.tasks.video.memory import write_film

    draw = np.random.default_rng(0)
    contents = {}
    for number, label in enumerate(("wave", "clap")):
        plain = tmp_path / f"{number}.avi"
        write_film(Film(draw.integers(0, 255, (8, 32, 32, 3)).astype(np.uint8), 10.0), plain)
        contents[f"{number}.avi"] = plain.read_bytes()
        told = {"cls": label.encode()} if number else {"json": json.dumps({"label": label}).encode()}
        contents |= {f"{number}.{suffix}": content for suffix, content in told.items()}
    path = pack(tmp_path / "a.tar", contents)
    settings, look = VideoSettings(size=16), Look(16, 10.0, False)
    with noting():
        examples = list(read_examples(path, settings))
    assert [example.label for example in examples] == ["wave", "clap"]
    for number, example in enumerate(examples):
        frames = [np.stack(list(Video(file, look))) for file in (Path(example.path), tmp_path / f"{number}.avi")]
        np.testing.assert_array_equal(*frames)


def with_link(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.wav")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (slice(0, 700), r"it is cut off or damaged|cut off"),  # within a file
        (slice(0, 1024), "at byte 1,024: it is cut off"),  # behind one
        (slice(0, 1536), "at byte|before byte"),  # behind a head
        (slice(0, 100), "expected a tar archive, which this is not"),
        (slice(0, 0), "expected a tar archive, which this is not"),
    ],
)
def test_an_archive_that_is_cut_off_is_refused(keep: slice, said: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", {"a.wav": b"a" * 300, "a.txt": b"one"})
    path.write_bytes(path.read_bytes()[keep])
    with pytest.raises(UserError, match=said) as caught, noting():
        list(samples(path, SOUND, SAID))
    assert str(caught.value).startswith(str(path))


def test_what_is_no_sample_is_told(tmp_path: Path) -> None:
    with_link(path := tmp_path / "link.tar")
    with (
        noting() as notes,
        pytest.raises(UserError, match=r"expected samples with a file of .wav, .flac, found none"),
    ):
        list(samples(path, SOUND, SAID))
    assert list(notes.left_out) == ["a link, a device or a file with holes, or its name leads elsewhere"]
    path = pack(tmp_path / "two.tar", {"a.wav": b"", "a.flac": b"", "a.txt": b""})
    with pytest.raises(UserError, match=r"expected one file of .wav, .flac for a, got a.flac, too"):
        list(samples(path, SOUND, SAID))
    path = pack(tmp_path / "up.tar", {"../a.wav": b"", "../a.txt": b""})
    with noting(), pytest.raises(UserError, match="found none"):
        list(samples(path, SOUND, SAID))
    with pytest.raises(UserError, match=r"expected an archive without compression .* unpack that around it"):
        list(samples(pack(tmp_path / "a.tar.gz", {"a.wav": b""}, "w:gz"), SOUND, SAID))
    path = pack(tmp_path / "silent.tar", {"a.wav": b""})
    with pytest.raises(UserError, match=r"silent.tar: a: expected its transcript in a.txt or .json beside it"):
        read_recordings([path])
    path = pack(tmp_path / "json.tar", {"a.wav": b"", "a.json": b'{"id": 3}'})
    with pytest.raises(UserError, match=r"json.tar: a: expected one of transcript"):
        read_recordings([path])


def test_an_archive_that_was_changed_is_not_read_as_if_it_were_the_same(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", {"a.wav": b"abcdef", "a.txt": b"one"})
    with noting():
        (found,) = samples(path, SOUND, SAID)
    pack(path, {"b.txt": b"x" * 600, "a.wav": b"abcdef", "a.txt": b"one"})
    with pytest.raises(UserError, match=r"a.tar: expected a.wav at byte 512, which is not there: the archive was chan"):
        read_bytes(found.media.path)
    path.unlink()
    with pytest.raises(UserError, match="which does not exist"):
        read_bytes(found.media.path)


def test_a_member_is_read_only_where_its_archive_may_be(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    path = pack(outside / "a.tar", {"a.wav": b"abcdef"})
    for member in (Member(path, 512, 6, "a.wav").path, path / "512+6" / "../../../in/a.wav"):
        with confined(inside), pytest.raises(UserError):
            read_bytes(member)
    assert member_of(path / "512+6" / "../../../in/a.wav") is None
    (inside / "b.tar" / "1+2").mkdir(parents=True)
    (inside / "b.tar" / "1+2" / "c").write_bytes(b"a folder of such a name")
    assert read_bytes(inside / "b.tar" / "1+2" / "c") == b"a folder of such a name"
