"""What is told of what was heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from throughtime.data.speech.filterbank import FilterBank
from throughtime.data.vocabulary import Vocabulary
from throughtime.runtime.sound.transcripts import join_units, seconds_of
from throughtime.tasks.speech.examples import SpeechSettings
from throughtime.tasks.speech.options import SpeechOptions
from throughtime.tasks.speech.pictures import Hypothesis, Said, Transcript, draw, show_hypotheses, show_times, words_of
from throughtime.tasks.speech.recogniser import Heard


@dataclass(frozen=True)
class Teller:
    """Makes transcripts of what is heard.

    Attributes:
        units: What is heard.
        settings: Of the task.
        bank: Makes features of sound.
    """

    units: Vocabulary
    settings: SpeechSettings
    bank: FilterBank

    def transcript(self, name: str, warnings: Sequence[str], heard: Heard, options: SpeechOptions) -> Transcript:
        """All that is asked for of a recording.

        Args:
            name: Of the recording.
            warnings: About it.
            heard: What was heard in it.
            options: What is asked for.
        """
        hypotheses = heard.search.best()[: options.nbest]
        texts = [self.text(found.symbols) for found in hypotheses]
        several: list[Hypothesis] | None = None
        times: list[Said] | None = None
        shown = Text.assemble(texts[0] or ("(nothing)", "dim"))
        if options.nbest > 1:
            several = [
                Hypothesis(text, found.score, found.acoustic, found.language)
                for text, found in zip(texts, hypotheses, strict=True)
            ]
            show_hypotheses(shown, texts, hypotheses, language=options.lm is not None)
        if options.explain or options.picture:
            said = self.said(name, heard, hypotheses[0].symbols)
            words = words_of(said) if self.settings.unit == "characters" else said
            if options.explain:
                times = said
                show_times(shown, words)
            if options.picture:
                said_of = f"{name}: {texts[0]}", self.settings
                draw(options.picture, heard, said, self.bank.shift, self._step, self.units.symbols, *said_of)
        return Transcript(
            shown,
            warnings=warnings,
            file=name,
            text=texts[0],
            seconds=round(heard.seconds, 2),
            hypotheses=several,
            symbols=times,
        )

    @property
    def _step(self) -> float:
        """Seconds of a step of the model."""
        step: float = self.bank.shift * self.settings.frames
        return step

    def said(self, name: str, heard: Heard, symbols: Sequence[int]) -> list[Said]:
        """When each symbol of a labelling was heard."""
        return [
            Said(
                self.units.symbols[one.symbol],
                *seconds_of(one.first, one.last, self._step, heard.seconds),
                round(one.probability, 4),
            )
            for one in heard.sounded(symbols, name)
        ]

    def text(self, symbols: Sequence[int]) -> str:
        """Symbols as a transcript."""
        return join_units([self.units.symbols[symbol] for symbol in symbols], self.settings.unit)
