"""What runs encoder–decoders: the likeliest targets of a source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from throughtime.errors import spelled, texts_of
from throughtime.runtime.folder import Folder
from throughtime.runtime.graphs import Array, State
from throughtime.runtime.remarks import remark
from throughtime.runtime.runner import Runner
from throughtime.runtime.search import Beam, BeamSearch, Hypothesis, alike, check_counts, continuations, most_tokens

NOTHING = -1
"""Is read before a target's first token."""

BEAM = 5
"""Hypotheses that are kept where the user does not say."""


@spelled
class PairRunner(Runner):
    """An encoder–decoder: targets of sources, by beam search.

    Args:
        folder: With the graphs ``encoder`` and ``decoder``.
    """

    read: ClassVar[str]
    """The name of a source in what is told."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.encoder, self.decoder = folder.graph("encoder"), folder.graph("decoder")
        self.eos, self.never = folder.fact("eos", int), folder.fact("never", list[int])

    # A subclass says what its two sides are.

    def tidied(self, line: str) -> str:
        """A source as it is read."""
        return line.strip()

    def encoded(self, source: str) -> list[int]:
        """A source's ids."""
        raise NotImplementedError(f"{type(self).__name__}: define encoded(self, source)")

    def result(self, tokens: Sequence[int]) -> Any:
        """A target."""
        raise NotImplementedError(f"{type(self).__name__}: define result(self, tokens)")

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """The steps of a source and of its target as a person reads them."""
        raise NotImplementedError(f"{type(self).__name__}: define steps_of(self, source, ids, tokens)")

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """What the user should know of a source and its best target, which ended or was cut."""
        raise NotImplementedError(f"{type(self).__name__}: define remarks_on(self, source, ids, ended)")

    def predict(
        self, inputs: str | Iterable[str], *, beam: int | None = None, nbest: int = 1, explain: bool = False
    ) -> list[dict[str, Any]]:
        """The targets of every line.

        Args:
            inputs: One line or several.
            beam: Hypotheses that are kept; default: 5.
            nbest: Targets that are told.
            explain: Tell what each step attended to.

        Returns:
            For each the source and ``nbest``, results with their score and log-probability; none of an empty line.

        Raises:
            UserError: If an option is out of range.
        """
        lines = [inputs] if isinstance(inputs, str) else texts_of(inputs, "inputs")
        check_counts(beam=beam, nbest=nbest)
        search = Beam(max(nbest, beam or BEAM), alpha=self.folder.fact("alpha", float))
        sources = [self.tidied(line) for line in lines]
        ids = [self.encoded(source) for source in sources]
        found = self.search(ids, search)
        for number, (source, read, best) in enumerate(zip(sources, ids, found, strict=True), 1):
            if best:
                remark(f"line {number}", self.remarks_on(source, read, best[0].ended))
        return [self._told(*each, nbest, explain) for each in zip(sources, found, strict=True)]

    def search(self, sources: Sequence[Sequence[int]], beam: Beam) -> list[list[Hypothesis]]:
        """The best targets of every source of ids; none of an empty one."""
        found: list[list[Hypothesis]] = [[] for _ in sources]
        there = [number for number, source in enumerate(sources) if source]
        for some in alike([len(sources[number]) for number in there]):
            chosen = [there[place] for place in some]
            decoding = Decoding.of(self, [sources[number] for number in chosen])
            search = BeamSearch(
                beam, len(chosen), eos=self.eos, length=[most_tokens(len(sources[number])) for number in chosen]
            )
            scores = decoding.step(np.full(len(chosen), NOTHING))["log_probs"]
            while (going := search.take(*continuations(scores, search.totals, self.never, beam.width))) is not None:
                rows, tokens = going
                decoding.take(rows)
                scores = decoding.step(tokens)["log_probs"]
            for number, best in zip(chosen, search.best(), strict=True):
                found[number] = best
        return found

    def attended(self, source: Sequence[int], target: Sequence[int]) -> list[list[float]]:
        """The attention of each step of a target to the steps of its source, ``[S, T]``."""
        decoding = Decoding.of(self, [source])
        steps = [decoding.step(np.array([token]))["attention"][0] for token in (NOTHING, *target)]
        return [[round(share, 4) for share in step.tolist()] for step in steps[: len(target)]]

    def _told(self, source: str, best: Sequence[Hypothesis], nbest: int, explain: bool) -> dict[str, Any]:
        results = [
            {"result": self.result(h.tokens), "score": round(h.score, 4), "log_prob": round(h.log_prob, 4)}
            for h in best[:nbest]
        ]
        told: dict[str, Any] = {self.read: source, "nbest": results}
        if explain and best:
            ids, tokens = self.encoded(source), best[0].tokens
            across, down = self.steps_of(source, ids, tokens)
            told |= {"attention": self.attended(ids, tokens), "source_tokens": across, "target_tokens": down}
        return told


@dataclass
class Decoding:
    """Targets of some sources while they are found.

    Attributes:
        runner: Whose graphs are run.
        memory: What each row attends to: ``values``, ``keys``, ``lengths``.
        state: Of the decoder: its recurrent states, what was covered and fed.
        sources: The source that each row decodes, ``[N]``.
    """

    runner: PairRunner
    memory: dict[str, Array]
    state: State
    sources: Array

    @classmethod
    def of(cls, runner: PairRunner, sources: Sequence[Sequence[int]]) -> Decoding:
        """Before the first step of the targets of sources of ids."""
        lengths = np.array([len(source) for source in sources])
        ids = np.zeros((len(sources), lengths.max()), np.int64)
        for row, source in zip(ids, sources, strict=True):
            row[: len(source)] = source
        made, _ = runner.encoder(source=ids, lengths=lengths)
        memory = {"values": made["values"], "keys": made["keys"], "lengths": lengths}
        state = {name: made[name] for name in runner.decoder.states if name in made}
        for name in runner.decoder.states:
            if name not in made:  # what was covered, and what is fed: nothing yet
                width = runner.decoder.inputs[name].shape[-1]
                shape = (len(ids), width if isinstance(width, int) else ids.shape[1])
                state[name] = np.zeros(shape, made["values"].dtype)
        return cls(runner, memory, state, np.arange(len(ids)))

    def step(self, tokens: Array) -> dict[str, Array]:
        """Reads a token a row; gives ``log_probs`` of the next and the ``attention``."""
        found, self.state = self.runner.decoder(self.state, inputs=tokens, **self.memory)
        return found

    def take(self, rows: Array) -> None:
        """Goes on with some of the rows, in that order; one may come more than once."""
        sources = self.sources[rows]
        self.state = {n: v[:, rows] if v.ndim == 3 else v[rows] for n, v in self.state.items()}
        if not np.array_equal(sources, self.sources):  # a search mostly changes places among those of one source
            self.memory = {name: value[rows] for name, value in self.memory.items()}
            self.sources = sources
