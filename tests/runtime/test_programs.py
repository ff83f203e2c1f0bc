"""The C++ programs of the page are compiled as they stand there, and find what throughtime.runtime finds.

They need g++, and in THROUGHTIME_CPP the folder, or folders joined by colons, of the headers of ONNX Runtime and of
nlohmann/json; the libraries are those of the Python packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import throughtime
from throughtime import runtime
from throughtime.runtime.sound.filterbank import FilterBank

PAGE = Path(__file__).resolve().parents[2] / "docs" / "apps.md"
HEADERS = [Path(folder) for folder in os.environ.get("THROUGHTIME_CPP", "").split(":") if folder]
WANTED = ("onnxruntime_cxx_api.h", "nlohmann/json.hpp")

pytestmark = pytest.mark.skipif(
    not shutil.which("g++") or any(not any((folder / name).exists() for folder in HEADERS) for name in WANTED),
    reason="needs g++, and the headers of ONNX Runtime and nlohmann/json in the folders that THROUGHTIME_CPP names",
)


def package(name: str) -> Path:
    found = find_spec(name)
    if found is None or found.origin is None:
        pytest.skip(f"needs {name}")
    return Path(found.origin).parent


def compiled(name: str, folder: Path, headers: list[Path], libraries: list[Path], *options: str) -> Path:
    """A program of the page, by what its first line says after the colon."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (source,) = (block for block in blocks if f": {name} " in block.partition("\n")[0])
    (folder / f"{name}.cpp").write_text(source)
    (library,) = (package("onnxruntime") / "capi").glob("libonnxruntime.so.*")
    (folder / "libonnxruntime.so.1").symlink_to(library)
    linked = [folder / "libonnxruntime.so.1", *libraries]
    command = ["g++", "-std=c++17", *options, *(f"-I{path}" for path in headers), f"{name}.cpp", "-o", name]
    command += [*map(str, linked), *(f"-Wl,-rpath,{path.parent}" for path in linked)]
    subprocess.run(command, cwd=folder, check=True)
    return folder / name


def test_a_text_goes_on_in_cpp_as_in_python(tmp_path: Path) -> None:
    text = "The quick brown fox – jumps over the lazy dog.\n" * 50
    run = throughtime.train("text", [(text,)], held_out=0, steps=20, hidden=16, batch=4, progress=False)
    run.export(tmp_path / "fox")
    model: Any = runtime.open(tmp_path / "fox")
    program = compiled("continue", tmp_path, HEADERS, [])
    prompt = "The lazy – fox?"
    told = subprocess.run([program, tmp_path / "fox", prompt, "40"], check=True, capture_output=True, text=True).stdout
    first, _, said = told.partition("\n")
    assert float(first.removeprefix("log_prob ")) == pytest.approx(model.score(prompt)[0].log_prob, abs=1e-3)
    assert said == model.sample(prompt, temperature=0, length=40, min_length=40) + "\n"


def test_a_recording_is_heard_in_cpp_as_in_python(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    features = package("kaldi_native_fbank")
    python = Path(sysconfig.get_config_var("LIBDIR")) / sysconfig.get_config_var("LDLIBRARY")
    if not python.name.endswith(".so"):
        pytest.skip("needs a Python built with a shared library, which the package of features is linked with")
    draw = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for number in range(4):
        file = tmp_path / "data" / f"{number}.wav"
        soundfile.write(file, (0.1 * draw.standard_normal(4000 + 700 * number)).astype(np.float32), 8000, "PCM_16")
        file.with_suffix(".txt").write_text("so be it" if number % 2 else "be so")
    settings: dict[str, Any] = {"hidden": 10, "batch": 4, "steps": 30, "mels": 10, "unit": "words", "lr": 0.05}
    run = throughtime.train("speech", tmp_path / "data", held_out=0, progress=False, **settings)
    run.export(tmp_path / "exported")
    model: Any = runtime.open(tmp_path / "exported")

    libraries = [*(features / "lib").glob("*.so"), python]
    # the package's library has strings as they were before C++11
    program = compiled("listen", tmp_path, [*HEADERS, features / "include"], libraries, "-D_GLIBCXX_USE_CXX11_ABI=0")
    told = subprocess.run([program, tmp_path / "exported", file], check=True, capture_output=True, text=True).stdout
    said, total = told.rsplit("log_prob ")
    samples, _ = soundfile.read(file, dtype="float32")
    bank = FilterBank(8000, 10)
    read = model.normalise(np.concatenate([bank.push(samples), bank.finish()]))
    found, _ = model.folder.graph("sequence")(features=read[None], lengths=[len(read)])
    assert float(total) == pytest.approx(found["log_probs"][0].max(1).sum(), abs=1e-3)
    assert said.split() == model.predict([file])[0]["text"].split()
