"""What every emitted function needs: the frame of a call, and the addresses of rows.

Sizes never stand in the text. What the code must know of a call (pointers, strides, sizes) it reads from a frame of
64-bit integers, whose fields are named here and filled in by the runner; so the text, and with it the machine code, is
the same for every shape.
"""

from __future__ import annotations

from collections.abc import Iterator

from throughtime.engine.compiled.llvm.vectors import Body, Target
from throughtime.engine.compiled.plan import Plan

STEP = ("active", "row", "before", "after")
"""A step's line in the table: rows running, their first row in sequences, and in states before and after the step."""

APART, FUSED, THERE = range(3)
"""Of the frame's field ``inputs``: products with the inputs are computed for a stretch of steps at once, by each step
itself, or lie on the tape.
"""


class Frame:
    """The frame's fields: asking for one makes it."""

    def __init__(self) -> None:
        self.fields: dict[str, int] = {}

    def load(self, body: Body, name: str, kind: str = "i64") -> str:
        """Reads a field."""
        index = self.fields.setdefault(name, len(self.fields))
        place = body.let(f"getelementptr i64, ptr %frame, i64 {index}")
        return body.let(f"load {kind}, ptr {place}, align 8, !invariant.load !0")


class Writer:
    """A plan on its way to text."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan = plan
        self.target = target
        self.frame = Frame()
        self.nodes = plan.program.nodes
        self.products = [place for sweep in plan.sweeps for place in sweep.products]
        self.outers = plan.program.places("outer")
        self.fuses = plan.fuses()
        self._sizes: dict[int, str] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Fields that are widths, with this plan's values."""
        return {name: width for width, name in self._sizes.items()}

    def width(self, body: Body, width: int) -> str:
        """Reads the number of features that is ``width`` in this plan."""
        return self.frame.load(body, self._sizes.setdefault(width, f"size {len(self._sizes)}"))

    def product(self, place: int) -> str:
        """The name of a product's fields."""
        if self.nodes[place].op == "outer":
            return f"outer {self.outers.index(place)}"
        return f"product {self.products.index(place)}"

    def gates(self, place: int) -> int:
        """How many sums make a product: one, or of a transpose with heads one a gate."""
        block = self.nodes[place].block
        return block.gates if block is not None and block.heads > 1 and block.transposed else 1

    def row(self, body: Body, name: str, row: str, *, offset: str | None = None) -> str:
        """A pointer to a row of a buffer with fields ``name`` and ``name stride``, or of the tape."""
        base = self.frame.load(body, name, "ptr")
        stride = self.frame.load(body, f"{name} stride")
        at = body.let(f"mul i64 {row}, {stride}")
        if offset is not None:
            at = body.let(f"add i64 {at}, {offset}")
        return body.at(base, at)

    def slot(self, body: Body, slot: int, row: str) -> str:
        """A pointer to a slot in a row of the tape."""
        return self.row(body, "tape", row, offset=self.frame.load(body, f"slot {slot}"))

    def note(self, body: Body, slot: int, row: str) -> str:
        """A pointer to a slot in a row of the desk."""
        return self.row(body, "desk", row, offset=self.frame.load(body, f"note {slot}"))

    def step(self, body: Body, name: str, line: str = "%step") -> str:
        """Reads the step's line in the table."""
        place = body.let(f"getelementptr i64, ptr {line}, i64 {STEP.index(name)}")
        return body.let(f"load i64, ptr {place}, align 8, !invariant.load !0")

    def panels(self, body: Body, width: str) -> str:
        """Panels of a width."""
        more = body.let(f"add i64 {width}, {self.target.panel - 1}")
        return body.let(f"udiv i64 {more}, {self.target.panel}")

    def share(self, body: Body, total: str, index: str, parties: str) -> tuple[str, str]:
        """First and last of a party's equal share."""
        after = body.let(f"add i64 {index}, 1")
        low, high = body.let(f"mul i64 {total}, {index}"), body.let(f"mul i64 {total}, {after}")
        return body.let(f"udiv i64 {low}, {parties}"), body.let(f"udiv i64 {high}, {parties}")


def accesses(body: Body, unit: str, left: str) -> Iterator[Access]:
    """Accesses to the vector at ``unit`` where ``left`` units are left: whole, and under a mask. What is written for
    each runs where it is the one that fits.
    """
    lanes = body.target.lanes
    with body.when(body.let(f"icmp sge i64 {left}, {lanes}")):
        yield Access(body, unit, None)
    with body.when(body.let(f"icmp slt i64 {left}, {lanes}")):
        yield Access(body, unit, body.first(left))


class Access:
    """Loads and stores one vector of units, under a mask where the row ends within it."""

    def __init__(self, body: Body, unit: str, mask: str | None) -> None:
        self.body = body
        self.unit = unit
        self.mask = mask

    def _at(self, pointer: str) -> str:
        return self.body.at(pointer, self.unit)

    def load(self, pointer: str) -> str:
        """The vector."""
        t, place = self.body.target, self._at(pointer)
        if self.mask is None:
            return self.body.let(f"load {t.vector}, ptr {place}, align {t.bytes}")
        return self.body.let(
            f"call {t.vector} @llvm.masked.load.{t.suffix}.p0(ptr {place}, i32 {t.bytes}, {t.flags} {self.mask}, "
            f"{t.vector} zeroinitializer)"
        )

    def store(self, value: str, pointer: str) -> None:
        """Writes the vector."""
        t, place = self.body.target, self._at(pointer)
        if self.mask is None:
            self.body.do(f"store {t.vector} {value}, ptr {place}, align {t.bytes}")
        else:
            self.body.do(
                f"call void @llvm.masked.store.{t.suffix}.p0({t.vector} {value}, ptr {place}, i32 {t.bytes}, "
                f"{t.flags} {self.mask})"
            )
