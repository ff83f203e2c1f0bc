"""What runs an exported model imports NumPy and nothing that trains, quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import throughtime

ALONE = """
import sys, time
began = time.process_time()
import throughtime.runtime
seconds = time.process_time() - began
import importlib, pkgutil, throughtime.runtime.kinds

known = {"throughtime", "numpy", *sys.stdlib_module_names}
for found in pkgutil.walk_packages(throughtime.runtime.__path__, "throughtime.runtime."):
    importlib.import_module(found.name)
ours = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(seconds, sorted(ours - known - before))
"""


def test_importing_it_brings_nothing_that_trains() -> None:
    before = "import sys\nbefore = {name.partition('.')[0] for name in sys.modules}\n"
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", before + ALONE], capture_output=True, text=True, check=True
        )
        first, _, strangers = done.stdout.strip().partition(" ")
        assert strangers == "[]"
        seconds.append(float(first))
        if seconds[-1] < 0.3:
            return
    raise AssertionError(f"importing throughtime.runtime took {min(seconds):.2f} s at best")


BARE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import throughtime
from throughtime.__main__ import main
try:
    throughtime.train
except ImportError as error:
    print(error)
main()
"""


def test_without_what_trains_a_line_says_how_to_get_it() -> None:
    root = Path(throughtime.__file__).parent.parent
    command = [sys.executable, "-I", "-S", "-c", BARE, str(root), "train", "text", "book.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    remedy = "needs torch; run: pip install 'throughtime[train]'\n"
    assert done.returncode == 2
    assert (done.stdout, done.stderr) == (f"throughtime.train {remedy}", f"throughtime: throughtime {remedy}")
