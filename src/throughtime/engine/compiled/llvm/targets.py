"""The processor that machine code is for: this one, or a lesser one of its kind that ``THROUGHTIME_TARGET`` names.

With a lesser one a machine runs, and tests, the code of machines that it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from throughtime.errors import UserError, listed, nearest

VARIABLE = "THROUGHTIME_TARGET"

_V2 = ("cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave")
LEVELS = {
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"),
}
"""What a processor of each level has beyond the first x86-64 (System V ABI, AMD64 supplement, section 3.1.1)."""


@dataclass(frozen=True)
class Processor:
    """What LLVM compiles for.

    Attributes:
        name: As LLVM knows it.
        triple: Processor, vendor and system.
        features: What it has, and what it has not.
    """

    name: str
    triple: str
    features: Mapping[str, bool]


def choose(host: Processor, wanted: str | None) -> Processor:
    """The processor to compile for.

    Args:
        host: This machine's.
        wanted: What ``THROUGHTIME_TARGET`` says: one of :data:`LEVELS`; None or nothing for this machine's.

    Raises:
        UserError: If there is none of that name, or this machine cannot run its code.

    Example:
        >>> v3 = Processor("v3", "x86_64-linux", dict.fromkeys(LEVELS["x86-64-v3"], True))
        >>> choose(v3, "x86-64-v2").features["sse4.2"]
        True
        >>> choose(v3, "x86-64-v4")
        Traceback (most recent call last):
        throughtime.errors.UserError: THROUGHTIME_TARGET: this machine cannot run x86-64-v4, it has no avx512bw, \
avx512cd, avx512dq, avx512f, avx512vl; it runs x86-64-v2, x86-64-v3
    """
    if not wanted:
        return host
    if wanted not in LEVELS:
        raise UserError(f"{VARIABLE}: expected {listed(LEVELS)}, got {wanted!r}{nearest(wanted, LEVELS)}; or unset it")
    lacking = [feature for feature in LEVELS[wanted] if not host.features.get(feature)]
    if wanted not in (runs := runnable(host)):
        remedy = f"it runs {listed(runs)}" if runs else "unset it"
        raise UserError(f"{VARIABLE}: this machine cannot run {wanted}, it has no {listed(lacking)}; {remedy}")
    return Processor(wanted, host.triple, dict.fromkeys(LEVELS[wanted], True))


def runnable(host: Processor) -> list[str]:
    """The levels whose code a machine can run."""
    if not host.triple.startswith("x86_64"):
        return []
    return [name for name, features in LEVELS.items() if all(host.features.get(feature) for feature in features)]
