"""What is recorded of a model folder, and its archive; the command line is all that is called."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from throughtime.cli import run as run_command

SUFFIX = ".tar.xz"
PLACE = "{here}"
PLAIN_FILES = (".json", ".jsonl")
CLOCK = ("seconds", "tokens_per_s")


def call(arguments: list[str]) -> tuple[int, str]:
    """Runs a command in this process, in the working folder: its exit status, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = run_command(arguments)
    if code not in (0, 130):
        raise AssertionError(f"{arguments}: {errors.getvalue()}")
    return code, printed.getvalue()


def said(arguments: list[str]) -> list[Any]:
    """The lines of JSON that a command prints."""
    code, printed = call(arguments)
    assert code == 0, arguments
    return [json.loads(line.replace(str(Path.cwd()), PLACE)) for line in printed.splitlines()]


def history(run: Path) -> list[dict[str, Any]]:
    """How a run went: losses, figures and the learning rate, without the clock; where its random numbers stand."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    drawn = load_file(run / "checkpoint.safetensors")["random"].numpy().tobytes()
    kept = [{name: value for name, value in record.items() if name not in CLOCK} for record in records]
    return [*kept, {"random": hashlib.sha256(drawn).hexdigest()}]


def pack(folder: Path, archive: Path) -> None:
    """A folder as an archive that is the same whenever and wherever it is made."""
    with tarfile.open(archive, "w:xz", preset=9) as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            if path.suffix in PLAIN_FILES:
                content = content.replace(str(folder).encode(), PLACE.encode())
            assert str(folder).encode() not in content, path
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


def unpack(archive: Path, folder: Path) -> dict[str, Any]:
    """The archive's files in a folder, which they are told of; what was recorded."""
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        if path.suffix in PLAIN_FILES and path.name != "record.json":
            path.write_bytes(path.read_bytes().replace(PLACE.encode(), str(folder).encode()))
    record: dict[str, Any] = json.loads((folder / "record.json").read_text("utf-8"))
    return record
