"""LLVM text that knows no cell: products with packed weights, the packing, and the barrier between threads.

Weights are packed in panels: for a panel of units (two vectors wide) the numbers that multiply input feature 0, then
those of feature 1, and so on. A kernel holds the sums of some rows by one panel or more in registers, walks down the
panel once, and adds in the order of the features: a row's result has the same bits whatever rows stand beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from throughtime.engine.compiled.llvm import small
from throughtime.engine.compiled.llvm.vectors import Target

AHEAD = 32
"""Features by which weights are fetched before they are used."""


@functools.cache
def library(target: Target) -> str:
    """The module that serves every cell, whose machine code is made once: products, packing, and the barrier."""
    return "\n".join([_needs(target), *_shared(target)])


@functools.cache
def kernels(target: Target) -> str:
    """What a cell's own module takes of it: declarations, and the choice of a product by the number of rows."""
    heads = [text[text.index("@") : text.index(" noinline {")] for text in _shared(target)]
    choices = small.dispatches(target) if target.is_small else [_dispatch(target, panels) for panels in (1, 2, 4)]
    return "\n".join([_needs(target), *(f"declare void {head} {_effects(head)}" for head in heads), *choices])


def _shared(target: Target) -> list[str]:
    """The library's functions."""
    if target.is_small:
        return [*small.products(target), _barrier(target)]
    shapes = [(rows, panels) for panels in (1, 2, 4) for rows in range(1, target.rows // panels + 1)]
    return [*(_product(target, rows, panels) for rows, panels in shapes), *_pack(target), _barrier(target)]


def _effects(head: str) -> str:
    """What LLVM would find out for itself, were the function in the same module: it writes where it is told alone."""
    if head.startswith("@barrier"):
        return "noinline"
    return "nofree noinline norecurse nosync nounwind memory(argmem: readwrite, inaccessiblemem: readwrite)"


def _needs(target: Target) -> str:
    """What either module declares, and the numbers of the lanes."""
    v, i = target.vector, target.integers
    numbers = ", ".join(f"i{8 * target.bytes} {lane}" for lane in range(target.lanes))
    return "\n".join(
        [f"declare {v} @llvm.{name}.{target.suffix}({v})" for name in ("fabs", "sqrt")]
        + [f"declare {v} @llvm.{name}.{target.suffix}({v}, {v})" for name in ("maximum", "minimum", "copysign")]
        + [
            f"declare {v} @llvm.fma.{target.suffix}({v}, {v}, {v})",
            f"declare {v} @llvm.masked.load.{target.suffix}.p0(ptr, i32, {target.flags}, {v})",
            f"declare void @llvm.masked.store.{target.suffix}.p0({v}, ptr, i32, {target.flags})",
            "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
            "declare i32 @sched_yield()",
            *([f"declare {target.pause}"] if target.pause else []),
            f"@lanes = internal constant {i} <{numbers}>",
        ]
    )


def _product(t: Target, rows: int, panels: int) -> str:
    """``c[row, panel] = a[row] · w[panel]``: c in rows of one panel, a panel's rows together."""
    return "\n".join(_product_lines(t, rows, panels))


def _product_lines(t: Target, rows: int, panels: int) -> Iterator[str]:
    v, sums = t.vector, [(r, c) for r in range(rows) for c in range(2 * panels)]
    weights = ", ".join(f"ptr %w{p}" for p in range(panels))
    head = f"ptr %a, i64 %stride, {weights}, i64 %depth, ptr %c"
    yield f"define void @product.{rows}.{panels}({head}) noinline {{"
    yield "entry:"
    for r in range(rows):
        yield f"  %o{r} = mul i64 %stride, {r}"
        yield f"  %a{r} = getelementptr {t.type}, ptr %a, i64 %o{r}"
    yield "  br label %loop"
    yield "loop:"
    yield "  %i = phi i64 [0, %entry], [%next, %loop]"
    for r, c in sums:
        yield f"  %s{r}.{c} = phi {v} [zeroinitializer, %entry], [%n{r}.{c}, %loop]"
    yield f"  %at = mul i64 %i, {t.panel}"
    yield f"  %ahead = add i64 %at, {AHEAD * t.panel}"
    for p in range(panels):
        yield f"  %p{p} = getelementptr {t.type}, ptr %w{p}, i64 %at"
        yield f"  %f{p} = getelementptr {t.type}, ptr %w{p}, i64 %ahead"
        for half in range(2):
            yield f"  %p{p}.{half} = getelementptr {t.type}, ptr %p{p}, i64 {half * t.lanes}"
            yield f"  %v{2 * p + half} = load {v}, ptr %p{p}.{half}, align {t.bytes}"
            yield f"  %f{p}.{half} = getelementptr {t.type}, ptr %f{p}, i64 {half * t.lanes}"
            yield f"  call void @llvm.prefetch.p0(ptr %f{p}.{half}, i32 0, i32 3, i32 1)"
    for r in range(rows):
        yield f"  %x{r} = getelementptr {t.type}, ptr %a{r}, i64 %i"
        yield f"  %y{r} = load {t.type}, ptr %x{r}, align {t.bytes}"
        yield f"  %z{r} = insertelement {v} poison, {t.type} %y{r}, i32 0"
        yield f"  %b{r} = shufflevector {v} %z{r}, {v} poison, <{t.lanes} x i32> zeroinitializer"
        for c in range(2 * panels):
            yield (f"  %n{r}.{c} = call {v} @llvm.fma.{t.suffix}({v} %b{r}, {v} %v{c}, {v} %s{r}.{c})")
    yield "  %next = add i64 %i, 1"
    yield "  %end = icmp eq i64 %next, %depth"
    yield "  br i1 %end, label %done, label %loop"
    yield "done:"
    for r, c in sums:
        place = (c // 2) * t.rows * t.panel + r * t.panel + (c % 2) * t.lanes
        yield f"  %c{r}.{c} = getelementptr {t.type}, ptr %c, i64 {place}"
        yield f"  store {v} %n{r}.{c}, ptr %c{r}.{c}, align {t.bytes}"
    yield "  ret void\n}"


def _dispatch(t: Target, panels: int) -> str:
    """Any number of rows up to the most, by some panels at once: as many panels a kernel as the registers hold."""
    names = [f"%w{p}" for p in range(panels)]
    head = ", ".join(f"ptr {name}" for name in names)
    lines = [
        f"define internal void @products.{panels}(i64 %rows, ptr %a, i64 %stride, {head}, i64 %depth, ptr %c) {{",
        "entry:",
        f"  switch i64 %rows, label %done [{' '.join(f'i64 {r}, label %r{r}' for r in range(1, t.rows + 1))}]",
    ]
    for rows in range(1, t.rows + 1):
        together = max(p for p in (1, 2, 4) if p == 1 or (p <= panels and rows * p <= t.rows))
        lines.append(f"r{rows}:")
        for first in range(0, panels, together):
            given = ", ".join(f"ptr {name}" for name in names[first : first + together])
            lines.append(f"  %c{rows}.{first} = getelementptr {t.type}, ptr %c, i64 {first * t.rows * t.panel}")
            operands = f"ptr %a, i64 %stride, {given}, i64 %depth, ptr %c{rows}.{first}"
            lines.append(f"  call void @product.{rows}.{together}({operands})")
        lines.append("  br label %done")
    return "\n".join([*lines, "done:", "  ret void", "}"])


def _pack(t: Target) -> tuple[str, str]:
    """Packs panels ``first`` to ``last`` of a block of a row-major matrix, as it stands or transposed.

    ``pack.rows`` serves products with the block (its rows are the units), ``pack.columns`` those with its transpose.
    Past the last unit lie zeros.
    """
    square = _transposed(t)
    head = "ptr %m, i64 %stride, i64 %units, i64 %depth, ptr %to, i64 %first, i64 %last"
    n, v, lanes = t.type, t.vector, t.lanes
    columns = f"""define void @pack.columns({head}) noinline {{
entry:
  %any = icmp slt i64 %first, %last
  br i1 %any, label %panel, label %end
panel:
  %p = phi i64 [%first, %entry], [%p1, %panel.next]
  %u0 = mul i64 %p, {t.panel}
  %size = mul i64 %depth, {t.panel}
  %at = mul i64 %p, %size
  %base = getelementptr {n}, ptr %to, i64 %at
  br label %feature
feature:
  %k = phi i64 [0, %panel], [%k1, %feature.next]
  %ks = mul i64 %k, %stride
  %from = getelementptr {n}, ptr %m, i64 %ks
  %kp = mul i64 %k, {t.panel}
  %row = getelementptr {n}, ptr %base, i64 %kp
  br label %half
half:
  %h = phi i64 [0, %feature], [%h1, %half]
  %ho = mul i64 %h, {lanes}
  %u = add i64 %u0, %ho
  %left = sub i64 %units, %u
  %cut = {f"trunc i64 %left to i{8 * t.bytes}" if t.bytes == 4 else "add i64 %left, 0"}
  %cuts0 = insertelement {t.integers} poison, i{8 * t.bytes} %cut, i32 0
  %cuts = shufflevector {t.integers} %cuts0, {t.integers} poison, <{lanes} x i32> zeroinitializer
  %ids = load {t.integers}, ptr @lanes
  %mask = icmp slt {t.integers} %ids, %cuts
  %src = getelementptr {n}, ptr %from, i64 %u
  %w = call {v} @llvm.masked.load.{t.suffix}.p0(ptr %src, i32 {t.bytes}, {t.flags} %mask, {v} zeroinitializer)
  %dst = getelementptr {n}, ptr %row, i64 %ho
  store {v} %w, ptr %dst, align {t.bytes}
  %h1 = add i64 %h, 1
  %hd = icmp eq i64 %h1, 2
  br i1 %hd, label %feature.next, label %half
feature.next:
  %k1 = add i64 %k, 1
  %kd = icmp eq i64 %k1, %depth
  br i1 %kd, label %panel.next, label %feature
panel.next:
  %p1 = add i64 %p, 1
  %pd = icmp eq i64 %p1, %last
  br i1 %pd, label %end, label %panel
end:
  ret void
}}
"""
    rows = f"""define void @pack.rows({head}) noinline {{
entry:
  %halves0 = mul i64 %first, 2
  %halves1 = mul i64 %last, 2
  %whole = udiv i64 %depth, {lanes}
  %tail = mul i64 %whole, {lanes}
  %any = icmp slt i64 %first, %last
  br i1 %any, label %half, label %end
half:
  %h = phi i64 [%halves0, %entry], [%h1, %half.next]
  %u0 = mul i64 %h, {lanes}
  %p = udiv i64 %h, 2
  %odd = urem i64 %h, 2
  %size = mul i64 %depth, {t.panel}
  %at0 = mul i64 %p, %size
  %at1 = mul i64 %odd, {lanes}
  %at = add i64 %at0, %at1
  %base = getelementptr {n}, ptr %to, i64 %at
  %hastail = icmp ult i64 %tail, %depth
  %haswhole = icmp ne i64 %whole, 0
  br i1 %haswhole, label %square, label %squares.done
square:
  %s = phi i64 [0, %half], [%s1, %square]
  %k0 = mul i64 %s, {lanes}
{square}
  %s1 = add i64 %s, 1
  %sd = icmp eq i64 %s1, %whole
  br i1 %sd, label %squares.done, label %square
squares.done:
  br i1 %hastail, label %feature, label %half.next
feature:
  %k = phi i64 [%tail, %squares.done], [%k1, %feature.next]
  br label %unit
unit:
  %j = phi i64 [0, %feature], [%j1, %unit]
  %u = add i64 %u0, %j
  %over = icmp sge i64 %u, %units
  %top = sub i64 %units, 1
  %safe = select i1 %over, i64 %top, i64 %u
  %us = mul i64 %safe, %stride
  %uk = add i64 %us, %k
  %src = getelementptr {n}, ptr %m, i64 %uk
  %w = load {n}, ptr %src, align {t.bytes}
  %kp = mul i64 %k, {t.panel}
  %kj = add i64 %kp, %j
  %dst = getelementptr {n}, ptr %base, i64 %kj
  store {n} %w, ptr %dst, align {t.bytes}
  %j1 = add i64 %j, 1
  %jd = icmp eq i64 %j1, {lanes}
  br i1 %jd, label %feature.next, label %unit
feature.next:
  %k1 = add i64 %k, 1
  %kd = icmp eq i64 %k1, %depth
  br i1 %kd, label %half.next, label %feature
half.next:
  %h1 = add i64 %h, 1
  %hd = icmp eq i64 %h1, %halves1
  br i1 %hd, label %end, label %half
end:
  ret void
}}
"""
    return columns, rows


def _transposed(t: Target) -> str:
    """Loads a square of ``lanes`` units by ``lanes`` features, turns it in registers, stores it in the panel.

    Rows past the last unit are read from the last one: their sums are never written.
    """
    lines = []
    rows = [f"%q0.{r}" for r in range(t.lanes)]
    for r in range(t.lanes):
        lines += [
            f"  %r{r} = add i64 %u0, {r}",
            f"  %over{r} = icmp sge i64 %r{r}, %units",
            f"  %top{r} = sub i64 %units, 1",
            f"  %safe{r} = select i1 %over{r}, i64 %top{r}, i64 %r{r}",
            f"  %rs{r} = mul i64 %safe{r}, %stride",
            f"  %rk{r} = add i64 %rs{r}, %k0",
            f"  %rp{r} = getelementptr {t.type}, ptr %m, i64 %rk{r}",
            f"  %q0.{r} = load {t.vector}, ptr %rp{r}, align {t.bytes}",
        ]
    step, level = t.lanes // 2, 1
    while step:
        turned = list(rows)
        for r in range(t.lanes):
            if r & step:
                continue
            low, high = rows[r], rows[r | step]
            first = [lane if not lane & step else t.lanes + (lane ^ step) for lane in range(t.lanes)]
            second = [lane ^ step if not lane & step else t.lanes + lane for lane in range(t.lanes)]
            for place, lanes in ((r, first), (r | step, second)):
                turned[place] = f"%q{level}.{place}"
                mask = ", ".join(f"i32 {lane}" for lane in lanes)
                lines.append(
                    f"  {turned[place]} = shufflevector {t.vector} {low}, {t.vector} {high}, <{t.lanes} x i32> <{mask}>"
                )
        rows, step, level = turned, step // 2, level + 1
    for r in range(t.lanes):
        lines += [
            f"  %d{r} = add i64 %k0, {r}",
            f"  %dk{r} = mul i64 %d{r}, {t.panel}",
            f"  %dp{r} = getelementptr {t.type}, ptr %base, i64 %dk{r}",
            f"  store {t.vector} {rows[r]}, ptr %dp{r}, align {t.bytes}",
        ]
    return "\n".join(lines)


def _barrier(t: Target) -> str:
    """Waits until ``parties`` threads are here; ``%b`` holds how many are, and a cache line on how often they were."""
    pause = f"  call {t.pause}\n" if t.pause else ""
    return f"""define void @barrier(ptr %b, i64 %parties) noinline {{
entry:
  %turns = getelementptr i64, ptr %b, i64 8
  %turn = load atomic i64, ptr %turns monotonic, align 8
  %here = atomicrmw add ptr %b, i64 1 acq_rel
  %with = add i64 %here, 1
  %last = icmp eq i64 %with, %parties
  br i1 %last, label %open, label %wait
open:
  store atomic i64 0, ptr %b monotonic, align 8
  %opened = add i64 %turn, 1
  store atomic i64 %opened, ptr %turns release, align 8
  ret void
wait:
  %spins = phi i64 [0, %entry], [%more, %again]
  %now = load atomic i64, ptr %turns acquire, align 8
  %passed = icmp ne i64 %now, %turn
  br i1 %passed, label %done, label %stay
stay:
{pause}  %more = add i64 %spins, 1
  %long = and i64 %more, 2047
  %tired = icmp eq i64 %long, 0
  br i1 %tired, label %yield, label %again
yield:
  %y = call i32 @sched_yield()
  br label %again
again:
  br label %wait
done:
  ret void
}}
"""
