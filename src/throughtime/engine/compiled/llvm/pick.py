"""Machine code that draws one of a few tokens: by rank, weight and random number.

The rank of a token is how many are likelier, or as likely and of a lower id: of few tokens that is quicker counted, a
vector of them at once, than sorted.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from throughtime.engine.compiled.llvm.build import Code, build, target
from throughtime.engine.compiled.llvm.vectors import Body

_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("scores", "numbers", "order", "weights", "tokens", "drawable"), ctypes.c_int64),
    **dict.fromkeys(("temperature", "share", "best"), ctypes.c_double),
    "drawn": ctypes.c_int64,
}


class Job(ctypes.Structure):
    """What the code reads and writes.

    Attributes:
        scores: Address of the tokens' log-probabilities, -inf after the last up to a whole vector.
        numbers: Of the random numbers, one for each token that may be drawn, the likeliest first.
        order: Room for as many integers as there are tokens.
        weights: Room for as many numbers.
        tokens: How many there are.
        drawable: How many of the likeliest may be drawn.
        temperature: What differences of scores are divided by.
        share: Of the probability, that the likeliest hold together of which one is drawn.
        best: The greatest score, or NaN where one is NaN.
        drawn: The token.
    """

    _fields_ = tuple(_FIELDS.items())


@functools.cache
def picker() -> Code:
    """The code; it runs a :class:`Job`."""
    return build(_text())


def lanes() -> int:
    """Numbers of a whole vector."""
    return target("double").lanes


def _text() -> str:
    t = target("double")
    body = Body(t)
    for i, (name, kind) in enumerate(_FIELDS.items()):
        body.do(f"%{name}.p = getelementptr i64, ptr %job, i64 {i}")
        if name not in ("best", "drawn"):
            one = "ptr" if i < 4 else "double" if kind is ctypes.c_double else "i64"
            body.do(f"%{name} = load {one}, ptr %{name}.p, align 8")
    for name in ("total", "held", "reached"):
        body.do(f"%{name} = alloca double, align 8")
        body.do(f"store double 0.0, ptr %{name}, align 8")
    body.do(f"%before = alloca {t.integers}, align 64")
    _rank(body)
    _weigh(body)
    _choose(body)
    lines = "\n".join([*body.lines, "  ret void"])
    return f"""declare double @exp(double)
declare double @llvm.maximum.f64(double, double)
declare i64 @llvm.vector.reduce.add.v{t.lanes}i64({t.integers})
@lanes = internal constant {t.integers} <{", ".join(f"i64 {lane}" for lane in range(t.lanes))}>
define void @run(ptr %job, i64 %index, i64 %parties) {{
entry:
{lines}
}}
define void @member(ptr %job) {{
  ret void
}}
"""


def _load(body: Body, pointer: str, at: str, kind: str = "double") -> str:
    place = body.let(f"getelementptr {kind}, ptr {pointer}, i64 {at}")
    return body.let(f"load {kind}, ptr {place}, align 8")


def _store(body: Body, value: str, pointer: str, at: str, kind: str = "double") -> None:
    place = body.let(f"getelementptr {kind}, ptr {pointer}, i64 {at}")
    body.do(f"store {kind} {value}, ptr {place}, align 8")


def _rank(body: Body) -> None:
    """The greatest score, and the tokens in order."""
    t = body.target
    body.do("store double 0xFFF0000000000000, ptr %best.p, align 8")
    with body.loop("0", "%tokens") as token:
        score = _load(body, "%scores", token)
        best = _load(body, "%best.p", "0")
        _store(body, body.let(f"call double @llvm.maximum.f64(double {best}, double {score})"), "%best.p", "0")
        mine, own = body.splat("double", score), body.splat("i64", token)
        body.do(f"store {t.integers} zeroinitializer, ptr %before, align 64")
        here = body.let(f"mul i64 {body.let(f'udiv i64 {token}, {t.lanes}')}, {t.lanes}")
        after = body.let(f"add i64 {here}, {t.lanes}")
        with body.loop("0", here, str(t.lanes)) as first:
            _count(body, body.let(f"fcmp oge {t.vector} {_others(body, first)}, {mine}"))
        ids = body.let(f"add {t.integers} {body.splat('i64', here)}, {body.let(f'load {t.integers}, ptr @lanes')}")
        greater, equal = (body.let(f"fcmp {test} {t.vector} {_others(body, here)}, {mine}") for test in ("ogt", "oeq"))
        lower = body.let(f"icmp slt {t.integers} {ids}, {own}")
        _count(body, body.let(f"or {t.flags} {greater}, {body.let(f'and {t.flags} {equal}, {lower}')}"))
        with body.loop(after, "%tokens", str(t.lanes)) as first:
            _count(body, body.let(f"fcmp ogt {t.vector} {_others(body, first)}, {mine}"))
        counted = body.let(f"load {t.integers}, ptr %before, align 64")
        rank = body.let(f"call i64 @llvm.vector.reduce.add.v{t.lanes}i64({t.integers} {counted})")
        _store(body, token, "%order", rank, "i64")


def _others(body: Body, first: str) -> str:
    return body.let(f"load {body.target.vector}, ptr {body.at('%scores', first)}, align 8")


def _count(body: Body, ahead: str) -> None:
    """Counts those of a vector that stand ahead: a truth is -1."""
    integers = body.target.integers
    counted = body.let(f"load {integers}, ptr %before, align 64")
    less = body.let(f"sext {body.target.flags} {ahead} to {integers}")
    body.do(f"store {integers} {body.let(f'sub {integers} {counted}, {less}')}, ptr %before, align 64")


def _weigh(body: Body) -> None:
    """Probabilities over that of the likeliest, in order, and their sum."""
    best = _load(body, "%best.p", "0")
    with body.loop("0", "%drawable") as rank:
        below = body.let(f"fsub double {_load(body, '%scores', _load(body, '%order', rank, 'i64'))}, {best}")
        weight = body.let(f"call double @exp(double {body.let(f'fdiv double {below}, %temperature')})")
        _store(body, weight, "%weights", rank)
        _store(body, body.let(f"fadd double {_load(body, '%total', '0')}, {weight}"), "%total", "0")


def _choose(body: Body) -> None:
    """Of the tokens before which the likelier ones hold less than the share, that of the greatest weight / number."""
    total = _load(body, "%total", "0")
    body.do("store i64 -1, ptr %drawn.p, align 8")
    with body.loop("0", "%drawable") as rank:
        weight, held = _load(body, "%weights", rank), _load(body, "%held", "0")
        within = body.let(f"fcmp olt double {held}, %share")
        quotient = body.let(f"fdiv double {weight}, {_load(body, '%numbers', rank)}")
        further = body.let(f"fcmp ogt double {quotient}, {_load(body, '%reached', '0')}")
        with body.when(body.let(f"and i1 {within}, {further}")):
            _store(body, quotient, "%reached", "0")
            _store(body, _load(body, "%order", rank, "i64"), "%drawn.p", "0", "i64")
        _store(body, body.let(f"fadd double {held}, {body.let(f'fdiv double {weight}, {total}')}"), "%held", "0")
