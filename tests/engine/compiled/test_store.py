"""The cache of machine code: found again, and taken from nobody but this user."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from forked import Forked, execute
from throughtime.cells import CELLS
from throughtime.engine import unroll
from throughtime.engine.compiled import cellcode
from throughtime.engine.compiled.llvm import build, store
from throughtime.errors import UserError

OTHER = 4321
"""The id of a user who is nobody here."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes say nothing on Windows")
root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away")


@pytest.fixture
def python(forked: Callable[..., Forked]) -> Callable[..., str]:
    """What a process of its own prints; what it says on stderr is a fault."""

    def run(code: str, **environment: str) -> str:
        ended = forked(execute, code, **environment).end()
        assert (ended.status, ended.err) == (0, "")
        return ended.out.strip()

    return run


CACHED = """
import sys, torch
from throughtime.cells import CELLS
from throughtime.engine import unroll
torch.set_num_threads(1)

def go(batch, time, hidden):
    cell = CELLS["rnn"](2, hidden)
    torch.manual_seed(0)
    parameters = {n: torch.randn(p.shape) / hidden**0.5 for n, p in cell.parameters().items()}
    x = torch.randn(batch, time, 2, requires_grad=True)
    outputs, _ = unroll(cell, parameters, x, engine="compiled")
    if time:
        outputs.sum().backward()
    torch.testing.assert_close(outputs, unroll(cell, parameters, x, engine="reference")[0], rtol=1e-3, atol=1e-4)
    return outputs.sum().item()
"""


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_size) for file in folder.iterdir()}


def test_machine_code_is_kept_and_found_again(python: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    first = python(CACHED + "print(go(3, 4, 5))", THROUGHTIME_CACHE=str(folder))
    kept = files(folder)
    assert len(kept) == 3  # forward, backward, and what every cell calls
    assert all(name.endswith(".o") for name in kept)
    # no shape is in the code
    sizes = "; [go(*s) for s in ((1, 1, 1), (7, 2, 33), (20, 9, 100), (0, 3, 4), (2, 0, 5))]"
    assert python(CACHED + "print(go(3, 4, 5))" + sizes, THROUGHTIME_CACHE=str(folder)) == first
    assert files(folder) == kept


def test_what_every_cell_calls_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    answer("rnn")
    kept, compiled, make = files(tmp_path), [], build._compile
    monkeypatch.setattr(build, "_compile", lambda text: compiled.append(text) or make(text))
    answer("gru-full")
    assert len(compiled) == 2  # forward and backward
    assert not any("define void @product" in text for text in compiled)
    assert kept.items() <= files(tmp_path).items()


@pytest.fixture(autouse=True)
def as_in_a_new_process() -> None:
    store._TOLD.clear()


def answer(name: str = "rnn") -> dict[str, torch.Tensor]:
    """A run in this process as if it were the first."""
    build.build.cache_clear()
    build.shared.cache_clear()
    cellcode.compile_cell.cache_clear()
    cell = CELLS[name](2, 5)
    source = torch.Generator().manual_seed(0)
    parameters = {n: torch.randn(p.shape, generator=source).requires_grad_() for n, p in cell.parameters().items()}
    outputs, _ = unroll(cell, parameters, torch.ones(2, 3, 2), engine="compiled")
    outputs.sum().backward()
    return {"outputs": outputs.detach(), **{n: v.grad for n, v in parameters.items() if v.grad is not None}}


def test_a_damaged_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: Any) -> None:
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    first = answer()
    whole = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(whole) == 3
    for damage in ("cut", "changed", "empty", "digest alone"):
        for file, content in whole.items():
            wrong = bytearray(content)
            wrong[-100] ^= 255
            file.write_bytes(
                {"cut": content[:-64], "changed": bytes(wrong), "empty": b"", "digest alone": content[:32]}[damage]
            )
        same(answer(), first)
        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == whole


def test_a_cache_that_is_no_folder_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: Any
) -> None:
    expected = answer()
    file = tmp_path / "file"
    file.write_text("mine")
    for place in (file, file / "below"):
        monkeypatch.setenv("THROUGHTIME_CACHE", str(place))
        same(answer(), expected)
    assert file.read_text() == "mine"


KEY, THEIRS = b"k" * 32, b"t" * 32


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "read only"), UserError("full")])
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise error  # a folder's mode would not stop the root user

    monkeypatch.setattr(store, "write_chunks", refuse)
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    store.keep(KEY, b"code")
    assert store.load(KEY) is None
    assert files(tmp_path) == {}


def test_no_folder_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "read only")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path / "new"))
    store.keep(KEY, b"code")
    assert store.load(KEY) is None


def test_code_under_another_key_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a GRU, an RNN's code waits for ever: whatever a file's name, it is its key that counts."""
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    store.keep(KEY, b"mine")
    store.keep(THEIRS, b"theirs")
    mine, theirs = (tmp_path / store._name(key) for key in (KEY, THEIRS))
    whole = mine.read_bytes()
    for put in (shutil.copy, os.replace):
        put(theirs, mine)
        assert store.load(KEY) is None
        store.keep(KEY, b"mine")
        assert store.load(KEY) == b"mine"
        assert mine.read_bytes() == whole
    for place in range(len(whole)):
        mine.write_bytes(whole[:place])
        assert store.load(KEY) is None
        mine.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert store.load(KEY) is None
    mine.write_bytes(whole + b"more")
    assert store.load(KEY) is None


def test_the_key_covers_all_that_the_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [build._key("a"), build._key("b")]
    made_for = build.processor()
    with monkeypatch.context() as patch:
        patch.setattr(build, "__version__", "0.0.0")
        keys.append(build._key("a"))
    with monkeypatch.context() as patch:
        patch.setattr("llvmlite.__version__", "0.0.0")
        keys.append(build._key("a"))
    with monkeypatch.context() as patch:
        patch.setattr(build._llvm(), "llvm_version_info", (0, 0, 0))
        keys.append(build._key("a"))
    for other in ({"name": "z80"}, {"triple": "cp/m"}, {"features": {**made_for.features, "sse9": True}}):
        monkeypatch.setattr(build, "processor", lambda other=other: replace(made_for, **other))
        keys.append(build._key("a"))
    assert len(set(keys)) == len(keys) == 8
    assert {len(key) for key in keys} == {32}


@posix
def test_what_is_made_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b"
    monkeypatch.setenv("THROUGHTIME_CACHE", str(folder))
    before = os.umask(0)
    try:
        store.keep(KEY, b"code")
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (folder.parent, folder, file)] == [0o700, 0o700, 0o600]
    assert store.load(KEY) == b"code"


def through(tmp_path: Path, mode: int, owner: int) -> Path:
    """A folder of ours behind a link that stands in a folder of such a mode and owner."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to("../real")
    os.chown(tmp_path / "open", owner, -1)
    (tmp_path / "open").chmod(mode)
    return tmp_path / "open" / "link"


def of(tmp_path: Path, mode: int, owner: int) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    os.chown(folder, owner, -1)
    folder.chmod(mode)
    return folder


def below(tmp_path: Path, mode: int, owner: int) -> Path:
    folder = of(tmp_path, mode, owner) / "below"
    folder.mkdir(mode=0o700)
    return folder


def link_of_another(tmp_path: Path) -> Path:
    """In a folder like /tmp, the link itself is another's."""
    folder = through(tmp_path, 0o1777, os.geteuid())
    os.chown(folder, OTHER, -1, follow_symlinks=False)
    return folder


def chain(tmp_path: Path) -> Path:
    """A link of ours to a link that others can change."""
    (tmp_path / "mine").symlink_to(through(tmp_path, 0o777, os.geteuid()))
    return tmp_path / "mine"


ME = getattr(os, "geteuid", lambda: 0)()
OPEN: dict[str, Callable[[Path], Path]] = {
    "group may write": lambda t: of(t, 0o770, ME),
    "all may write": lambda t: of(t, 0o777, ME),
    "parent open to all": lambda t: below(t, 0o777, ME),
    "parent open to the group": lambda t: below(t, 0o775, ME),
    "link in a folder open to all": lambda t: through(t, 0o777, ME),
    "link to such a link": chain,
}
GIVEN: dict[str, Callable[[Path], Path]] = {
    "another's": lambda t: of(t, 0o755, OTHER),
    "in another's": lambda t: below(t, 0o755, OTHER),
    "link in another's folder": lambda t: through(t, 0o755, OTHER),
    "another's link": link_of_another,
}


@posix
@pytest.mark.parametrize(
    ("variable", "make"),
    [
        *((variable, make) for variable in ("THROUGHTIME_CACHE", "XDG_CACHE_HOME") for make in OPEN.values()),
        *(
            pytest.param(variable, make, marks=root)
            for variable in ("THROUGHTIME_CACHE", "XDG_CACHE_HOME")
            for make in GIVEN.values()
        ),
        ("THROUGHTIME_CACHE", lambda t: of(t, 0o1777, ME)),
    ],
)
def test_a_folder_that_others_can_change_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, make: Callable[[Path], Path]
) -> None:
    named = make(tmp_path)
    monkeypatch.delenv("THROUGHTIME_CACHE", raising=False)
    monkeypatch.setenv(variable, str(named))
    folder = named if variable == "THROUGHTIME_CACHE" else named / "throughtime"
    planted = folder.resolve() / store._name(KEY)
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(store._sealed(KEY, b"evil"))

    def use() -> None:
        assert store.load(KEY) is None
        store.keep(KEY, b"good")
        assert store.load(THEIRS) is None

    with pytest.warns(RuntimeWarning, match="are not taken from") as told:
        use()
    assert len(told) == 1
    assert str(folder) in str(told[0].message)
    assert "\n" not in str(told[0].message)
    assert files(planted.parent).keys() == {planted.name}
    assert planted.read_bytes() == store._sealed(KEY, b"evil")


@posix
@pytest.mark.parametrize(
    "give",
    [
        pytest.param(lambda file: os.chown(file, OTHER, -1), marks=root),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
    ],
)
def test_a_file_that_others_could_write_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    store.keep(KEY, b"code")
    (file,) = tmp_path.iterdir()
    give(file)
    with pytest.warns(RuntimeWarning, match=r"others may write to|belongs to user 4321") as told:
        assert [store.load(KEY) for _ in range(2)] == [None, None]
    assert len(told) == 1
    store.keep(KEY, b"code")  # in a folder of ours what is ours takes its place
    assert store.load(KEY) == b"code"


@posix
def test_the_line_is_one_line(forked: Callable[..., Forked], tmp_path: Path) -> None:
    """On a terminal: no line of code below it, once a process, and the code computes."""
    folder = of(tmp_path, 0o777, ME)
    ended = forked(execute, CACHED + "go(1, 2, 3)", THROUGHTIME_CACHE=str(folder)).end()
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.count("\n") == 1
    assert ended.err == (
        f"throughtime:0: RuntimeWarning: compiled cells are not taken from {folder}: others may write to {folder} "
        "(chmod go-w mends that); THROUGHTIME_CACHE names another folder\n"
    )
    assert list(folder.iterdir()) == []


@posix
def test_links_of_ours_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "way").mkdir(mode=0o755)
    (tmp_path / "way" / "one").symlink_to("../real")
    (tmp_path / "two").symlink_to(tmp_path / "way")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "shared" / "mine").symlink_to(tmp_path / "two" / "one")
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path / "shared" / "mine"))
    store.keep(KEY, b"code")
    assert store.load(KEY) == b"code"
    assert [file.name for file in (tmp_path / "real").iterdir()] == [store._name(KEY)]
    monkeypatch.chdir(tmp_path / "way")
    monkeypatch.setenv("THROUGHTIME_CACHE", "../two/one")
    assert store.load(KEY) == b"code"


@posix
def test_a_circle_of_links_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path / "a"))
    store.keep(KEY, b"code")
    assert store.load(KEY) is None


@posix
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "link", "long"])
def test_what_is_no_file_of_code_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("THROUGHTIME_CACHE", str(tmp_path))
    store.keep(KEY, b"code")
    (file,) = tmp_path.iterdir()
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    if kind == "fifo":
        os.mkfifo(file, 0o600)
    elif kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "link":
        file.symlink_to(elsewhere)
    else:
        with file.open("wb") as sparse:
            sparse.truncate(1 << 40)
        file.chmod(0o600)
    start = time.perf_counter()
    assert store.load(KEY) is None
    store.keep(KEY, b"code")
    assert store.load(KEY) == (None if kind == "folder" else b"code")
    assert time.perf_counter() - start < 5


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("THROUGHTIME_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert store.cache_folder() is None
    store.keep(KEY, b"code")
    assert store.load(KEY) is None


@posix
@root
def test_a_bare_user_id_computes(python: Callable[..., str]) -> None:
    """As in a container: no name, no home, nothing to write to."""
    code = """
    import os
    from pathlib import Path
    from throughtime.engine.compiled.llvm import store
    for name in ("HOME", "THROUGHTIME_CACHE", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.setuid(54321)
    try:
        Path.home()
    except RuntimeError:
        print("homeless")
    store.keep(b"k" * 32, b"code")
    print(store.load(b"k" * 32))
    os.environ["HOME"] = "/"
    store.keep(b"k" * 32, b"code")
    print(store.load(b"k" * 32))
    """
    assert python(code).split() == ["homeless", "None", "None"]


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("THROUGHTIME_CACHE", raising=False)
    for caches, expected in (
        ("", tmp_path / ".cache" / "throughtime"),
        ("relative", tmp_path / ".cache" / "throughtime"),  # by the standard, to be ignored
        (str(tmp_path / "x"), tmp_path / "x" / "throughtime"),
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
        assert store.cache_folder() == expected
    monkeypatch.setenv("THROUGHTIME_CACHE", "own")
    assert store.cache_folder() == Path("own")
