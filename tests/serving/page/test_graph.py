"""What the page makes of hypotheses: a graph whose arcs hold together what they hold together."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from throughtime.serving.page.assets import FOLDER

WORDS = {
    "hypotheses": [
        {"text": "yes no", "score": -1.0},
        {"text": "yes yes no", "score": -2.0},
        {"text": "no", "score": -3.0},
    ],
    "symbols": [{"symbol": s, "start": i / 10, "end": i / 10 + 0.1} for i, s in enumerate("yes no")],
    "seconds": 1.0,
}
LETTERS = {
    "hypotheses": [{"text": "cat", "score": 0.0}, {"text": "cut", "score": 0.0}, {"text": "cats", "score": -1000.0}],
    "symbols": [{"symbol": s, "start": i / 10, "end": i / 10 + 0.1} for i, s in enumerate("cat")],
    "seconds": 1.0,
}
SILENCE = {"hypotheses": [{"text": "", "score": 0.0}, {"text": "no", "score": -2.0}], "symbols": [], "seconds": 1.0}


def graphs(found: list[Any], folder: Path) -> list[Any]:
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    for name in ("lattice.js", "dom.js"):
        (folder / name).write_text((FOLDER / name).read_text("utf-8").replace('"/page/', '"./'), "utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    code = f'import {{ graph }} from "./lattice.js"; console.log(JSON.stringify({json.dumps(found)}.map(graph)));'
    (folder / "run.js").write_text(code)
    done = subprocess.run([node, "run.js"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return list(json.loads(done.stdout))


def test_arcs_have_their_share_and_states_their_time(tmp_path: Path) -> None:
    words, letters, silence = graphs([WORDS, LETTERS, SILENCE], tmp_path)
    whole = sum(math.exp(-n) for n in (1, 2, 3))
    one, two, three = (math.exp(-n) / whole for n in (1, 2, 3))

    def arcs(graph: Any) -> list[dict[str, float]]:
        return [{arc["label"]: arc["share"] for arc in step} for step in graph["steps"]]

    assert arcs(words) == [
        pytest.approx({"–": one + three, "yes": two}),
        pytest.approx({"yes": one + two, "–": three}),
        pytest.approx({"no": 1.0}),
    ]
    assert words["times"] == pytest.approx([0.0, 0.0, 0.4, 0.6])
    assert [step[0]["label"] for step in words["steps"]] == ["–", "yes", "no"]  # the best path
    assert arcs(letters) == [{"c": 1.0}, {"a": 0.5, "u": 0.5}, {"t": 1.0}]
    assert letters["times"] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [list(step) for step in arcs(silence)] == [["–", "no"]]
