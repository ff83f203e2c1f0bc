"""Writes a plan down as LLVM text: one function that packs the weights, multiplies the inputs and runs the loop.

The function runs a part of the work: all parties pack and multiply inputs together; then each runs some rows through
the whole sequence, and where several parties share rows, each computes some of the units and they meet at a barrier
where a product needs whole rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from throughtime.engine.compiled.llvm import reductions
from throughtime.engine.compiled.llvm.kernels import kernels, library
from throughtime.engine.compiled.llvm.sweep import SweepWriter
from throughtime.engine.compiled.llvm.vectors import Body, Target, functions
from throughtime.engine.compiled.llvm.writer import APART, STEP, Writer, accesses
from throughtime.engine.compiled.plan import Plan, Sweep

JOB = ("frame", "blocks", "groups", "parts", "barriers", "thread", "threads")
"""What the function is handed, 64 bits each: the frame, blocks of rows, groups of parties that share rows, parties in a
group, a barrier for all and one for each group, and OpenMP's ``omp_get_thread_num`` and ``omp_get_num_threads``.
"""

BARRIER = 128
"""Bytes of a barrier: a cache line for those who come and one for those who wait."""


@dataclass(frozen=True)
class Emitted:
    """A plan as text.

    Attributes:
        text: The LLVM module; it defines ``run(job, index, parties)``, which serves one of the parties, and
            ``member(job)``, which does so for a thread of OpenMP.
        library: The module that it calls, the same for every cell.
        fields: Names of the frame's fields, in order.
        sizes: Of the fields that are widths, the values in this plan.
    """

    text: str
    library: str
    fields: tuple[str, ...]
    sizes: dict[str, int]


def emit(plan: Plan, target: Target) -> Emitted:
    """Writes a plan down."""
    return _Emitter(plan, target).emitted


class _Emitter(Writer):
    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        sweeps = [SweepWriter(self, number, sweep) for number, sweep in enumerate(plan.sweeps)]
        self.scratch = max([sweep.scratch for sweep in sweeps] + [target.rows * target.panel])
        parts = [
            kernels(target),
            functions(target),
            reductions.functions(target, {plan.program.nodes[place].op for place in plan.partials}),
            *(sweep.text() for sweep in sweeps),
            self._outer(),
            self._prepare(),
            self._loop(),
        ]
        parts += [_MEET, _copy(target), _entries(), "!0 = !{}\n"]
        self.emitted = Emitted("\n".join(parts), library(target), tuple(self.frame.fields), self.sizes)

    # Products with the inputs.

    def _outer(self) -> str:
        """Products with the inputs for rows ``%from`` to ``%to`` of the sequences, for one party's units."""
        body = Body(self.target)
        for place in self.outers:
            self._outer_product(body, place)
        return body.function("@outer(ptr %frame, i64 %from, i64 %to, i64 %part, i64 %parts, ptr %scratch)")

    def _outer_product(self, body: Body, place: int) -> None:
        t, name = self.target, self.product(place)
        slot = self.plan.slots[place]
        width = self.width(body, self.nodes[place].width)
        depth = self.frame.load(body, f"{name} depth")
        pack = self.frame.load(body, f"{name} pack", "ptr")
        stride, tape = self.frame.load(body, "x stride"), self.frame.load(body, "tape stride")
        offset = self.frame.load(body, f"slot {slot}")
        size = body.let(f"mul i64 {depth}, {t.panel}")
        with (
            body.loop(*self.share(body, self.panels(body, width), "%part", "%parts")) as panel,
            body.loop("%from", "%to", str(t.rows)) as row,
        ):
            count = body.least(body.let(f"sub i64 %to, {row}"), str(t.rows))
            unit = body.let(f"mul i64 {panel}, {t.panel}")
            to = self.row(body, "tape", row, offset=body.let(f"add i64 {offset}, {unit}"))
            with body.loop("0", count) as ahead:
                body.fetch(body.at(to, body.let(f"mul i64 {ahead}, {tape}")))
            x = self.row(body, "x", row)
            weights = body.weight(pack, body.let(f"mul i64 {size}, {panel}"))
            given = f"i64 {count}, ptr {x}, i64 {stride}, ptr {weights}, i64 {depth}, ptr %scratch"
            body.do(f"call void @products.1({given})")
            room = body.let(f"sub i64 {width}, {unit}")
            body.do(f"call void @copy(ptr %scratch, i64 {count}, i64 {room}, ptr {to}, i64 {tape})")

    def _prepare(self) -> str:
        """Packs this party's share of the panels of every matrix."""
        body = Body(self.target)
        for place in [*self.products, *self.outers]:
            field, block = self.product(place), self.nodes[place].block
            assert block is not None
            if block.heads > 1 or self.target.is_small:  # comes packed
                continue
            width = self.width(body, block.units)
            first, last = self.share(body, self.panels(body, width), "%index", "%all")
            weights = self.frame.load(body, f"{field} weights", "ptr")
            stride = self.frame.load(body, f"{field} weights stride")
            depth = self.frame.load(body, f"{field} depth")
            pack = self.frame.load(body, f"{field} pack", "ptr")
            way = "columns" if block.transposed else "rows"
            matrix = f"ptr {weights}, i64 {stride}, i64 {width}, i64 {depth}"
            body.do(f"call void @pack.{way}({matrix}, ptr {pack}, i64 {first}, i64 {last})")
        return body.function("@prepare(ptr %frame, i64 %index, i64 %all)")

    # The loop.

    def _loop(self) -> str:
        body = Body(self.target)
        scratch = body.let(f"alloca [{self.scratch} x {self.target.type}], align 64")
        steps = self.frame.load(body, "steps")
        unpacked = body.let(f"icmp eq i64 {self.frame.load(body, 'packed')}, 0")
        with body.when(unpacked):
            body.do("call void @prepare(ptr %frame, i64 %index, i64 %all)")
            body.do("call void @meet(ptr %meetall, i64 %all)")
        if self.outers:
            stretch = self.frame.load(body, "stretch")
            with body.loop("0", steps, stretch) as first:
                last = body.least(body.let(f"add i64 {first}, {stretch}"), steps)
                apart = body.let(f"icmp eq i64 {self.frame.load(body, 'inputs')}, {APART}")
                with body.when(apart):
                    self._inputs(body, first, last, scratch)
                self._steps(body, first, last, scratch)
        else:
            self._steps(body, "0", steps, scratch)
        body.do("call void @meet(ptr %meetall, i64 %all)")
        return body.function(f"@loop({_LOOP})")

    def _inputs(self, body: Body, first: str, last: str, scratch: str) -> None:
        """Products with the inputs of a stretch of steps, while the sums still fit the cache.

        Rows of all steps lie together for a party that has all rows; else they are taken step by step.
        """
        alone = body.let("icmp eq i64 %parts, %all")
        with body.when(alone):
            line, end = self._line(body, first), self._line(body, body.let(f"sub i64 {last}, 1"))
            edges = [self.step(body, "row", at) for at in (line, end)]
            ends = [
                body.let(f"add i64 {edge}, {self.step(body, 'active', at)}")
                for edge, at in zip(edges, (line, end), strict=True)
            ]
            rows = f"i64 {body.least(*edges)}, i64 {body.most(*ends)}"
            body.do(f"call void @outer(ptr %frame, {rows}, i64 %part, i64 %parts, ptr {scratch})")
        among = body.let("icmp ne i64 %parts, %all")
        with body.when(among), body.loop(first, last) as step:
            line = self._line(body, step)
            base = self.step(body, "row", line)
            low, high = self._edge(body, "%block.first"), self._edge(body, "%block.last")
            high = body.least(high, self.step(body, "active", line))
            rows = f"i64 {body.let(f'add i64 {base}, {low}')}, i64 {body.let(f'add i64 {base}, {high}')}"
            body.do(f"call void @outer(ptr %frame, {rows}, i64 %part, i64 %parts, ptr {scratch})")

    def _steps(self, body: Body, first: str, last: str, scratch: str) -> None:
        rows_first = self._edge(body, "%block.first")
        barriers = self.plan.barriers()
        with body.loop(first, last) as step:
            line = self._line(body, step)
            active = self.step(body, "active", line)
            turn = body.let(f"add i64 {step}, {self.frame.load(body, 'turn')}")
            odd = body.let(f"trunc i64 {turn} to i1")
            with body.when(body.let(f"icmp sgt i64 {active}, {rows_first}")):
                done: set[int] = set()
                for number, sweep in enumerate(self.plan.sweeps):
                    if sweep.stage in barriers - done:
                        body.do("call void @meet(ptr %meet, i64 %parts)")
                        done.add(sweep.stage)
                    self._walk(body, number, sweep, line, active, odd, scratch)

    def _walk(self, body: Body, number: int, sweep: Sweep, line: str, active: str, odd: str, scratch: str) -> None:
        """Calls a sweep for this party's panels and rows.

        Panel by panel where weights are read, so that they stay in the cache for all rows, and back and forth from
        step to step, so that of weights larger than the cache those last read are read first; row by row where they
        are not, so that rows are read from front to end.
        """
        panels = self.share(body, self.panels(body, self.width(body, sweep.width)), "%part", "%parts")
        blocks = ("%block.first", "%block.last")
        multiplies = sweep.products or any(
            self.nodes[a].op == "outer" for v in sweep.values for a in self.nodes[v].args
        )
        outer, inner = (panels, blocks) if multiplies else (blocks, panels)
        with body.loop(*outer) as i, body.loop(*inner) as j:
            panel, block = (i, j) if multiplies else (j, i)
            if multiplies:
                mirrored = body.let(f"sub i64 {body.let(f'add i64 {panels[0]}, {panels[1]}')}, {panel}")
                back = body.let(f"sub i64 {mirrored}, 1")
                panel = body.let(f"select i1 {odd}, i64 {back}, i64 {panel}")
            row = self._edge(body, block)
            end = body.least(self._edge(body, body.let(f"add i64 {block}, 1")), active)
            rows = body.let(f"sub i64 {end}, {row}")
            with body.when(body.let(f"icmp sgt i64 {rows}, 0")):
                given = f"i64 {block}, i64 {row}, i64 {rows}, i64 {panel}, ptr {scratch}"
                body.do(f"call void @sweep.{number}(ptr %frame, ptr {line}, {given})")

    def _line(self, body: Body, step: str) -> str:
        """The step's line in the table."""
        offset = body.let(f"mul i64 {step}, {len(STEP)}")
        return body.let(f"getelementptr i64, ptr {self.frame.load(body, 'table', 'ptr')}, i64 {offset}")

    def _edge(self, body: Body, block: str) -> str:
        """A block's first row."""
        place = body.let(f"getelementptr i64, ptr {self.frame.load(body, 'blocks', 'ptr')}, i64 {block}")
        return body.let(f"load i64, ptr {place}, align 8, !invariant.load !0")


_ROWS = "i64 %block.first, i64 %block.last"
_LOOP = f"ptr %frame, {_ROWS}, i64 %part, i64 %parts, ptr %meet, i64 %index, i64 %all, ptr %meetall"


def _entries() -> str:
    """``run`` and ``member``. Where fewer threads came than were asked for, the first does everything."""
    fields = "\n".join(
        f"  %{name}.p = getelementptr i64, ptr %job, i64 {i}\n"
        f"  %{name} = load {'ptr' if name in ('frame', 'barriers') else 'i64'}, ptr %{name}.p, align 8"
        for i, name in enumerate(JOB[:5])
    )
    given = "ptr %frame, i64 %from, i64 %to, i64 %part, i64 %parts, ptr %meet, i64 %index, i64 %wanted, ptr %barriers"
    return f"""define void @run(ptr %job, i64 %index, i64 %parties) {{
entry:
{fields}
  %wanted = mul i64 %groups, %parts
  %enough = icmp sge i64 %parties, %wanted
  br i1 %enough, label %together, label %few
few:
  %first = icmp eq i64 %index, 0
  br i1 %first, label %alone, label %end
alone:
  call void @loop(ptr %frame, i64 0, i64 %blocks, i64 0, i64 1, ptr %barriers, i64 0, i64 1, ptr %barriers)
  br label %end
together:
  %one = icmp slt i64 %index, %wanted
  br i1 %one, label %share, label %end
share:
  %group = udiv i64 %index, %parts
  %part = urem i64 %index, %parts
  %next = add i64 %group, 1
  %low = mul i64 %blocks, %group
  %high = mul i64 %blocks, %next
  %from = udiv i64 %low, %groups
  %to = udiv i64 %high, %groups
  %skip = mul i64 %next, {BARRIER}
  %meet = getelementptr i8, ptr %barriers, i64 %skip
  call void @loop({given})
  br label %end
end:
  ret void
}}

define void @member(ptr %job) {{
entry:
  %thread.p = getelementptr i64, ptr %job, i64 {JOB.index("thread")}
  %threads.p = getelementptr i64, ptr %job, i64 {JOB.index("threads")}
  %thread = load ptr, ptr %thread.p, align 8
  %threads = load ptr, ptr %threads.p, align 8
  %t = call i32 %thread()
  %n = call i32 %threads()
  %index = sext i32 %t to i64
  %parties = sext i32 %n to i64
  call void @run(ptr %job, i64 %index, i64 %parties)
  ret void
}}
"""


_MEET = """define internal void @meet(ptr %b, i64 %parties) alwaysinline {
entry:
  %alone = icmp eq i64 %parties, 1
  br i1 %alone, label %done, label %wait
wait:
  call void @barrier(ptr %b, i64 %parties)
  br label %done
done:
  ret void
}
"""


def _copy(t: Target) -> str:
    """Copies rows of a panel from the scratch, as far as the units go."""
    body = Body(t)
    inside = body.least("%room", str(t.panel))
    with body.loop("0", "%rows") as row:
        source = body.at("%from", body.let(f"mul i64 {row}, {t.panel}"))
        goal = body.at("%to", body.let(f"mul i64 {row}, %stride"))
        with body.loop("0", inside, str(t.lanes)) as unit:
            value = body.let(f"load {t.vector}, ptr {body.at(source, unit)}, align {t.bytes}")
            left = body.let(f"sub i64 {inside}, {unit}")
            for access in accesses(body, unit, left):
                access.store(value, goal)
    return body.function("@copy(ptr %from, i64 %rows, i64 %room, ptr %to, i64 %stride)")
