"""LLVM text for vectors of numbers: the processor's widths, instructions one by one, and functions such as tanh.

LLVM has no vector tanh or exp of its own; those here are free of branches, hand NaN on, and give the same bits in every
lane.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What the emitter must know of a processor and a number type.

    Attributes:
        type: ``"float"`` or ``"double"``.
        lanes: Numbers in a vector register.
        rows: Most rows that a product's kernel holds in registers, beside two vectors of weights.
        pause: The instruction for a waiting loop.
        weights: What packed weights are kept in: the type's own numbers, ``"bfloat16"`` or ``"int8"``.
    """

    type: str
    lanes: int
    rows: int
    pause: str
    weights: str = "float32"

    @property
    def bytes(self) -> int:
        """Bytes of a number."""
        return 4 if self.type == "float" else 8

    @property
    def group(self) -> int:
        """Numbers of 128 bits, the narrowest vector of any target."""
        return 16 // self.bytes

    @property
    def vector(self) -> str:
        """A vector's type."""
        return f"<{self.lanes} x {self.type}>"

    @property
    def integers(self) -> str:
        """The type of as many integers."""
        return f"<{self.lanes} x i{8 * self.bytes}>"

    @property
    def flags(self) -> str:
        """The type of as many truth values."""
        return f"<{self.lanes} x i1>"

    @property
    def panel(self) -> int:
        """Units of a panel of weights: two vectors."""
        return 2 * self.lanes

    @property
    def is_small(self) -> bool:
        """Whether packed weights have fewer bits than the type's numbers."""
        return self.packed != self.type

    @property
    def packed(self) -> str:
        """The type of a packed weight."""
        return {"bfloat16": "i16", "int8": "i8"}.get(self.weights, self.type)

    @property
    def suffix(self) -> str:
        """The ending of an intrinsic's name."""
        return f"v{self.lanes}f{8 * self.bytes}"


class Body:
    """Lines of a function, one instruction each."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lines: list[str] = []
        self.count = 0

    def name(self) -> str:
        """A fresh name."""
        self.count += 1
        return f"%t{self.count}"

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append(f"  {text}")

    def let(self, text: str) -> str:
        """An instruction; gives its result's name."""
        name = self.name()
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begins a block."""
        self.lines.append(f"{name}:")

    @contextmanager
    def loop(self, first: str, last: str, step: str = "1") -> Iterator[str]:
        """What is written inside runs for every ``step``-th integer from ``first`` to below ``last``."""
        i, after, more = self.name(), self.name(), self.name()
        block = f"loop{i[2:]}"
        self.do(f"br label %{block}.entry")
        self.label(f"{block}.entry")
        some = self.let(f"icmp slt i64 {first}, {last}")
        self.do(f"br i1 {some}, label %{block}, label %{block}.end")
        self.label(block)
        self.do(f"{i} = phi i64 [{first}, %{block}.entry], [{after}, %{block}.next]")
        yield i
        self.do(f"br label %{block}.next")
        self.label(f"{block}.next")
        self.do(f"{after} = add i64 {i}, {step}")
        self.do(f"{more} = icmp slt i64 {after}, {last}")
        self.do(f"br i1 {more}, label %{block}, label %{block}.end")
        self.label(f"{block}.end")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """What is written inside runs if the condition holds."""
        block = f"when{self.name()[2:]}"
        self.do(f"br i1 {condition}, label %{block}, label %{block}.end")
        self.label(block)
        yield
        self.do(f"br label %{block}.end")
        self.label(f"{block}.end")

    def least(self, a: str, b: str) -> str:
        """The smaller of two integers."""
        less = self.let(f"icmp slt i64 {a}, {b}")
        return self.let(f"select i1 {less}, i64 {a}, i64 {b}")

    def most(self, a: str, b: str) -> str:
        """The larger of two integers."""
        less = self.let(f"icmp slt i64 {a}, {b}")
        return self.let(f"select i1 {less}, i64 {b}, i64 {a}")

    def at(self, pointer: str, offset: str) -> str:
        """The address of a number."""
        return self.let(f"getelementptr {self.target.type}, ptr {pointer}, i64 {offset}")

    def weight(self, pointer: str, offset: str) -> str:
        """The address of a packed weight."""
        return self.let(f"getelementptr {self.target.packed}, ptr {pointer}, i64 {offset}")

    def fetch(self, pointer: str) -> None:
        """Asks for a panel's width of a row to be brought into the cache."""
        for line in range(0, self.target.panel * self.target.bytes, 64):
            place = self.let(f"getelementptr i8, ptr {pointer}, i64 {line}")
            self.do(f"call void @llvm.prefetch.p0(ptr {place}, i32 1, i32 3, i32 1)")

    def function(self, head: str) -> str:
        """The lines as an internal function."""
        lines = "\n".join([*self.lines, "  ret void"])
        return f"define internal void {head} noinline {{\nentry:\n{lines}\n}}\n"

    def binary(self, instruction: str, a: str, b: str) -> str:
        """An instruction on two vectors."""
        return self.let(f"{instruction} {self.target.vector} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        """``a * b + c``, rounded once."""
        v = self.target.vector
        return self.let(f"call {v} @llvm.fma.{self.target.suffix}({v} {a}, {v} {b}, {v} {c})")

    def call(self, function: str, *args: str) -> str:
        """A function of vectors."""
        v = self.target.vector
        return self.let(f"call {v} @{function}({', '.join(f'{v} {arg}' for arg in args)})")

    def number(self, value: float) -> str:
        """A vector of one number, rounded to the type."""
        return f"splat ({self.target.type} {literal(self.target.type, value)})"

    def integer(self, value: int) -> str:
        """A vector of one integer."""
        return f"splat (i{8 * self.target.bytes} {value})"

    def choose(self, test: str, a: str, b: str, yes: str, no: str) -> str:
        """``yes`` where the comparison of a and b holds, ``no`` elsewhere and where one is NaN (but for ``une``)."""
        v = self.target.vector
        flag = self.let(f"fcmp {test} {v} {a}, {b}")
        return self.let(f"select {self.target.flags} {flag}, {v} {yes}, {v} {no}")

    def first(self, count: str) -> str:
        """A mask of the first lanes, as many as the 64-bit integer says."""
        t = self.target
        bits = f"i{8 * t.bytes}"
        cut = count if t.bytes == 8 else self.let(f"trunc i64 {count} to {bits}")
        cuts = self.splat(bits, cut)
        lanes = self.let(f"load {t.integers}, ptr @lanes")
        return self.let(f"icmp slt {t.integers} {lanes}, {cuts}")

    def splat(self, kind: str, one: str) -> str:
        """A vector of one number, or integer, of a type."""
        vector = f"<{self.target.lanes} x {kind}>"
        first = self.let(f"insertelement {vector} poison, {kind} {one}, i32 0")
        return self.let(f"shufflevector {vector} {first}, {vector} poison, <{self.target.lanes} x i32> zeroinitializer")

    def whole(self, integer: str) -> str:
        """A vector of one 64-bit integer as a number."""
        return self.splat(self.target.type, self.let(f"sitofp i64 {integer} to {self.target.type}"))

    def indices(self, unit: str) -> str:
        """The numbers of the units from one on, lane by lane."""
        t = self.target
        lanes = self.let(f"sitofp {t.integers} {self.let(f'load {t.integers}, ptr @lanes')} to {t.vector}")
        return self.binary("fadd", self.whole(unit), lanes)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's rule, highest power first."""
        result = self.number(coefficients[0])
        for coefficient in coefficients[1:]:
            result = self.fma(result, x, self.number(coefficient))
        return result


def literal(kind: str, value: float) -> str:
    """A number as LLVM reads it exactly."""
    if kind == "float":
        value = struct.unpack("f", struct.pack("f", value))[0]
    return "0x" + struct.pack(">d", value).hex().upper()


def functions(target: Target) -> str:
    """The definitions that emitted arithmetic calls."""
    parts = []
    for name, write in (("exp", _exp), ("tanh", _tanh), ("sigmoid", _sigmoid)):
        body = Body(target)
        result = write(body, "%x")
        lines = "\n".join(body.lines)
        v = target.vector
        parts.append(f"define internal {v} @tt.{name}({v} %x) alwaysinline {{\n{lines}\n  ret {v} {result}\n}}\n")
    for name in SCALAR:
        parts.append(_lane_by_lane(target, name))
    return "\n".join(parts)


# Arithmetic of the program, as instructions.


def arithmetic(body: Body, op: str, args: Sequence[str]) -> str:
    """One operation on vectors."""
    return _ARITHMETIC[op](body, *args)


def _flag(test: str) -> Callable[..., str]:
    return lambda body, a, b: body.choose(test, a, b, body.number(1.0), body.number(0.0))


def _intrinsic(name: str) -> Callable[..., str]:
    return lambda body, *args: body.call(f"llvm.{name}.{body.target.suffix}", *args)


def _called(name: str) -> Callable[..., str]:
    return lambda body, x: body.call(f"tt.{name}", x)


def _instruction(name: str) -> Callable[..., str]:
    return lambda body, a, b: body.binary(name, a, b)


SCALAR = ("log", "log1p", "sin", "cos", "erf")
"""Taken from the C library, lane by lane: right, and slower."""

_ARITHMETIC: dict[str, Callable[..., str]] = {
    "add": _instruction("fadd"),
    "sub": _instruction("fsub"),
    "mul": _instruction("fmul"),
    "div": _instruction("fdiv"),
    "neg": lambda body, x: body.let(f"fneg {body.target.vector} {x}"),
    "abs": _intrinsic("fabs"),
    "sqrt": _intrinsic("sqrt"),
    "max": _intrinsic("maximum"),
    "min": _intrinsic("minimum"),
    "gt": _flag("ogt"),
    "ge": _flag("oge"),
    "eq": _flag("oeq"),
    "where": lambda body, test, yes, no: body.choose("une", test, body.number(0.0), yes, no),
    "apart": lambda body, a, b: _square(body, body.binary("fsub", a, b)),
    "detach": lambda body, x: x,
    **{name: _called(name) for name in ("exp", "tanh", "sigmoid", *SCALAR)},
}


def _square(body: Body, x: str) -> str:
    return body.binary("fmul", x, x)


def _clamped(body: Body, x: str, low: float, high: float) -> str:
    x = body.choose("olt", x, body.number(low), body.number(low), x)
    return body.choose("ogt", x, body.number(high), body.number(high), x)


def _reduced(body: Body, x: str) -> tuple[str, str]:
    """X = k ln 2 + r: k as a number, and r; k is rounded by adding a number whose last bit stands for 1."""
    shifter = body.number(_shifter(body.target))
    k = body.binary("fsub", body.fma(x, body.number(math.log2(math.e)), shifter), shifter)
    first, rest = LN_2[body.target.type]
    return k, body.fma(k, body.number(-rest), body.fma(k, body.number(-first), x))


LN_2 = {
    "float": (0.693359375, -2.12194440054690583e-4),
    "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
"""ln 2 as a number whose product with a small integer is exact, and the rest (Cephes, fdlibm)."""


def _shifter(target: Target) -> float:
    return 1.5 * 2.0 ** (23 if target.type == "float" else 52)


def _power(body: Body, k: str) -> str:
    """2^k for a whole k within the range of exponents."""
    t = body.target
    shift, bias = (23, 127) if t.type == "float" else (52, 1023)
    shifted = body.binary("fadd", k, body.number(_shifter(t)))
    bits = body.let(f"bitcast {t.vector} {shifted} to {t.integers}")
    moved = body.let(f"shl {t.integers} {bits}, {body.integer(shift)}")
    biased = body.let(f"add {t.integers} {moved}, {body.integer(bias << shift)}")
    return body.let(f"bitcast {t.integers} {biased} to {t.vector}")


def _taylor(body: Body, r: str) -> str:
    """(e^r - 1) / r for |r| <= ln 2 / 2."""
    terms = 8 if body.target.type == "float" else 14
    return body.polynomial(r, [1 / math.factorial(i) for i in range(terms, 0, -1)])


def _exp(body: Body, x: str) -> str:
    low, high = (-104.0, 89.0) if body.target.type == "float" else (-746.0, 710.0)
    k, r = _reduced(body, _clamped(body, x, low, high))
    shifter = body.number(_shifter(body.target))
    half = body.binary("fsub", body.fma(k, body.number(0.5), shifter), shifter)
    # in two steps, so that neither power leaves the range of exponents
    p = body.binary("fmul", body.fma(_taylor(body, r), r, body.number(1.0)), _power(body, half))
    return body.binary("fmul", p, _power(body, body.binary("fsub", k, half)))


def _tanh(body: Body, x: str) -> str:
    if body.target.type == "float":
        return _rational_tanh(body, x)
    # e / (e + 2) with e = exp(2|x|) - 1, which stays exact near zero
    double = body.call(f"llvm.fabs.{body.target.suffix}", body.binary("fadd", x, x))
    k, r = _reduced(body, _clamped(body, double, 0.0, 40.0))
    scale = _power(body, k)
    small = body.binary("fmul", _taylor(body, r), r)
    e = body.fma(small, scale, body.binary("fsub", scale, body.number(1.0)))
    ratio = body.binary("fdiv", e, body.binary("fadd", e, body.number(2.0)))
    return body.call(f"llvm.copysign.{body.target.suffix}", ratio, x)


TANH_ABOVE = (
    *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08),
    *(1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
)
TANH_BELOW = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)


def _rational_tanh(body: Body, x: str) -> str:
    """The quotient of polynomials of Eigen (MathFunctionsImpl.h): within 3 units in the last place."""
    x = _clamped(body, x, -7.99881172180175781, 7.99881172180175781)
    square = body.binary("fmul", x, x)
    numerator = body.binary("fmul", x, body.polynomial(square, TANH_ABOVE))
    quotient = body.binary("fdiv", numerator, body.polynomial(square, TANH_BELOW))
    tiny = body.call(f"llvm.fabs.{body.target.suffix}", x)
    return body.choose("olt", tiny, body.number(4e-4), x, quotient)


def _sigmoid(body: Body, x: str) -> str:
    half = body.number(0.5)
    return body.fma(body.call("tt.tanh", body.binary("fmul", x, half)), half, half)


def _lane_by_lane(target: Target, name: str) -> str:
    t, v = target.type, target.vector
    function = name + ("f" if t == "float" else "")
    body = Body(target)
    result = "poison"
    for lane in range(target.lanes):
        number = body.let(f"extractelement {v} %x, i32 {lane}")
        called = body.let(f"call {t} @{function}({t} {number})")
        result = body.let(f"insertelement {v} {result}, {t} {called}, i32 {lane}")
    lines = "\n".join(body.lines)
    return (
        f"declare {t} @{function}({t})\n"
        f"define internal {v} @tt.{name}({v} %x) noinline {{\n{lines}\n  ret {v} {result}\n}}\n"
    )
