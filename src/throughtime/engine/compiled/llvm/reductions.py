"""LLVM text for one number of a whole row: a vector to a number, the numbers of a row's vectors to one.

Lanes are joined by halves and vectors in their order, whoever computed them: a row's result has the same bits in any
batch and on any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from throughtime.engine.compiled.llvm.vectors import Body, Target
from throughtime.engine.compiled.llvm.writer import Access

NOTHING = {"total": 0.0, "peak": -math.inf}
"""What a reduction makes of no features."""


def partial(access: Access, op: str, value: str, pointer: str) -> None:
    """Writes what a vector of a row comes to, to its place among the numbers at a pointer."""
    body, t = access.body, access.body.target
    if access.mask is not None:
        value = body.let(f"select {t.flags} {access.mask}, {t.vector} {value}, {t.vector} {body.number(NOTHING[op])}")
    one = body.let(f"extractelement {t.vector} {_joined(body, op, value)}, i32 0")
    place = body.at(pointer, body.let(f"udiv i64 {access.unit}, {t.lanes}"))
    body.do(f"store {t.type} {one}, ptr {place}, align {t.bytes}")


def across(body: Body, op: str, pointer: str, features: str) -> str:
    """What the numbers of a row's vectors come to, in every lane."""
    t = body.target
    count = body.let(f"udiv i64 {body.let(f'add i64 {features}, {t.lanes - 1}')}, {t.lanes}")
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


def _joined(body: Body, op: str, value: str) -> str:
    """All lanes of a vector, in every lane."""
    t, half = body.target, body.target.lanes // 2
    while half:
        turned = ", ".join(f"i32 {(lane + half) % t.lanes}" for lane in range(t.lanes))
        other = body.let(f"shufflevector {t.vector} {value}, {t.vector} poison, <{t.lanes} x i32> <{turned}>")
        value, half = body.let(_join(t, op, value, other)), half // 2
    return value


def _across(t: Target, op: str) -> str:
    body, v = Body(t), t.vector
    nothing = body.number(NOTHING[op])
    some, total, first, after = (body.name() for _ in range(4))
    body.do("br label %loop")
    body.label("loop")
    body.do(f"{first} = phi i64 [0, %entry], [{after}, %loop]")
    body.do(f"{total} = phi {v} [{nothing}, %entry], [{some}, %loop]")
    mask = body.first(body.let(f"sub i64 %count, {first}"))
    place = body.at("%from", first)
    load = f"call {v} @llvm.masked.load.{t.suffix}.p0(ptr {place}, i32 {t.bytes}, {t.flags} {mask}, {v} {nothing})"
    body.do(f"{some} = {_join(t, op, total, body.let(load))}")
    body.do(f"{after} = add i64 {first}, {t.lanes}")
    more = body.let(f"icmp slt i64 {after}, %count")
    body.do(f"br i1 {more}, label %loop, label %end")
    body.label("end")
    body.do(f"ret {v} {_joined(body, op, some)}")
    lines = "\n".join(body.lines)
    return f"define internal {v} @across.{op}(ptr %from, i64 %count) alwaysinline {{\nentry:\n{lines}\n}}\n"
