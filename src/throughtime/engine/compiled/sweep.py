"""Writes down one sweep of a plan: its products, then its arithmetic while the sums are still in the cache."""

from __future__ import annotations

from throughtime.engine.compiled.plan import Sweep
from throughtime.engine.compiled.vectors import Body, arithmetic
from throughtime.engine.compiled.writer import STEP, Access, Writer


class SweepWriter:
    """A sweep on its way to text: a function that serves some rows and one panel of units of a step."""

    def __init__(self, writer: Writer, number: int, sweep: Sweep) -> None:
        self.writer = writer
        self.number = number
        self.sweep = sweep

    def text(self) -> str:
        """The function ``sweep.<number>``."""
        t = self.writer.target
        body = Body(t)
        width = self.writer.width(body, self.sweep.width)
        bases = {name: self.writer.step(body, name) for name in STEP[1:]}
        units = body.let(f"mul i64 %panel, {t.panel}")
        if self.sweep.products:
            self._fetch(body, bases, units)
            self._multiply(body, bases)
        left_of_panel = body.let(f"sub i64 {width}, {units}")
        inside = body.least(left_of_panel, str(t.panel))
        with body.loop("0", "%rows.count") as row:
            reads, writes = self._streams(body, bases, row)
            scratch = body.let(f"mul i64 {row}, {t.panel}")
            with body.loop("0", inside, str(t.lanes)) as within:
                unit = body.let(f"add i64 {units}, {within}")
                left = body.let(f"sub i64 {inside}, {within}")
                in_scratch = body.let(f"add i64 {scratch}, {within}")
                full = body.let(f"icmp sge i64 {left}, {t.lanes}")
                with body.when(full):
                    self._arithmetic(body, Access(body, unit, None), reads, writes, in_scratch)
                cut = body.let(f"icmp slt i64 {left}, {t.lanes}")
                with body.when(cut):
                    self._arithmetic(body, Access(body, unit, body.first(left)), reads, writes, in_scratch)
        head = "ptr %frame, ptr %step, i64 %block, i64 %row0, i64 %rows.count, i64 %panel, ptr %scratch"
        return body.function(f"@sweep.{self.number}({head})")

    def _fetch(self, body: Body, bases: dict[str, str], units: str) -> None:
        """Asks for the rows that the arithmetic needs before the products, which take longer than memory does."""
        with body.loop("0", "%rows.count") as row:
            reads, writes = self._streams(body, bases, row)
            vectors = {p for p in reads if self.writer.nodes[p].op == "vector"}
            for pointer in [*(r for p, r in reads.items() if p not in vectors), *(w for _, w in writes)]:
                body.fetch(body.at(pointer, units))

    def _multiply(self, body: Body, bases: dict[str, str]) -> None:
        """The sweep's products into the scratch, those of one operand up to four at once."""
        t = self.writer.target
        waiting = list(enumerate(self.sweep.products))
        while waiting:
            operand = self.writer.nodes[waiting[0][1]].args
            same = 1
            while same < min(4, len(waiting)) and self.writer.nodes[waiting[same][1]].args == operand:
                same += 1
            together = {3: 2}.get(same, same)
            group, waiting = waiting[:together], waiting[together:]
            pointer, stride = self._operand(body, operand, bases)
            depth = self.writer.frame.load(body, f"{self.writer.product(group[0][1])} depth")
            size = body.let(f"mul i64 {depth}, {t.panel}")
            at = body.let(f"mul i64 {size}, %panel")
            packs = []
            for _, place in group:
                pack = self.writer.frame.load(body, f"{self.writer.product(place)} pack", "ptr")
                packs.append(body.let(f"getelementptr {t.type}, ptr {pack}, i64 {at}"))
            to = body.let(f"getelementptr {t.type}, ptr %scratch, i64 {group[0][0] * t.rows * t.panel}")
            given = ", ".join(f"ptr {pack}" for pack in packs)
            operands = f"i64 %rows.count, ptr {pointer}, i64 {stride}, {given}, i64 {depth}, ptr {to}"
            body.do(f"call void @products.{together}({operands})")

    def _operand(self, body: Body, operand: tuple[int, ...], bases: dict[str, str]) -> tuple[str, str]:
        node = self.writer.nodes[operand[0]]
        name, base = "tape", "row"
        if node.op == "state" and node.name not in self.writer.plan.in_place:
            name, base = f"state {node.name}", "before"
        elif node.op == "sequence" and operand[0] not in self.writer.plan.slots:
            name = node.name
        row = body.let(f"add i64 {bases[base]}, %row0")
        stride = self.writer.frame.load(body, f"{name} stride")
        if name == "tape":
            return self.writer.slot(body, operand[0], row), stride
        return self.writer.row(body, name, row), stride

    def _streams(self, body: Body, bases: dict[str, str], row: str) -> tuple[dict[int, str], list[tuple[int, str]]]:
        """Pointers to this row of everything that the sweep reads and writes."""
        nodes, plan = self.writer.nodes, self.writer.plan
        absolute = body.let(f"add i64 %row0, {row}")
        places = {name: body.let(f"add i64 {base}, {absolute}") for name, base in bases.items()}
        used = [arg for place in self.sweep.values for arg in nodes[place].args]
        used += [
            *self.sweep.keeps,
            *(plan.program.state[s] for s in self.sweep.states),
            *(plan.program.sums[s] for s in self.sweep.sums),
        ]
        own = {*self.sweep.products, *self.sweep.values}
        reads: dict[int, str] = {}
        for place in dict.fromkeys(used):
            if place not in own and nodes[place].op != "constant":
                reads[place] = self._read(body, place, places, absolute)
        writes = [(place, self.writer.slot(body, place, places["row"])) for place in self.sweep.keeps]
        for name in self.sweep.states:
            row = absolute if name in plan.in_place else places["after"]
            writes.append((plan.program.state[name], self.writer.row(body, f"state {name}", row)))
        return reads, writes

    def _read(self, body: Body, place: int, places: dict[str, str], absolute: str) -> str:
        node = self.writer.nodes[place]
        if place in self.writer.plan.slots:
            return self.writer.slot(body, place, places["row"])
        if node.op == "vector":
            return self.writer.frame.load(body, f"vector {node.name}", "ptr")
        if node.op == "rowwise":
            return self.writer.row(body, node.name, absolute)
        if node.op == "state":
            row = absolute if node.name in self.writer.plan.in_place else places["before"]
            return self.writer.row(body, f"state {node.name}", row)
        for ending, base in (("<t-1>", "before"), ("<t>", "after")):
            if node.name.endswith(ending):  # the forward step's states, seen from the backward one
                return self.writer.row(body, f"state {node.name.removesuffix(ending)}", places[base])
        return self.writer.row(body, node.name, places["row"])

    def _arithmetic(
        self,
        body: Body,
        access: Access,
        reads: dict[int, str],
        writes: list[tuple[int, str]],
        in_scratch: str,
    ) -> None:
        """One vector of units: everything is read before anything is written, so that slots may be used again."""
        t = self.writer.target
        values = {place: access.load(pointer) for place, pointer in reads.items()}
        for number, place in enumerate(self.sweep.products):
            row = body.let(f"add i64 {in_scratch}, {number * t.rows * t.panel}")
            pointer = body.let(f"getelementptr {t.type}, ptr %scratch, i64 {row}")
            values[place] = body.let(f"load {t.vector}, ptr {pointer}, align {t.bytes}")

        def value(place: int) -> str:
            node = self.writer.nodes[place]
            return body.number(node.number) if node.op == "constant" else values[place]

        for place in self.sweep.values:
            node = self.writer.nodes[place]
            values[place] = arithmetic(body, node.op, [value(arg) for arg in node.args])
        for place, pointer in writes:
            access.store(value(place), pointer)
        for name in self.sweep.sums:
            pointer = self.writer.row(body, f"sum {name}", "%block")
            total = body.binary("fadd", access.load(pointer), value(self.writer.plan.program.sums[name]))
            access.store(total, pointer)
