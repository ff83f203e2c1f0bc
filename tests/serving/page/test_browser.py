"""The page in a browser, where there is one: what axe-core, the console and a keyboard say of it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

import throughtime

RECIPE = Path(__file__).resolve().parents[3] / "benchmarks" / "recipes" / "page.py"


def recipe() -> Any:
    spec = importlib.util.spec_from_file_location("page_recipe", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_browser_finds_nothing_wrong(tmp_path: Path) -> None:
    page = recipe()
    if shutil.which("node") is None or page.chromium() is None:
        pytest.skip("needs node and chromium")
    if page.modules() is None:
        pytest.skip(f"needs a folder with {' and '.join(page.PACKAGES)} in NODE_PATH")
    (tmp_path / "text.txt").write_text("the cat, which already ate, was full\n" * 8)
    sizes = {"hidden": 8, "steps": 2, "batch": 2, "bptt": 8, "held_out": 0, "progress": False}
    run = throughtime.train("text", tmp_path / "text.txt", out=tmp_path / "cats", **sizes)
    picture = tmp_path / "cats.png"
    with page.serving([str(run.folder)]) as base:
        first, _, _, last = page.everywhere(["cats"])
        assert page.looked(base, page.modules(), [{**first, "picture": str(picture)}, last]) == []
    assert picture.read_bytes().startswith(b"\x89PNG")
