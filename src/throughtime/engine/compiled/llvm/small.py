"""Products with weights in 8 or 16 bits: how they lie in a panel, and the kernels, which widen them in registers.

A panel goes feature by feature, as that of wide weights. An int8 is read into a lane of its own, extended and
converted; of bfloat16 one vector holds both of a feature's, the second's bits above the first's: shifted up it is the
one, masked the other. Features at even and odd places have a sum each, so that few units do not wait for one another;
they are added in the same order however many rows and panels are beside them, and for every target.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from throughtime.engine.compiled.llvm.vectors import Target
from throughtime.program import Block

GROUP = 4
"""Features of a turn of a kernel's loop."""

PHASES = 2
"""Sums of a unit, each of every second feature."""

AHEAD = 2048
"""Bytes by which weights are fetched before they are used."""

STORED = {"bfloat16": torch.bfloat16, "int8": torch.int8}
"""What the numbers are to PyTorch."""


def order(target: Target) -> list[int]:
    """The units of a panel as their weights lie there: of 16 bits, two that share a lane side by side."""
    units = [*range(target.panel)]
    if target.packed != "i16":
        return units
    return [unit for pair in zip(units[: target.lanes], units[target.lanes :], strict=True) for unit in pair]


def pack(matrix: Tensor, block: Block, target: Target) -> Tensor:
    """A block of a matrix without heads in panels, flat; zeros past the last unit."""
    part = matrix[block.row : block.row + block.rows, block.column : block.column + block.columns]
    units = part.t() if block.transposed else part
    panels = -(-block.units // target.panel)
    room = units.new_zeros(panels * target.panel, block.depth)
    room[: block.units] = units
    return room.view(panels, target.panel, -1)[:, order(target)].transpose(1, 2).flatten()


def products(target: Target) -> list[str]:
    """The kernels, ``product.<rows>.<panels>``."""
    return ["\n".join(_product(target, rows, panels)) for rows, panels in _shapes(target)]


def dispatches(target: Target) -> list[str]:
    """``products.<panels>``, which takes any number of rows."""
    return [_dispatch(target, panels) for panels in (1, 2, 3, 4)]


def _shapes(t: Target) -> list[tuple[int, int]]:
    """Rows and panels of the kernels: as many sums as the registers hold."""
    most = t.rows // PHASES
    return [(rows, panels) for panels in (1, 2, 3) for rows in range(1, most + 1) if rows * panels <= most]


def _dispatch(t: Target, panels: int) -> str:
    """Any number of rows up to the most, by some panels at once."""
    names = [f"%w{p}" for p in range(panels)]
    lines = [
        f"define internal void @products.{panels}(i64 %rows, ptr %a, i64 %stride, {_pointers(names)}, i64 %depth, "
        "ptr %c) {",
        "entry:",
        f"  switch i64 %rows, label %done [{' '.join(f'i64 {r}, label %r{r}' for r in range(1, t.rows + 1))}]",
    ]
    for rows in range(1, t.rows + 1):
        lines.append(f"r{rows}:")
        for row in range(0, rows, t.rows // PHASES):
            count = min(t.rows // PHASES, rows - row)
            together = max(p for r, p in _shapes(t) if r == count and panels % p == 0)
            for first in range(0, panels, together):
                name = f"{rows}.{row}.{first}"
                place = first * t.rows * t.panel + row * t.panel
                lines += [
                    f"  %o{name} = mul i64 %stride, {row}",
                    f"  %a{name} = getelementptr {t.type}, ptr %a, i64 %o{name}",
                    f"  %c{name} = getelementptr {t.type}, ptr %c, i64 {place}",
                    f"  call void @product.{count}.{together}(ptr %a{name}, i64 %stride, "
                    f"{_pointers(names[first : first + together])}, i64 %depth, ptr %c{name})",
                ]
        lines.append("  br label %done")
    return "\n".join([*lines, "done:", "  ret void", "}"])


def _pointers(names: list[str]) -> str:
    return ", ".join(f"ptr {name}" for name in names)


def _product(t: Target, rows: int, panels: int) -> Iterator[str]:
    """``c[row, panel] = a[row] · w[panel]``, as the kernel of wide weights."""
    v, sums = t.vector, [(r, c) for r in range(rows) for c in range(2 * panels)]
    phased = [(f"{r}.{c}", phase) for r, c in sums for phase in range(PHASES)]
    head = f"ptr %a, i64 %stride, {_pointers([f'%w{p}' for p in range(panels)])}, i64 %depth, ptr %c"
    yield f"define void @product.{rows}.{panels}({head}) noinline {{"
    yield "entry:"
    for r in range(rows):
        yield f"  %o{r} = mul i64 %stride, {r}"
        yield f"  %a{r} = getelementptr {t.type}, ptr %a, i64 %o{r}"
    yield f"  %whole = and i64 %depth, -{GROUP}"
    yield "  %some = icmp ne i64 %whole, 0"
    yield "  br i1 %some, label %loop, label %rest"
    yield "loop:"
    yield "  %i = phi i64 [0, %entry], [%next, %loop]"
    for name, phase in phased:
        made = f"%g{GROUP - PHASES + phase}.m{name}"
        yield f"  %s{name}.{phase} = phi {v} [zeroinitializer, %entry], [{made}, %loop]"
    for p in range(panels):
        yield from _fetch(t, p)
    for k in range(GROUP):
        before = f"%g{k - PHASES}.m" if k >= PHASES else "%s"
        ending = "" if k >= PHASES else f".{k}"
        yield from _add(t, rows, panels, f"g{k}", f"add i64 %i, {k}", before, ending)
    yield f"  %next = add i64 %i, {GROUP}"
    yield "  %end = icmp eq i64 %next, %whole"
    yield "  br i1 %end, label %rest, label %loop"
    yield "rest:"
    for name, phase in phased:
        made = f"%g{GROUP - PHASES + phase}.m{name}"
        yield f"  %q{name}.{phase} = phi {v} [zeroinitializer, %entry], [{made}, %loop]"
    for r, c in sums:
        yield f"  %q{r}.{c} = fadd {v} %q{r}.{c}.0, %q{r}.{c}.1"
    yield "  %more = icmp ult i64 %whole, %depth"
    yield "  br i1 %more, label %tail, label %done"
    yield "tail:"
    yield "  %j = phi i64 [%whole, %rest], [%j1, %tail]"
    for r, c in sums:
        yield f"  %u{r}.{c} = phi {v} [%q{r}.{c}, %rest], [%t.m{r}.{c}, %tail]"
    yield from _add(t, rows, panels, "t", "add i64 %j, 0", "%u", "")
    yield "  %j1 = add i64 %j, 1"
    yield "  %last = icmp eq i64 %j1, %depth"
    yield "  br i1 %last, label %done, label %tail"
    yield "done:"
    for r, c in sums:
        yield f"  %z{r}.{c} = phi {v} [%q{r}.{c}, %rest], [%t.m{r}.{c}, %tail]"
    for r, c in sums:
        place = (c // 2) * t.rows * t.panel + r * t.panel + (c % 2) * t.lanes
        yield f"  %c{r}.{c} = getelementptr {t.type}, ptr %c, i64 {place}"
        yield f"  store {v} %z{r}.{c}, ptr %c{r}.{c}, align {t.bytes}"
    yield "  ret void\n}"


def _add(t: Target, rows: int, panels: int, n: str, feature: str, before: str, ending: str) -> Iterator[str]:
    """A feature's products join the sums ``<before><row>.<vector><ending>``, as ``%<n>.m<row>.<vector>``."""
    for p in range(panels):
        yield from _widen(t, p, n, feature)
    for r in range(rows):
        yield from _spread(t, r, n, feature)
        for c in range(2 * panels):
            terms = f"{t.vector} %{n}.b{r}, {t.vector} %{n}.v{c}, {t.vector} {before}{r}.{c}{ending}"
            yield f"  %{n}.m{r}.{c} = call {t.vector} @llvm.fma.{t.suffix}({terms})"


def _fetch(t: Target, p: int) -> Iterator[str]:
    """Asks for what a group of a panel's features will read, lines of the cache."""
    size = 1 if t.weights == "int8" else 2
    yield f"  %fi{p} = mul i64 %i, {t.panel * size}"
    yield f"  %fa{p} = add i64 %fi{p}, {AHEAD}"
    for line in range(0, GROUP * t.panel * size, 64):
        yield f"  %fo{p}.{line} = add i64 %fa{p}, {line}"
        yield f"  %f{p}.{line} = getelementptr i8, ptr %w{p}, i64 %fo{p}.{line}"
        yield f"  call void @llvm.prefetch.p0(ptr %f{p}.{line}, i32 0, i32 3, i32 1)"


def _widen(t: Target, p: int, n: str, feature: str) -> Iterator[str]:
    """Both vectors of a panel's weights of a feature, as ``%<n>.v<2 p>`` and the next."""
    yield f"  %{n}.i{p} = {feature}"
    yield f"  %{n}.at{p} = mul i64 %{n}.i{p}, {t.panel}"
    yield f"  %{n}.p{p} = getelementptr {t.packed}, ptr %w{p}, i64 %{n}.at{p}"
    if t.weights == "bfloat16":
        i = t.integers
        yield f"  %{n}.pair{p} = load {i}, ptr %{n}.p{p}, align 2"
        yield f"  %{n}.low{p} = shl {i} %{n}.pair{p}, splat (i32 16)"
        yield f"  %{n}.high{p} = and {i} %{n}.pair{p}, splat (i32 -65536)"
        yield f"  %{n}.v{2 * p} = bitcast {i} %{n}.low{p} to {t.vector}"
        yield f"  %{n}.v{2 * p + 1} = bitcast {i} %{n}.high{p} to {t.vector}"
        return
    for half in range(2):
        c = 2 * p + half
        yield f"  %{n}.h{c} = getelementptr i8, ptr %{n}.p{p}, i64 {half * t.lanes}"
        yield f"  %{n}.n{c} = load <{t.lanes} x i8>, ptr %{n}.h{c}, align 1"
        yield f"  %{n}.e{c} = sext <{t.lanes} x i8> %{n}.n{c} to {t.integers}"
        yield f"  %{n}.v{c} = sitofp {t.integers} %{n}.e{c} to {t.vector}"


def _spread(t: Target, r: int, n: str, feature: str) -> Iterator[str]:
    """A row's feature in every lane, as ``%<n>.b<r>``."""
    yield f"  %{n}.k{r} = {feature}"
    yield f"  %{n}.x{r} = getelementptr {t.type}, ptr %a{r}, i64 %{n}.k{r}"
    yield f"  %{n}.y{r} = load {t.type}, ptr %{n}.x{r}, align {t.bytes}"
    yield f"  %{n}.o{r} = insertelement {t.vector} poison, {t.type} %{n}.y{r}, i32 0"
    yield f"  %{n}.b{r} = shufflevector {t.vector} %{n}.o{r}, {t.vector} poison, <{t.lanes} x i32> zeroinitializer"
