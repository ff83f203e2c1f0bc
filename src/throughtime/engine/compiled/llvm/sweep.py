"""Writes down one sweep of a plan: its products, then its arithmetic while the sums are still in the cache."""

from __future__ import annotations

import functools

from throughtime.engine.compiled.llvm.reductions import across, one_for_all, partial
from throughtime.engine.compiled.llvm.vectors import Body, arithmetic
from throughtime.engine.compiled.llvm.writer import FUSED, STEP, Access, Writer, accesses
from throughtime.engine.compiled.plan import Sweep
from throughtime.program import NUMBERS, REDUCTIONS


class SweepWriter:
    """A sweep on its way to text: a function that serves some rows and one panel of units of a step."""

    def __init__(self, writer: Writer, number: int, sweep: Sweep) -> None:
        self.writer = writer
        self.number = number
        self.sweep = sweep
        used = {arg for place in sweep.values for arg in writer.nodes[place].args}
        self.outers = [place for place in writer.outers if place in used] if writer.fuses else []

    @property
    def scratch(self) -> int:
        """Numbers of scratch that it needs."""
        products = sum(map(self.writer.gates, [*self.sweep.products, *self.outers]))
        return products * self.writer.target.rows * self.writer.target.panel

    def text(self) -> str:
        """The function ``sweep.<number>``."""
        t = self.writer.target
        body = Body(t)
        width = self.writer.width(body, self.sweep.width)
        bases = {name: self.writer.step(body, name) for name in STEP[1:]}
        units = body.let(f"mul i64 %panel, {t.panel}")
        fused = None
        if self.sweep.products or self.outers:
            self._fetch(body, bases, units)
            self._multiply(body, self.sweep.products, bases)
        if self.outers:
            fused = body.let(f"icmp eq i64 {self.writer.frame.load(body, 'inputs')}, {FUSED}")
            with body.when(fused):
                self._multiply(body, self.outers, bases)
        left_of_panel = body.let(f"sub i64 {width}, {units}")
        inside = body.least(left_of_panel, str(t.panel))
        with body.loop("0", "%rows.count") as row:
            reads, writes = self._streams(body, bases, row)
            partials = self._partials(body, row)
            scratch = body.let(f"mul i64 {row}, {t.panel}")
            for place in self.outers:
                # in the scratch, a row begins with the panel's units
                ahead = body.let(f"sub i64 {scratch}, {units}")
                here = body.at("%scratch", body.let(f"add i64 {ahead}, {self._in_scratch(place)}"))
                reads[place] = body.let(f"select i1 {fused}, ptr {here}, ptr {reads[place]}")
            with body.loop("0", inside, str(t.lanes)) as within:
                unit = body.let(f"add i64 {units}, {within}")
                left = body.let(f"sub i64 {inside}, {within}")
                in_scratch = body.let(f"add i64 {scratch}, {within}")
                for access in accesses(body, unit, left):
                    self._arithmetic(body, access, reads, writes, partials, in_scratch)
        head = "ptr %frame, ptr %step, i64 %block, i64 %row0, i64 %rows.count, i64 %panel, ptr %scratch"
        return body.function(f"@sweep.{self.number}({head})")

    def _fetch(self, body: Body, bases: dict[str, str], units: str) -> None:
        """Asks for the rows that the arithmetic needs before the products, which take longer than memory does."""
        with body.loop("0", "%rows.count") as row:
            reads, writes = self._streams(body, bases, row)
            near = {p for p in reads if self.writer.nodes[p].op in ("vector", "spread", *REDUCTIONS)}
            for pointer in [*(r for p, r in reads.items() if p not in near), *(w for _, w in writes)]:
                body.fetch(body.at(pointer, units))

    def _multiply(self, body: Body, places: list[int], bases: dict[str, str]) -> None:
        """Products into the scratch, those of one operand up to four at once."""
        t, writer = self.writer.target, self.writer
        waiting = list(places)
        while waiting:
            same = 1
            while same < min(4, len(waiting)) and self._source(waiting[same]) == self._source(waiting[0]):
                same += 1
            together = same if t.is_small else {3: 2}.get(same, same)
            if writer.gates(waiting[0]) > 1:
                self._multiply_gates(body, waiting.pop(0), bases)
                continue
            group, waiting = waiting[:together], waiting[together:]
            pointer, stride = self._operand(body, group[0], bases)
            depth = writer.frame.load(body, f"{writer.product(group[0])} depth")
            at = body.let(f"mul i64 {body.let(f'mul i64 {depth}, {t.panel}')}, %panel")
            packs = [body.weight(writer.frame.load(body, f"{writer.product(p)} pack", "ptr"), at) for p in group]
            given = ", ".join(f"ptr {pack}" for pack in packs)
            to = body.at("%scratch", str(self._in_scratch(group[0])))
            operands = f"i64 %rows.count, ptr {pointer}, i64 {stride}, {given}, i64 {depth}, ptr {to}"
            body.do(f"call void @products.{together}({operands})")

    def _multiply_gates(self, body: Body, place: int, bases: dict[str, str]) -> None:
        """The transpose of a matrix with heads: a sum for each gate, side by side in the scratch."""
        t, writer, name = self.writer.target, self.writer, self.writer.product(place)
        pointer, stride = self._operand(body, place, bases)
        depth, pack = writer.frame.load(body, f"{name} depth"), writer.frame.load(body, f"{name} pack", "ptr")
        size = body.let(f"mul i64 {depth}, {t.panel}")
        first = body.let(f"mul i64 %panel, {writer.gates(place)}")
        for gate in range(writer.gates(place)):
            at = body.let(f"mul i64 {body.let(f'add i64 {first}, {gate}')}, {size}")
            ahead = body.let(f"mul i64 {writer.frame.load(body, f'{name} gate')}, {gate}")
            to = body.at("%scratch", str(self._in_scratch(place) + gate * t.rows * t.panel))
            given = f"ptr {body.at(pointer, ahead)}, i64 {stride}, ptr {body.weight(pack, at)}, i64 {depth}, ptr {to}"
            body.do(f"call void @products.1(i64 %rows.count, {given})")

    def _source(self, place: int) -> object:
        """What a product multiplies: values, and of which features of them."""
        node = self.writer.nodes[place]
        assert node.block is not None
        heads = (node.block.heads, node.block.gates, node.block.rows, node.block.columns, node.block.transposed)
        return node.args, heads if node.block.heads > 1 else None

    def _in_scratch(self, place: int) -> int:
        """Where a product's rows begin in the scratch."""
        products = [*self.sweep.products, *self.outers]
        before = sum(map(self.writer.gates, products[: products.index(place)]))
        return before * self.writer.target.rows * self.writer.target.panel

    def _operand(self, body: Body, place: int, bases: dict[str, str]) -> tuple[str, str]:
        """A pointer to the first row that a product multiplies, and from row to row."""
        writer = self.writer
        product = writer.nodes[place]
        name, base, offset = "x", "row", None
        if product.args in writer.plan.operands:
            name, offset = "tape", writer.frame.load(body, f"slot {writer.plan.operands[product.args]}")
        elif product.op == "product" and writer.nodes[product.args[0]].op == "state":
            name, base = f"state {writer.nodes[product.args[0]].name}", "before"
        row = body.let(f"add i64 {bases[base]}, %row0")
        pointer, stride = writer.row(body, name, row, offset=offset), writer.frame.load(body, f"{name} stride")
        if product.block is not None and product.block.heads > 1:
            starts = writer.frame.load(body, f"{writer.product(place)} starts", "ptr")
            window = body.let(f"getelementptr i64, ptr {starts}, i64 %panel")
            pointer = body.at(pointer, body.let(f"load i64, ptr {window}, align 8, !invariant.load !0"))
        return pointer, stride

    def _streams(self, body: Body, bases: dict[str, str], row: str) -> tuple[dict[int, str], list[tuple[int, str]]]:
        """Pointers to this row of everything that the sweep reads and writes."""
        nodes, plan = self.writer.nodes, self.writer.plan
        absolute = body.let(f"add i64 %row0, {row}")
        places = {name: body.let(f"add i64 {base}, {absolute}") for name, base in bases.items()}
        used = [arg for place in self.sweep.values if nodes[place].op not in REDUCTIONS for arg in nodes[place].args]
        used += [
            *(arg for place, _ in self.sweep.reduces for arg in nodes[place].args),
            *(place for place, _ in [*self.sweep.keeps, *self.sweep.notes]),
            *(plan.program.state[s] for s in self.sweep.states),
            *(plan.program.sums[s] for s in self.sweep.sums),
        ]
        own = {*self.sweep.products, *self.sweep.values}
        reads: dict[int, str] = {}
        for place in dict.fromkeys(used):
            if place not in own and nodes[place].op not in NUMBERS:
                one = nodes[place].args[0] if nodes[place].op == "spread" else place
                reads[place] = self._read(body, one, places, absolute)
        for place in self.sweep.values:
            if place in plan.partials:
                reads[place] = self.writer.note(body, plan.partials[place], absolute)
        writes = [(place, self.writer.slot(body, slot, places["row"])) for place, slot in self.sweep.keeps]
        writes += [(place, self.writer.note(body, slot, absolute)) for place, slot in self.sweep.notes]
        for name in self.sweep.states:
            row = absolute if name in plan.in_place else places["after"]
            writes.append((plan.program.state[name], self.writer.row(body, f"state {name}", row)))
        return reads, writes

    def _partials(self, body: Body, row: str) -> dict[int, str]:
        """Pointers to this row of what reductions are made of."""
        if not self.sweep.reduces:
            return {}
        absolute = body.let(f"add i64 %row0, {row}")
        return {reduction: self.writer.note(body, slot, absolute) for reduction, slot in self.sweep.reduces}

    def _load(self, body: Body, access: Access, place: int, pointer: str) -> str:
        """A vector of units, each read where it stands: itself, or one for all of them, or one of all the row's."""
        node = self.writer.nodes[place]
        if node.op == "spread":
            return one_for_all(body, pointer)
        if node.op in REDUCTIONS and place in self.sweep.values:
            features = self.writer.width(body, self.writer.nodes[node.args[0]].width)
            return across(body, node.op, pointer, features)
        return access.load(pointer)

    def _read(self, body: Body, place: int, places: dict[str, str], absolute: str) -> str:
        node = self.writer.nodes[place]
        if place in self.writer.plan.given or (place in self.writer.plan.slots and not node.is_leaf):
            return self.writer.slot(body, self.writer.plan.slots[place], places["row"])
        if place in self.writer.plan.notes:
            return self.writer.note(body, self.writer.plan.notes[place], absolute)
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
        partials: dict[int, str],
        in_scratch: str,
    ) -> None:
        """One vector of units: everything is read before anything is written, so that slots may be used again."""
        t = self.writer.target
        nodes = self.writer.nodes
        values = {place: self._load(body, access, place, pointer) for place, pointer in reads.items()}
        for place in self.sweep.products:
            sums = [self._in_scratch(place) + gate * t.rows * t.panel for gate in range(self.writer.gates(place))]
            pointers = [body.at("%scratch", body.let(f"add i64 {in_scratch}, {start}")) for start in sums]
            vectors = [body.let(f"load {t.vector}, ptr {pointer}, align {t.bytes}") for pointer in pointers]
            values[place] = functools.reduce(functools.partial(body.binary, "fadd"), vectors)

        def value(place: int) -> str:
            node = nodes[place]
            if node.op == "constant":
                return body.number(node.number)
            if node.op == "count":
                return body.whole(self.writer.width(body, int(node.number)))
            return body.indices(access.unit) if node.op == "index" else values[place]

        for place in self.sweep.values:
            if nodes[place].op not in REDUCTIONS:
                values[place] = arithmetic(body, nodes[place].op, [value(arg) for arg in nodes[place].args])
        for place, pointer in partials.items():
            partial(access, nodes[place].op, value(nodes[place].args[0]), pointer)
        for place, pointer in writes:
            access.store(value(place), pointer)
        for name in self.sweep.sums:
            pointer = self.writer.row(body, f"sum {name}", "%block")
            total = body.binary("fadd", access.load(pointer), value(self.writer.plan.program.sums[name]))
            access.store(total, pointer)
