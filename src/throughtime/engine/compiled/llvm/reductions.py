"""LLVM text for one number of a whole row: a vector to few numbers, the numbers of a row's vectors to one.

The order is that of a processor with the widest vectors, whichever computes it: numbers within 128 bits by halves, then
every fourth of these, then the four by halves. A row's result has the same bits in any batch, on any number of threads,
and for every target.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from throughtime.engine.compiled.llvm.vectors import Body, Target
from throughtime.engine.compiled.llvm.writer import Access

NOTHING = {"total": 0.0, "peak": -math.inf}
"""What a reduction makes of no features."""

WIDEST = 64
"""Bytes of the widest vector of any target."""


def partial(access: Access, op: str, value: str, pointer: str) -> None:
    """Writes what each 128 bits of a vector of a row come to, to their places among the numbers at a pointer."""
    body, t = access.body, access.body.target
    if access.mask is not None:
        value = body.let(f"select {t.flags} {access.mask}, {t.vector} {value}, {t.vector} {body.number(NOTHING[op])}")
    value, count = _joined(body, op, value, t.group), t.lanes // t.group
    place = body.at(pointer, body.let(f"udiv i64 {access.unit}, {t.group}"))
    if count == 1:  # LLVM fails over vectors of one number
        body.do(f"store {t.type} {body.let(f'extractelement {t.vector} {value}, i32 0')}, ptr {place}, align {t.bytes}")
        return
    firsts = ", ".join(f"i32 {lane}" for lane in range(0, t.lanes, t.group))
    some = body.let(f"shufflevector {t.vector} {value}, {t.vector} poison, <{count} x i32> <{firsts}>")
    body.do(f"store <{count} x {t.type}> {some}, ptr {place}, align {t.bytes}")


def across(body: Body, op: str, pointer: str, features: str) -> str:
    """What the numbers of a row come to, in every lane."""
    t = body.target
    count = body.let(f"udiv i64 {body.let(f'add i64 {features}, {t.group - 1}')}, {t.group}")
    return body.let(f"call {t.vector} @across.{op}(ptr {pointer}, i64 {count})")


def one_for_all(body: Body, pointer: str) -> str:
    """One number in every lane."""
    t = body.target
    one = body.let(f"load {t.type}, ptr {pointer}, align {t.bytes}")
    return body.splat(t.type, one)


def functions(target: Target, ops: Collection[str]) -> str:
    """The definitions that reductions call."""
    return "\n".join(_across(target, op) for op in NOTHING if op in ops)


def _join(t: Target, op: str, a: str, b: str) -> str:
    """The instruction for two vectors."""
    v = t.vector
    return f"fadd {v} {a}, {b}" if op == "total" else f"call {v} @llvm.maximum.{t.suffix}({v} {a}, {v} {b})"


def _joined(body: Body, op: str, value: str, group: int) -> str:
    """What groups of lanes come to, by halves, each in all of its lanes."""
    t, half = body.target, group // 2
    while half:
        turned = ", ".join(f"i32 {lane - lane % group + (lane + half) % group}" for lane in range(t.lanes))
        other = body.let(f"shufflevector {t.vector} {value}, {t.vector} poison, <{t.lanes} x i32> <{turned}>")
        value, half = body.let(_join(t, op, value, other)), half // 2
    return value


def _across(t: Target, op: str) -> str:
    """Adds up in as many vectors as the widest has lanes, then these by halves."""
    body, v = Body(t), t.vector
    nothing = body.number(NOTHING[op])
    count = WIDEST // (t.lanes * t.bytes)
    totals = [body.name() for _ in range(count)]
    sums = [body.name() for _ in range(count)]
    first, after = body.name(), body.name()
    body.do("br label %loop")
    body.label("loop")
    body.do(f"{first} = phi i64 [0, %entry], [{after}, %loop]")
    for total, some in zip(totals, sums, strict=True):
        body.do(f"{total} = phi {v} [{nothing}, %entry], [{some}, %loop]")
    left = body.let(f"sub i64 %count, {first}")
    for number, (total, some) in enumerate(zip(totals, sums, strict=True)):
        mask = body.first(body.let(f"sub i64 {left}, {number * t.lanes}"))
        place = body.at("%from", body.let(f"add i64 {first}, {number * t.lanes}"))
        load = f"call {v} @llvm.masked.load.{t.suffix}.p0(ptr {place}, i32 {t.bytes}, {t.flags} {mask}, {v} {nothing})"
        body.do(f"{some} = {_join(t, op, total, body.let(load))}")
    body.do(f"{after} = add i64 {first}, {count * t.lanes}")
    more = body.let(f"icmp slt i64 {after}, %count")
    body.do(f"br i1 {more}, label %loop, label %end")
    body.label("end")
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [body.let(_join(t, op, low, high)) for low, high in zip(sums[:half], sums[half:], strict=True)]
    body.do(f"ret {v} {_joined(body, op, sums[0], t.lanes)}")
    lines = "\n".join(body.lines)
    return f"define internal {v} @across.{op}(ptr %from, i64 %count) alwaysinline {{\nentry:\n{lines}\n}}\n"
