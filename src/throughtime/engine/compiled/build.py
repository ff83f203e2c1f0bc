"""Turns LLVM text into machine code for this processor, once: the code is kept on disk and loaded the next time."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from throughtime.engine.compiled.vectors import Target


@dataclass(frozen=True)
class Code:
    """Machine code: ``run(job, index, parties)``, and the address of ``member(job)``."""

    run: Callable[[int, int, int], None]
    member: int


def available() -> str | None:
    """Why nothing can be compiled here; None where it can."""
    try:
        _llvm()
    except ImportError:
        return "llvmlite is not installed: pip install llvmlite"
    return None


@functools.cache
def target(kind: str) -> Target:
    """This processor, for ``"float"`` or ``"double"``."""
    _, machine, features = _host()
    if features.get("avx512f"):
        width, rows = 64, 14
    elif features.get("avx2") and features.get("fma"):
        width, rows = 32, 6
    elif machine.startswith(("aarch64", "arm64")):
        width, rows = 16, 14
    else:
        width, rows = 16, 6
    pause = "void @llvm.x86.sse2.pause()" if machine.startswith(("x86_64", "i686")) else ""
    return Target(kind, width // (4 if kind == "float" else 8), rows, pause)


@functools.cache
def build(text: str) -> Code:
    """The functions that a text defines."""
    llvm = _llvm()
    name, _, features = _host()
    key = hashlib.sha256(repr((text, name, sorted(features.items()), llvm.llvm_version_info)).encode()).hexdigest()
    file = cache_folder() / f"{key[:32]}.o"
    code = _read(file)
    if code is None:
        code = _compile(text)
        _keep(file, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return Code(kind(engine.get_function_address("run")), engine.get_function_address("member"))


def assembly(text: str) -> str:
    """The processor's instructions for a text."""
    return str(_machine().emit_assembly(_optimised(text)))


def cache_folder() -> Path:
    """Where machine code is kept: ``THROUGHTIME_CACHE``, or a folder of the user's cache."""
    own = os.environ.get("THROUGHTIME_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "throughtime"


DIGEST = hashlib.sha256().digest_size

_ENGINES: list[Any] = []
"""Keeps the memory of compiled functions for the life of the process."""


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm  # 35 ms that only who compiles should pay

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if sys.platform == "win32":
        switch = ctypes.windll.kernel32.SwitchToThread
        llvm.add_symbol("sched_yield", ctypes.cast(switch, ctypes.c_void_p).value)
    return llvm


@functools.cache
def _host() -> tuple[str, str, dict[str, bool]]:
    llvm = _llvm()
    features = dict(llvm.get_host_cpu_features())
    features["prefer-256-bit"] = False  # vectors are written in full width, where that is 512 bits too
    return llvm.get_host_cpu_name(), llvm.get_process_triple(), features


def _machine() -> Any:
    llvm = _llvm()
    name, triple, features = _host()
    flags = ",".join(f"{'+' if on else '-'}{feature}" for feature, on in sorted(features.items()))
    target = llvm.Target.from_triple(triple)
    return target.create_target_machine(cpu=name, features=flags, opt=3, jit=True)


def _optimised(text: str) -> Any:
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # what should be a vector is one already
    options.loop_vectorization = False
    options.slp_vectorization = False
    passes = llvm.create_pass_builder(_machine(), options)
    passes.getModulePassManager().run(module, passes)
    return module


def _compile(text: str) -> bytes:
    return bytes(_machine().emit_object(_optimised(text)))


def _read(file: Path) -> bytes | None:
    """The code that a file keeps, if it is whole."""
    try:
        kept = file.read_bytes()
    except OSError:
        return None
    code = kept[DIGEST:]
    return code if hashlib.sha256(code).digest() == kept[:DIGEST] else None


def _keep(file: Path, code: bytes) -> None:
    """A cache that cannot be written costs time, nothing else."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # under a name of its own, for other processes may be at it too
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as partial:
            partial.write(hashlib.sha256(code).digest() + code)
        os.replace(partial.name, file)
    except OSError:
        return
