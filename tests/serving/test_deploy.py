"""What runs a server elsewhere names options that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from throughtime.applications.settings import flag
from throughtime.cli.serve import KEY, command
from throughtime.serving.settings import ServeSettings

ROOT = Path(__file__).parents[2]
FLAGS = {flag(name) for name in ServeSettings.model_fields}


def options(arguments: list[str]) -> dict[str, str]:
    """The options of a command line, as click reads them."""
    context = command.make_context("serve", arguments)
    return {name: str(value) for name, value in context.params.items() if value is not None}


def test_the_unit_serves() -> None:
    unit = (ROOT / "deploy" / "throughtime.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, serve, *arguments = shlex.split(line)
    assert program.endswith("/throughtime")
    assert serve == "serve"
    found = options(arguments)
    stop = int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0])
    assert float(found["grace"]) < stop, "systemd kills it before its streams have ended"
    assert found["parked"].startswith("/var/lib/throughtime/"), "the one folder that it may write to"
    assert KEY in unit


def test_the_container_serves() -> None:
    lines = (ROOT / "Containerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", lines, re.MULTILINE)
    program, serve, *arguments = json.loads(entry)
    assert (program, serve) == ("throughtime", "serve")
    found = options([*arguments, "/models/demo"])
    assert found["host"] == "0.0.0.0"
    assert found["parked"].startswith("/parked/")
    for source in re.findall(r"^COPY (.*) \S+$", lines, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())


def test_the_proxy_passes_what_the_server_needs() -> None:
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    assert text.count("{") == text.count("}")
    for line in ("Host $http_host", "Upgrade $http_upgrade", "X-Forwarded-For $remote_addr", "proxy_buffering off"):
        assert line in text
    (most,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(most) * 2**20 == ServeSettings().body


def test_the_page_names_options_that_there_are() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--rm", "--build-arg", "--help"}
    assert named <= FLAGS
    limits = {flag(name) for name, field in ServeSettings.model_fields.items() if _group(field) == "Limits"}
    assert limits <= named


def _group(field: object) -> str:
    extra = getattr(field, "json_schema_extra", None)
    assert isinstance(extra, dict)
    return str(extra["group"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "99999", "x"], "--port: input should be less than or equal to 65535, got 99999"),
        (["--sesions", "3"], "unknown option --sesions (did you mean '--sessions'?)"),
        ([], "expected model folders to serve, got none"),
        (["nowhere"], "nowhere"),
        (["--host", "0.0.0.0", "nowhere"], "expected a key where others than this machine may ask; pass --api-key"),
        (["--host", "0.0.0.0", "--open", "nowhere"], "nowhere"),
        (["--host", "0.0.0.0", "--api-key", "k", "nowhere"], "nowhere"),
        (["a=x", "a=y"], "expected models of different names, got two called 'a'"),
        (["a?=x"], "expected a name that can stand in an address"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], told: str) -> None:
    found = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert type(found.exception).__name__ == "UserError"
    assert told in str(found.exception)
    assert "\n" not in str(found.exception)
