"""Processes that read inputs, forked with all that is imported; the first process watches, and kills what hangs."""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import pickle
import resource
import select
import shutil
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fuzzing.bait import MODULE, OUTSIDE
from fuzzing.inputs import Inputs, Place
from fuzzing.verdicts import FINE, Verdict, judge
from throughtime.applications.folder import references

MOST_MEMORY = 1 << 30
"""Bytes that reading an input may take, beside what the process takes anyhow."""

MOST_SECONDS = 10.0
"""Of an input."""

CEILING = 3 << 30
"""Bytes beyond which a process gets no more memory, so that the machine stays usable."""

STATE = struct.Struct("<qd")
"""The number of the input that is read, and when that began; between two: the negative number of those done, less 1."""


@dataclass(frozen=True)
class Result:
    """What became of an input, of which case, after how many seconds, with how many bytes more."""

    number: int
    case: str
    target: str
    verdict: Verdict
    seconds: float
    memory: int


@dataclass
class _Worker:
    """A process: what tells of it, and what it has to do."""

    pid: int
    pipe: BinaryIO
    state: mmap.mmap
    home: Path
    numbers: Sequence[int]


def fuzz(
    inputs: Inputs, numbers: Sequence[int], home: Path, workers: int = 2, most_seconds: float = MOST_SECONDS
) -> Iterator[Result]:
    """Reads the inputs of such numbers, in any order.

    Args:
        inputs: All of them.
        numbers: Those to read.
        home: A folder for what the processes write, best in memory.
        workers: Processes.
        most_seconds: After which reading an input counts as hung.
    """
    shares = [numbers[n::workers] for n in range(workers)]
    running = [_fork(inputs, share, home / f"{n}") for n, share in enumerate(shares) if share]
    try:
        while running:
            select.select([worker.pipe for worker in running], [], [], 0.1)
            for worker in list(running):
                yield from _results(worker)
                lost = _lost(inputs, worker, most_seconds)
                if lost is None:
                    continue
                running.remove(worker)
                left, found = lost
                yield from found
                if left:
                    running.append(_fork(inputs, left, worker.home))
    finally:
        for worker in running:
            _end(worker)


def _fork(inputs: Inputs, numbers: Sequence[int], home: Path) -> _Worker:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    state = mmap.mmap(-1, STATE.size)
    state[:] = STATE.pack(-1, time.monotonic())
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        try:
            os.close(out)
            _work(inputs, numbers, home, state, into)
        except BaseException as error:  # nothing of this process may go on as if it were the first
            (home / "broken").write_text(repr(error))
        finally:
            os._exit(0)
    os.close(into)
    os.set_blocking(out, False)
    return _Worker(pid, os.fdopen(out, "rb", 0), state, home, numbers)


def _results(worker: _Worker) -> Iterator[Result]:
    """What the process has told of since."""
    while select.select([worker.pipe], [], [], 0)[0]:
        os.set_blocking(worker.pipe.fileno(), True)
        head = worker.pipe.read(8)
        if len(head or b"") < 8:
            return
        content, size = b"", int.from_bytes(head or b"", "little")
        while len(content) < size:
            part = worker.pipe.read(size - len(content))
            if not part:
                return
            content += part
        result: Result = pickle.loads(content)
        yield result


def _lost(inputs: Inputs, worker: _Worker, most_seconds: float) -> tuple[Sequence[int], list[Result]] | None:
    """What is left to do by a process that ended, or had to be ended, and what became of its last input."""
    number, begun = STATE.unpack(worker.state[:])
    seconds = time.monotonic() - begun
    ended, status = os.waitpid(worker.pid, os.WNOHANG)
    hung = not ended and number >= 0 and seconds > most_seconds
    if not ended and not hung:
        return None
    if hung:
        os.kill(worker.pid, signal.SIGUSR1)  # writes down where it stands
        time.sleep(0.2)
        _end(worker)
    found = list(_results(worker))
    worker.pipe.close()
    broken = worker.home / "broken"
    if broken.exists():
        raise RuntimeError(f"a process of the fuzzer broke: {broken.read_text()}")
    if number < 0:  # between two inputs
        return worker.numbers[-number - 1 :], found
    stack = (worker.home / "stack").read_text()
    lines = [line.strip() for line in stack.splitlines() if f"{os.sep}throughtime{os.sep}" in line]
    where = lines[0].rpartition(os.sep)[2] if lines else "?"
    kind = "hang" if hung else "death"
    what = "" if hung else f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {status >> 8}"
    one = inputs[number]
    verdict = Verdict(kind, f"{what}\n{stack}", f"{kind} {what} {where}")
    found.append(Result(number, one.case.name, one.target, verdict, seconds, 0))
    return worker.numbers[worker.numbers.index(number) + 1 :], found


def _end(worker: _Worker) -> None:
    """Kills a process and those that it left behind."""
    for end in (os.killpg, os.kill):
        try:
            end(worker.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    with contextlib.suppress(ChildProcessError):
        os.waitpid(worker.pid, 0)


def _work(inputs: Inputs, numbers: Sequence[int], home: Path, state: mmap.mmap, into: int) -> None:
    """The whole life of a process."""
    os.setsid()
    _prepare(home)
    stack = (home / "stack").open("w")
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR1, stack)
    places: dict[str, Place] = {}
    base = _peak()
    for at, number in enumerate(numbers):
        result = _one(inputs, number, home, places, state, base)
        spent = result.memory > MOST_MEMORY // 2  # the peak of a process never sinks
        content = pickle.dumps(result)
        _write(into, len(content).to_bytes(8, "little") + content)
        state[:] = STATE.pack(-at - 2, time.monotonic())
        if spent:
            return


def _write(into: int, content: bytes) -> None:
    while content:
        content = content[os.write(into, content) :]


def _prepare(home: Path) -> None:
    """Shuts a process in: no output, little memory, folders of its own, and bait beside them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    for name in ("home", "tmp", OUTSIDE, "modules"):
        (home / name).mkdir()
    (home / OUTSIDE / "file").write_text("as it was")
    (home / "modules" / f"{MODULE}.py").write_text("Bait = object\n")
    sys.path.insert(0, str(home / "modules"))
    os.environ |= {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "XDG_CACHE_HOME": str(home / "home")}
    os.environ["XDG_STATE_HOME"] = str(home / "state")  # where it is remembered what the user has trained on
    import tempfile

    tempfile.tempdir = str(home / "tmp")
    os.fsync = lambda fd: None  # nothing here outlives the run
    mapped = int(Path("/proc/self/statm").read_text().split()[5]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_DATA, (mapped + CEILING, mapped + CEILING))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    opened.clear()
    sys.addaudithook(_hear)


opened: list[str] = []
"""Files outside that were opened by a name that leads there."""


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        name = os.fsdecode(arguments[0])
        if f"{OUTSIDE}/file" in name:
            opened.append(name)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _one(inputs: Inputs, number: int, home: Path, places: dict[str, Place], state: mmap.mmap, base: int) -> Result:
    one = inputs[number]
    root = home / str(inputs.cases.index(one.case))
    place = places.get(one.case.name)
    if place is None:
        place = places[one.case.name] = Place(root, one.case.files)
        references.remember([root])  # the user has trained on what lies there
    os.chdir(root)
    place.damage(one.target, one.content)
    opened.clear()
    begun = time.monotonic()
    state[:] = STATE.pack(number, begun)
    names = (Path(one.target).name, str(root), *(Path(name).name for name in one.case.files))
    verdict = judge(lambda: one.case.read(root, one.draw, one.target), names)
    seconds = time.monotonic() - begun
    read_outside = [*opened]
    memory = _peak() - base
    if verdict.kind in FINE and memory > MOST_MEMORY:
        verdict = Verdict("memory", f"{memory / 2**20:,.0f} MiB; {verdict.detail}", f"memory {one.case.name}")
    strays = place.restore()
    if verdict.kind in FINE:
        verdict = _outside(home, one.case.folder, one.target, read_outside, strays) or _children() or verdict
    return Result(number, one.case.name, one.target, verdict, seconds, memory)


def _outside(home: Path, folder: bool, target: str, read: Sequence[str], strays: Sequence[str]) -> Verdict | None:
    """Whether the input reached out of its folder."""
    file = home / OUTSIDE / "file"
    found = list(strays)
    if sorted(os.listdir(home / OUTSIDE)) != ["file"] or file.read_text() != "as it was":
        found.append(f"wrote into {OUTSIDE}")
        shutil.rmtree(home / OUTSIDE)
        file.parent.mkdir()
        file.write_text("as it was")
    if MODULE in sys.modules:
        found.append("imported a module that the input names")
        del sys.modules[MODULE]
    if folder and target == "run/config.json" and read:
        found.append(f"opened {read[0]}")
    for name in ("home", "tmp"):
        for left in (home / name).iterdir():
            found.append(f"left {left} behind")
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return Verdict("outside", "; ".join(found), f"outside {found[0][:40]}") if found else None


def _children() -> Verdict | None:
    """Whether the input left a process behind."""
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return None if pid else Verdict("child", "a process is left behind", "child")
