"""What the tasks from one sequence to another share: their settings, model, search, and how attention is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from rich.style import Style
from rich.text import Text
from torch import Tensor

from throughtime.applications.application import Application, Where
from throughtime.applications.folder.describing import describe_model
from throughtime.applications.options import Columned, Drawn, Explained, Ranked, Searched, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import ExampleSettings, option
from throughtime.data.progress import report
from throughtime.data.tables.columns import Guess
from throughtime.data.text.pairs import PairBatch
from throughtime.data.text.words import pad
from throughtime.decoding import LARGEST_ALPHA, Beam, Hypothesis, beam_search, greedy
from throughtime.errors import UserError
from throughtime.layers import AttentionName
from throughtime.models import EncoderDecoder, EncoderDecoderConfig
from throughtime.pictures import new_figure, save_figure
from throughtime.runtime.pairs import BEAM
from throughtime.runtime.search import alike, most_tokens
from throughtime.tasks.pairs.predictions import PairPrediction, Result, ResultT

FIRST = Guess("it stands first", lambda names, rows: list(names[:1] if len(names) < 3 else names))
"""Of two columns of a table the first holds the sources."""


class PairSettings(ExampleSettings):
    """What training from one sequence to another takes."""

    decoder_hidden: int | None = option(
        None, "Units of a layer of the decoder; default: --hidden.", "Model", ge=1, le=2**24
    )
    attention: AttentionName = option("general", "additive, general, dot.", "Model")
    input_feeding: bool = option(False, "The decoder reads what it attended to; slower.", "Model")
    coverage: float = option(0.0, "Weight of the coverage loss; needs additive attention.", "Model", ge=0)
    tied: bool = option(False, "The softmax uses the embedding's weights.", "Model")
    label_smoothing: float = option(0.0, "Probability spread over all tokens.", "Training", ge=0, lt=1)
    scheduled_sampling: float = option(0.0, "Inputs drawn from the model; slower.", "Training", ge=0, le=1)
    length_penalty: float = option(0.6, "Of the search: exponent of GNMT's penalty.", "Model", ge=0, le=LARGEST_ALPHA)


ExampleT = TypeVar("ExampleT", bound=Where)


class PairOptions(Ranked, Searched, Explained, Drawn, Columned, Tabled):
    """Of the target of a source: what may be asked of it."""


class PairApplication(Application[ExampleT], Generic[ExampleT, ResultT]):
    """A task from one sequence to another, on an encoder–decoder."""

    predicting = PairOptions
    needs_all = "it reads an input in both directions before it says a word"
    eos: ClassVar[int]
    """Id of the end in the target's vocabulary."""
    never: ClassVar[Sequence[int]] = ()
    """Ids that no target has."""

    def vocabulary_sizes(self) -> tuple[int, int]:
        """Tokens of the source's vocabulary and of the target's."""
        raise NotImplementedError(f"{type(self).__name__}: define vocabulary_sizes(self)")

    # A source and a target, between people and the model.

    def tidied(self, line: str) -> str:
        """A source as it is read."""
        return line.strip()

    def encoded(self, sources: Sequence[str]) -> list[list[int]]:
        """The ids of sources."""
        raise NotImplementedError(f"{type(self).__name__}: define encoded(self, sources)")

    def result(self, tokens: Sequence[int]) -> ResultT:
        """A target."""
        raise NotImplementedError(f"{type(self).__name__}: define result(self, tokens)")

    def written(self, result: ResultT) -> str:
        """A target as a person reads it."""
        return str(result)

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """The steps of a source and of its target as a person reads them."""
        raise NotImplementedError(f"{type(self).__name__}: define steps_of(self, source, ids, tokens)")

    def prediction(self, shown: Text, source: str, **fields: Any) -> PairPrediction[ResultT]:
        """The targets of a source; ``shown`` has the best of them."""
        raise NotImplementedError(f"{type(self).__name__}: define prediction(self, shown, source, **fields)")

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """What the user should know of a source, and of a target that has or has not ended."""
        return []

    def build(self) -> EncoderDecoder:
        """The encoder–decoder."""
        settings = self.settings
        source, target = self.vocabulary_sizes()
        config = EncoderDecoderConfig(
            source=source,
            target=target,
            embedding=settings.embedding,
            decoder_hidden=settings.decoder_hidden or settings.hidden,
            attention=settings.attention,
            input_feeding=settings.input_feeding,
            coverage=settings.coverage,
            label_smoothing=settings.label_smoothing,
            scheduled_sampling=settings.scheduled_sampling,
            tied=settings.tied,
            **settings.stack(),
        )
        return EncoderDecoder(config, engine=settings.engine)

    def search(
        self, model: EncoderDecoder, sources: Sequence[Sequence[int]], width: int | None
    ) -> list[list[Hypothesis]]:
        """The best targets of every source.

        Args:
            model: In evaluation mode.
            sources: Ids.
            width: Of the beam; None: the likeliest token at every step, which is quicker than a beam of 1.
        """
        found: list[list[Hypothesis]] = [[]] * len(sources)
        done = 0
        for chosen in alike([len(source) for source in sources]):
            lengths = [len(sources[i]) for i in chosen]
            decoder = model.decoding(pad([sources[i] for i in chosen]), torch.tensor(lengths))
            most = [most_tokens(length) for length in lengths]
            if width is None:
                results = [[h] for h in greedy(decoder, eos=self.eos, never=self.never, length=most)]
            else:
                beam = Beam(width, alpha=self.settings.length_penalty)
                results = beam_search(decoder, beam, eos=self.eos, never=self.never, length=most)
            for i, result in zip(chosen, results, strict=True):
                found[i] = result
            done += len(chosen)
            report(done, len(sources), "inputs")
        return found

    @property
    def searched(self) -> dict[str, Any]:
        """How targets are searched for, as a runner without PyTorch reads it."""
        return {"eos": self.eos, "never": list(self.never), "alpha": self.settings.length_penalty}

    @torch.no_grad()
    def attended(self, model: EncoderDecoder, source: Sequence[int], target: Sequence[int]) -> Tensor:
        """The attention of each step of a target, its end less, to the steps of its source, ``[S, T]``."""
        _, weights = model.log_probs(PairBatch.of([source], [target], self.eos))
        return weights[0, : len(target), : len(source)].cpu()

    # Use.

    def predict(self, model: EncoderDecoder, lines: Sequence[str], options: PairOptions) -> list[Prediction]:
        """The target of every line."""
        sources = [self.tidied(line) for line in lines]
        ids = self.encoded(sources)
        found = self.search(model, ids, max(options.nbest, options.beam or BEAM))
        return [
            self._predicted(model, source, read, best[: options.nbest], options)
            if source
            else self.prediction(Text(), source, nbest=[])
            for source, read, best in zip(sources, ids, found, strict=True)
        ]

    def _predicted(
        self, model: EncoderDecoder, source: str, ids: Sequence[int], best: Sequence[Hypothesis], options: PairOptions
    ) -> PairPrediction[ResultT]:
        found = [Result(self.result(h.tokens), round(h.score, 4), round(h.log_prob, 4)) for h in best]
        written = [self.written(result.result) for result in found]
        shown = Text(written[0])
        if options.nbest > 1:
            lines = zip(best, written, strict=True)
            shown.append("".join(f"\n  {hypothesis.score:8.3f}  {result}" for hypothesis, result in lines))
        attention, fields = self._explained(model, source, ids, best[0].tokens, options)
        warnings = self.remarks_on(source, ids, best[0].ended)
        return self.prediction(shown.append(attention), source, nbest=found, warnings=warnings, **fields)

    def _explained(
        self, model: EncoderDecoder, source: str, ids: Sequence[int], tokens: Sequence[int], options: PairOptions
    ) -> tuple[Text, dict[str, Any]]:
        """What is asked of the attention, for people and as fields; draws the picture that is asked for."""
        if not options.explain and options.picture is None:
            return Text(), {}
        weights = self.attended(model, ids, tokens)
        across, down = self.steps_of(source, ids, tokens)
        if options.picture is not None:
            draw_attention(options.picture, across, down, weights, source, describe_model(self.name, self.settings))
        if not options.explain:
            return Text(), {}
        shares = [[round(share, 4) for share in row] for row in weights.tolist()]
        return show_attention(across, down, weights), {
            "attention": shares,
            "source_tokens": across,
            "target_tokens": down,
        }


def show_attention(source: Sequence[str], target: Sequence[str], weights: Tensor) -> Text:
    """Every step of the target with the steps of the source that have most of its attention, in percent."""
    shown = Text()
    for name, row in zip(target, weights, strict=True):
        best = row.topk(min(3, len(row)))
        parts = [
            (f"{source[at]} {100 * share:.0f} %", Style(bold=share > 0.5))
            for share, at in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            if share >= 0.01
        ]
        shown.append(f"\n  {name:<12} ")
        for number, (part, style) in enumerate(parts):
            shown.append(("  " if number else "") + part, style)
    return shown


def draw_attention(path: Path, source: Sequence[str], target: Sequence[str], weights: Tensor, *title: str) -> None:
    """A heat map of the attention, the source across and the target down.

    Raises:
        UserError: If there is nothing to draw.
    """
    if not (source and target):
        raise UserError("--picture: expected a line with something to attend to, got an empty one")
    figure = new_figure(max(5.0, 2.5 + 0.35 * len(source)), max(4.0, 2.5 + 0.3 * len(target)), "Attention", *title)
    axes = figure.subplots()
    image = axes.imshow(weights.numpy(), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(source)), map(_seen, source), rotation=90)
    axes.set_yticks(range(len(target)), map(_seen, target))
    axes.set_xlabel("what is read (source)")
    axes.set_ylabel("what is said (target)")
    figure.colorbar(image, ax=axes, label="attention (share of a row)")
    save_figure(figure, path)


def _seen(step: str) -> str:
    """A step's name, also where it is nothing or a space."""
    return step if step.strip() else "␣" * len(step) or "(end)"
