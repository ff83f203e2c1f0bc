"""Recognisers of speech: sound in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import UserError, spelled
from throughtime.runtime.ctc import BestPath, CTCBeam, CTCSearch
from throughtime.runtime.ctc.lattice import sounded
from throughtime.runtime.folder import Folder
from throughtime.runtime.graphs import Array
from throughtime.runtime.runner import Runner
from throughtime.runtime.search import check_counts
from throughtime.runtime.sound.filterbank import FilterBank, Samples
from throughtime.runtime.sound.transcripts import join_units, seconds_of
from throughtime.runtime.sound.wav import read_wav, read_waveform

STREAM_BLOCK = 0.1
"""Seconds of sound that a stream reads at once."""

LATEST = 60
"""Symbols that are shown of a stream while more is to come."""


@spelled
class SpeechRunner(Runner):
    """A recogniser: what is said in recordings.

    Args:
        folder: With the graph ``sequence``; a model of one direction has ``step``, too, and can stream.
    """

    instead = None

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.rate, self.mels, self.joined = (folder.fact(name, int) for name in ("rate", "mels", "frames"))
        self.shift = int(self.rate * 0.01) / self.rate  # seconds from a frame to the next
        self.unit: str = folder.fact("unit", str)
        self.units = ["", *folder.fact("units", list[str])]  # blank first
        self.mean, self.deviation = (np.array(folder.fact(n, list[float]), np.float32) for n in ("mean", "deviation"))

    def predict(
        self,
        inputs: Any,
        *,
        beam: int | None = None,
        nbest: int = 1,
        explain: bool = False,
        lm: Any = None,
    ) -> list[dict[str, Any]]:
        """What is said in recordings.

        Args:
            inputs: Paths of wav files (PCM, at the model's rate), or pairs of a waveform and its rate.
            beam: Prefixes that a beam search keeps; default: the best path.
            nbest: Hypotheses that are told.
            explain: Tell when each symbol was said, too.
            lm: Is refused: fusion with a language model is left to ``throughtime predict``.

        Raises:
            UserError: If there is no such sound, or an option is out of range.
        """
        self._check_options(beam, nbest, lm)
        items = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        found = []
        for number, item in enumerate(items, 1):
            name = str(item) if isinstance(item, str | Path) else f"input {number}"
            blocks = read_wav(Path(item), self.rate) if name == str(item) else read_waveform(item, self.rate, name)
            bank = FilterBank(self.rate, self.mels)
            features = np.concatenate([*map(bank.push, blocks), bank.finish()])
            search = self._search(beam, nbest)
            log_probs = self._log_probs(features) if len(features) else np.zeros((0, len(self.units)))
            search.read(log_probs)
            told = self._told(name, search, len(features), nbest)
            if explain:
                told["symbols"] = self._times(name, search, log_probs, len(features))
            found.append(told)
        return found

    def stream(self, source: Any = None, *, beam: int | None = None) -> Iterator[dict[str, Any]]:
        """The last words of what is said so far, whenever they change; then what :meth:`predict` finds.

        Args:
            source: The path of a wav file, or an iterable of waveforms as they come, at the model's rate.
            beam: As in :meth:`predict`.

        Raises:
            UserError: If the model reads in both directions, or there is no such sound.
        """
        if "step" not in self.folder.graphs:
            raise UserError(
                f"{self.folder.path}: this model reads in both directions, and so needs the whole recording; use "
                "predict, or train one with --no-bidirectional"
            )
        if source is None:
            raise UserError("expected the path of a wav file, or waveforms as they come, got nothing")
        self._check_options(beam, 1, None)
        return self._stream(source, self._search(beam, 1))

    def _stream(self, source: Any, search: BestPath | CTCSearch) -> Iterator[dict[str, Any]]:
        name, blocks = _blocks_of(source, self.rate)
        bank, listener = FilterBank(self.rate, self.mels), _Listener(self)
        heard, before = 0, ""
        for block in blocks:
            features = bank.push(block)
            heard += len(features)
            search.read(listener.push(features))
            text = self.text(search.latest(LATEST))
            if text != before:
                yield {"partial": text, "seconds": round(heard * bank.shift / self.rate, 2)}
            before = text
        features = bank.finish()
        search.read(listener.push(features))
        search.read(listener.finish())
        yield self._told(name, search, heard + len(features), 1)

    def normalise(self, features: Array) -> Array:
        """Features of mean 0 and deviation 1 in the training data."""
        normal: Array = (features - self.mean) / self.deviation
        return normal

    def text(self, symbols: Sequence[int]) -> str:
        """Symbols as a transcript."""
        return join_units([self.units[symbol] for symbol in symbols], self.unit)

    def _log_probs(self, features: Array) -> Array:
        normal = self.normalise(features)[None]
        found, _ = self.folder.graph("sequence")(features=normal, lengths=[len(features)])
        log_probs: Array = found["log_probs"][0].astype(np.float64)
        return log_probs

    def _search(self, beam: int | None, nbest: int) -> BestPath | CTCSearch:
        if beam is None and nbest == 1:
            return BestPath()
        return CTCSearch(CTCBeam(width=max(beam or CTCBeam.width, nbest)))

    def _check_options(self, beam: int | None, nbest: int, lm: Any) -> None:
        if lm is not None:
            raise UserError("a language model beside the search is left to: throughtime predict RUN --lm LM")
        check_counts(beam=beam, nbest=nbest)

    def _told(self, name: str, search: BestPath | CTCSearch, frames: int, nbest: int) -> dict[str, Any]:
        seconds = frames * self.shift
        if not seconds:
            raise UserError(f"{name}: expected sound, got a recording shorter than {self.shift:.3f} s")
        best = search.best()[:nbest]
        told: dict[str, Any] = {"file": name, "text": self.text(best[0].symbols), "seconds": round(seconds, 2)}
        if nbest > 1:
            told["hypotheses"] = [
                {"text": self.text(h.symbols), "score": h.score, "acoustic": h.acoustic, "language": h.language}
                for h in best
            ]
        return told

    def _times(self, name: str, search: BestPath | CTCSearch, log_probs: Array, frames: int) -> list[dict[str, Any]]:
        """When each symbol of the best hypothesis was said."""
        best = search.best()[0].symbols
        heard = search.sounded if isinstance(search, BestPath) else sounded(log_probs, best, name)
        times = []
        for one in heard:
            start, end = seconds_of(one.first, one.last, self.shift * self.joined, frames * self.shift)
            said = {"symbol": self.units[one.symbol], "start": start, "end": end}
            times.append({**said, "probability": round(one.probability, 4)})
        return times


class _Listener:
    """A model of one direction over features as they come; however they are cut, the results are the same."""

    def __init__(self, runner: SpeechRunner) -> None:
        self.runner, self.graph = runner, runner.folder.graph("step")
        self.state = self.graph.zeros(1)
        self.waiting: Array = np.zeros((0, runner.mels), np.float32)

    def push(self, features: Array) -> Array:
        """Log-probabilities ``[s, V]`` of the steps that are complete with these features."""
        waiting = np.concatenate([self.waiting, self.runner.normalise(features)])
        whole = len(waiting) - len(waiting) % self.runner.joined
        self.waiting = waiting[whole:]
        return self._run(waiting[:whole])

    def finish(self) -> Array:
        """Those of the last step, where features wait for others; zeros complete it."""
        waiting, self.waiting = self.waiting, self.waiting[:0]
        return self._run(np.pad(waiting, ((0, -len(waiting) % self.runner.joined), (0, 0))))

    def _run(self, features: Array) -> Array:
        found = []
        for step in features.reshape(-1, 1, self.runner.joined * self.runner.mels):
            made, self.state = self.graph(self.state, features=step)
            found.append(made["log_probs"])
        return np.concatenate(found).astype(np.float64) if found else np.zeros((0, len(self.runner.units)))


def _blocks_of(source: Any, rate: int) -> tuple[str, Iterable[Samples]]:
    if isinstance(source, str | Path):
        return str(source), read_wav(Path(source), rate, STREAM_BLOCK)
    return "sound", (block for part in source for block in read_waveform((part, rate), rate, "sound"))
