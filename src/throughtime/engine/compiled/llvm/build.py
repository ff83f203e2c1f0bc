"""Turns LLVM text into machine code for a processor, once: the code is kept on disk and loaded the next time."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from throughtime._version import __version__
from throughtime.engine.compiled.llvm import store, targets
from throughtime.engine.compiled.llvm.vectors import Target


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
    """The processor, for ``"float"`` or ``"double"``."""
    chosen = processor()
    machine, features = chosen.triple, chosen.features
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
def processor() -> targets.Processor:
    """The processor that code is for: see :mod:`throughtime.engine.compiled.llvm.targets`.

    Raises:
        UserError: If ``THROUGHTIME_TARGET`` names none, or one whose code this machine cannot run.
    """
    chosen = targets.choose(host(), os.environ.get(targets.VARIABLE))
    # vectors are written in full width, where that is 512 bits too
    return replace(chosen, features={**chosen.features, "prefer-256-bit": False})


def host() -> targets.Processor:
    """This machine's processor."""
    llvm = _llvm()
    features = dict(sorted(llvm.get_host_cpu_features().items()))
    return targets.Processor(llvm.get_host_cpu_name(), llvm.get_process_triple(), features)


@functools.cache
def build(text: str, library: str = "") -> Code:
    """The functions that a text defines, beside those of a library that it calls."""
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    for code in [*([shared(library)] if library else []), _object(text)]:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return Code(kind(engine.get_function_address("run")), engine.get_function_address("member"))


@functools.cache
def shared(library: str) -> bytes:
    """A library's machine code, which stays at hand for the next text."""
    return _object(library)


def assembly(text: str) -> str:
    """The processor's instructions for a text."""
    return str(_machine().emit_assembly(_optimised(text)))


PIPELINE = {"opt": 3, "speed_level": 2}
"""How hard LLVM tries."""

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


def _key(text: str) -> bytes:
    """The digest of all that machine code depends on: the text, the processor, and who compiles."""
    from llvmlite import __version__ as binding

    writers = (__version__, binding, _llvm().llvm_version_info, PIPELINE)
    return hashlib.sha256(repr((text, processor(), writers)).encode()).digest()


def _machine() -> Any:
    llvm = _llvm()
    chosen = processor()
    flags = ",".join(f"{'+' if on else '-'}{feature}" for feature, on in chosen.features.items())
    target = llvm.Target.from_triple(chosen.triple)
    return target.create_target_machine(cpu=chosen.name, features=flags, opt=PIPELINE["opt"], jit=True)


def _optimised(text: str) -> Any:
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=PIPELINE["speed_level"])
    # what should be a vector is one already
    options.loop_vectorization = False
    options.slp_vectorization = False
    passes = llvm.create_pass_builder(_machine(), options)
    passes.getModulePassManager().run(module, passes)
    return module


def _object(text: str) -> bytes:
    """The machine code of a text, from disk if it is there."""
    key = _key(text)
    code = store.load(key)
    if code is None:
        code = _compile(text)
        store.keep(key, code)
    return code


def _compile(text: str) -> bytes:
    return bytes(_machine().emit_object(_optimised(text)))
