"""Nothing opens a connection unasked: no module imports what could, and nothing that trains or predicts does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import throughtime
from forked import Forked, execute
from sources import parsed

ROOT = Path(throughtime.__file__).parent
NETWORK = {
    *("socket", "socketserver", "ssl", "urllib", "http", "ftplib", "smtplib", "poplib", "imaplib", "xmlrpc", "asyncio"),
    *("telnetlib", "nntplib", "webbrowser", "wsgiref", "requests", "httpx", "httpx2", "httpcore", "httpcore2"),
    *("urllib3", "aiohttp", "websockets", "grpc", "huggingface_hub", "fsspec", "boto3", "paramiko", "pySmartDL"),
}


def connections(source: str) -> set[str]:
    """What a module imports, wherever in it, that could open a connection."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module))
        elif isinstance(node, ast.Call):
            found |= {str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)}
        if isinstance(node, ast.Attribute) and node.attr in ("hub", "load_state_dict_from_url"):
            found.add("urllib")
    found.discard("urllib.parse")  # escapes in names
    return {name.partition(".")[0] for name in found} & NETWORK


def test_no_module_imports_what_opens_connections() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 100
    found = {str(file.relative_to(ROOT)): connections(file.read_text("utf-8")) for file in files}
    for file, names in found.items():  # a server listens; it asks nobody
        names -= {"asyncio", "socket"} if file.startswith("serving/") else set()
        names -= {"fsspec"} if file == "data/shards/names.py" else set()  # for what the user names by its address
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import os, urllib.request",
        "def late():\n    from http.client import HTTPConnection",
        "import importlib\nimportlib.import_module('requests')",
        "torch.hub.load('a', 'b')",
    ],
)
def test_an_import_that_could_is_found(source: str) -> None:
    assert connections(source)


WATCHED = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("a connection is opened")

class Refused(socket.socket):
    __init__ = refuse

socket.socket = Refused
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = refuse
opened = []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith(("socket.", "urllib.")) else None)
"""
IMPORTING = """
import throughtime.api, throughtime.cli.train, throughtime.tasks
assert opened == [], opened
print("alone")
"""
RUNNING = """
from throughtime.cli import main
for arguments in (
    ["train", "text", "text.txt", "--out", "run", "--steps", "2", "--hidden", "4", "--embedding", "4"],
    ["evaluate", "run"],
    ["sample", "run", "--length", "3"],
):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
assert opened == [], opened
print("alone")
"""


def test_importing_opens_no_connection() -> None:
    command = [sys.executable, "-c", WATCHED + IMPORTING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "alone\n"), done.stderr


def test_training_and_sampling_open_no_connection(
    forked: Callable[..., Forked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    monkeypatch.chdir(tmp_path)
    ended = forked(execute, WATCHED + RUNNING).end()
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-1] == "alone"
