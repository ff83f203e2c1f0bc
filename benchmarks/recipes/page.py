"""The page in a browser: serves a model, looks at it in Chromium, takes its picture, and fails on what is wrong.

    python benchmarks/recipes/page.py runs/demo --picture docs/images/serve-page.png

What is wrong is what axe-core finds (contrast, labels, landmarks), an error in the console, a request to elsewhere, a
page wider than the screen, or a control whose focus is not seen where the keyboard reaches it. It needs node, chromium,
and axe-core and playwright-core, which ``--modules`` names the folder of; without it npm installs them into one that is
gone afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn

import throughtime
from throughtime.serving import House, ServeSettings, create_app

PACKAGES = ("axe-core", "playwright-core")
WIDTHS = ((1280, 900), (360, 780))
SCHEMES = ("light", "dark")
PROMPT = "The "
WRITTEN, REACHED = ".back span:nth-child(280)", ".back.known"
THERE = {"state": "attached", "timeout": 90_000}


def chromium() -> str | None:
    """The browser's program."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def modules() -> Path | None:
    """A folder of npm packages that has both: beside the repository's, or named by NODE_PATH."""
    named = [Path(place) for place in os.environ.get("NODE_PATH", "").split(os.pathsep) if place]
    folders = [Path(__file__).resolve().parents[2] / "node_modules", *named]
    return next((each for each in folders if all((each / name).is_dir() for name in PACKAGES)), None)


@contextmanager
def installed() -> Iterator[Path]:
    """A folder into which npm has installed them."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "install", "--silent", "--prefix", folder, *PACKAGES], check=True)
        yield Path(folder, "node_modules")


@contextmanager
def serving(folders: Sequence[str]) -> Iterator[str]:
    """A server of models at a free port: its address."""
    app = create_app(House(folders, lambda folder: throughtime.load(folder)), ServeSettings(), lambda event: None)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="websockets-sansio"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def looked(base: str, packages: Path, plan: Sequence[dict[str, Any]]) -> list[str]:
    """What is wrong with the page, a line each."""
    told = {"base": base, "modules": str(packages), "chromium": chromium(), "plan": plan}
    script = Path(__file__).with_suffix(".mjs")
    found = subprocess.run(["node", str(script), json.dumps(told)], stdout=subprocess.PIPE, check=True, timeout=900)
    wrong: list[str] = json.loads(found.stdout)
    return wrong


def everywhere(models: Sequence[str]) -> list[dict[str, Any]]:
    """Every model, wide and narrow, light and dark."""
    return [
        {"model": model, "width": width, "height": height, "scheme": scheme}
        for model in models
        for width, height in WIDTHS
        for scheme in SCHEMES
    ]


def written(model: str, picture: Path) -> dict[str, Any]:
    """A language model that has written a few lines, and what a letter in the middle of them depends on."""
    here, begin = ["focus", "#text"], ["click", "button.main"]
    back = [["press", "ArrowUp"]] * 2 + [["press", "ArrowRight"]] * 24
    written, known = (["waitForSelector", selector, THERE] for selector in (WRITTEN, REACHED))
    steps = [here, begin, written, begin, here, *back, known]
    size = {"width": 1200, "height": 1040, "scheme": "light", "scale": 1}
    return {"model": model, **size, "do": steps, "picture": str(picture.resolve())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", nargs="+", help="model folders, as throughtime serve takes them; the first one is drawn"
    )
    parser.add_argument("--picture", type=Path, help="PNG of the first one, which is a language model, at work")
    parser.add_argument("--modules", type=Path, default=modules(), help="folder of the npm packages")
    given = parser.parse_args()
    if chromium() is None or shutil.which("node") is None:
        raise SystemExit("expected chromium and node on the PATH")
    with serving(given.runs) as base, installed() if given.modules is None else nullcontext(given.modules) as packages:
        names = [name.partition("=")[0] if "=" in name else Path(name).absolute().name for name in given.runs]
        plan = everywhere(names) + ([written(names[0], given.picture)] if given.picture else [])
        wrong = looked(base, packages, plan)
    for line in wrong:
        print(line)
    print(f"{len(plan)} views, {len(wrong)} faults")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
