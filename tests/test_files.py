"""Files stand whole or not at all, under faults of the disk and beside other writers, and nothing else is touched."""

from __future__ import annotations

import ast
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import throughtime
from sources import parsed
from throughtime.errors import UserError
from throughtime.files import append_text, make_folder, sweep, write_atomically, write_chunks, write_json, write_text

ROOT = Path(throughtime.__file__).parent
REAL = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "fchmod", "ftruncate")}


@pytest.fixture(autouse=True)
def the_disk_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", REAL["fsync"])


def below(folder: Path) -> dict[str, object]:
    """Everything in a folder: bytes, mode, and where links lead."""
    return {
        str(path.relative_to(folder)): (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
            path.lstat().st_mode,
        )
        for path in folder.rglob("*")
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that passes for a model's."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "vocabulary.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else, with a file that only they may read."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("theirs")
    (folder / "secret").chmod(0o600)
    return folder


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_text(path, "new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "chunks": lambda path: write_chunks(path, [b"ne", b"w"]),
    "a library": lambda path: write_atomically(path, lambda partial: partial.write_bytes(b"new")),
    "appended": lambda path: append_text(path, "new"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_link_is_not_written_through(name: str, model: Path, outside: Path) -> None:
    before = below(outside)
    for planted in ("file", ".file.partial"):
        (model / planted).symlink_to(outside / "secret")
    if name == "appended":
        with pytest.raises(UserError, match="model/file: expected a file of the model's own, found a link"):
            WRITERS[name](model / "file")
    else:
        WRITERS[name](model / "file")
        assert not (model / "file").is_symlink()
        assert stat.S_IMODE((model / "file").stat().st_mode) == 0o644
    assert below(outside) == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_linked_folder_of_a_model_is_not_entered(name: str, model: Path, outside: Path) -> None:
    before = below(outside)
    (model / "sub").mkdir()
    for link in (model / "page", model / "sub" / "page"):
        link.symlink_to(outside)
        with pytest.raises(UserError, match="page: expected a folder of the model's own, found a link"):
            WRITERS[name](link / "file")
        with pytest.raises(UserError, match="page: expected a folder of the model's own, found a link"):
            make_folder(link / "deeper")
    assert below(outside) == before


def test_links_on_the_way_to_a_model_are_the_users_own(model: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "short").symlink_to(model)
    make_folder(tmp_path / "link" / "model" / "page")
    write_text(tmp_path / "short" / "page" / "file", "new")
    assert (model / "page" / "file").read_text() == "new"


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_no_file_is_neither_written_nor_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path("/dev/null")
    for name in ("text", "appended"):
        with pytest.raises((UserError, OSError), match=r"expected a file|No such device|Is a directory") as caught:
            WRITERS[name](path)
        assert str(path) in str(caught.value)
    assert path.exists()
    assert not path.is_file()


def test_a_name_of_any_length(tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127, "猫" * 85):
        write_text(tmp_path / name, "new")
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def calls(path: Path, write: Callable[[Path], object]) -> Iterator[tuple[str, int]]:
    """Every call to the system that a writer makes, by name and number."""
    for name in REAL:
        made = 0

        def count(*given: object, name: str = name) -> object:
            nonlocal made
            made += 1
            return REAL[name](*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"throughtime.files.os.{name}", count)
            write(path)
        yield from ((name, number) for number in range(made))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "a library"])
def test_a_fault_at_any_call_leaves_the_old_file_alone_and_names_it(name: str, error: int, tmp_path: Path) -> None:
    path, old = tmp_path / "file", "old\n"
    seen = set()
    for call, number in list(calls(tmp_path / "other", WRITERS[name])):
        (tmp_path / "other").unlink(missing_ok=True)
        path.write_text(old)
        left = number

        def fail(first: object, *given: object, call: str = call) -> object:
            nonlocal left
            if left:
                left -= 1
                return REAL[call](first, *given)
            if call == "write":  # a part has reached the disk already
                REAL["write"](first, given[0][:2])  # type: ignore[index]
            left = 1 << 30
            raise OSError(error, os.strerror(error))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"throughtime.files.os.{call}", fail)
            with pytest.raises(OSError, match=os.strerror(error)) as caught:
                WRITERS[name](path)
        assert caught.value.filename == str(path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
        # When only the folder could not be waited for, the whole new file stands.
        late = (call, number) == ("fsync", 1) or (call, number) == ("open", 3)
        assert (path.read_text() == old) != late
        seen.add(call)
    assert seen == ({"open", "write"} if name == "appended" else {"open", "write", "fsync", "replace", "fchmod"})


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.urandom(2_000)
    monkeypatch.setattr("throughtime.files.os.write", lambda number, data: REAL["write"](number, data[:7]))
    write_chunks(tmp_path / "file", [whole[:900], whole[900:]])
    append_text(tmp_path / "log", "line\n" * 10)
    assert (tmp_path / "file").read_bytes() == whole
    assert (tmp_path / "log").read_text() == "line\n" * 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_left_of_a_writer_that_was_stopped(error: type[BaseException], tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a part"
        raise error

    with pytest.raises(error):
        write_chunks(tmp_path / "file", chunks())
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_another_file_keeps_its_name(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield (tmp_path / "source").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        write_chunks(tmp_path / "file", chunks())
    assert caught.value.filename == str(tmp_path / "source") or caught.value.filename == tmp_path / "source"


def test_readers_beside_two_writers_see_one_of_them_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.files.os.fsync", lambda _: None)
    path, wholes = tmp_path / "file", [letter * 50_000 for letter in "ab"]
    write_text(path, wholes[0])
    end = threading.Event()
    failed = []

    def write(text: str) -> None:
        while not end.is_set():
            try:
                write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
            except OSError as error:
                failed.append(error)

    writers = [threading.Thread(target=write, args=(text,)) for text in wholes]
    for writer in writers:
        writer.start()
    torn = [text for text in (path.read_text() for _ in range(400)) if text not in wholes]
    end.set()
    for writer in writers:
        writer.join()
    assert (torn, failed) == ([], [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def killed(partial: Path) -> None:
        partial.write_bytes(b"a part")
        partial.rename(kept := tmp_path / partial.name)
        (tmp_path / "copy").write_text(kept.name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, killed)
    (tmp_path / (tmp_path / "copy").read_text()).write_text("a part")
    (tmp_path / ".fileother.partial").write_text("another's")
    sweep(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".fileother.partial", "copy"]


WRITING = {"write_text", "write_bytes", "savefig", "mkdir", "makedirs", "mkdtemp", "tofile", "symlink", "rename",
           "NamedTemporaryFile", "mkstemp", "SummaryWriter", "dump_midi", "save_file", "touch", "copyfile"}  # fmt: skip
ALLOWED = {
    "files.py": "the one that writes",
    "applications/folder/model_folder.py": "mkdir of a folder with a random name",
    "pictures.py": "savefig into memory",
    "tasks/text/task.py": "texts in memory, in a folder that was just made and soon is gone",
    "tasks/video/memory.py": "a video, through write_atomically",
    "bench/measures/probe.py": "a file of the kernel's",
    "engine/compiled/llvm/store.py": "the cache has rules of its own",
    "data/music/abc.py": "a file for the program that reads ABC, in a folder that was just made",
}


def writes(source: str) -> Iterator[int]:
    """Lines that open a file to write it, or make a folder, past :mod:`throughtime.files`."""
    for node in ast.walk(parsed(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        modes = [value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        opens = called == "open" and any(set(mode) & set("wax+") and len(mode) <= 3 for mode in modes)
        if opens or (called in WRITING and isinstance(node.func, ast.Attribute)):
            yield node.lineno


def test_one_module_alone_writes() -> None:
    """So that a new task, command or picture is as safe as those that are tested here."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        source = file.read_text("utf-8")
        for number in writes(source):
            if "os.devnull" not in source.splitlines()[number - 1]:
                found.setdefault(str(file.relative_to(ROOT)), number)
    assert set(found) == set(ALLOWED)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('open(path, "w")', 1),
        ('path.open("ab")', 1),
        ('path.open(mode="x")', 1),
        ('path.write_text("x")', 1),
        ("folder.mkdir()", 1),
        ("figure.savefig(path)", 1),
        ("write_text(path, text)", 0),
        ('path.open("rb")', 0),
        ("path.open()", 0),
    ],
)
def test_a_line_that_writes_is_found(line: str, count: int) -> None:
    assert len(list(writes(line))) == count
