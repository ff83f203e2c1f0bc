"""How surprising each step of a series is to a model that has learnt, without labels, what is usual."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from throughtime.applications.application import Application
from throughtime.applications.options import Drawn, Headed, Options, Tabled
from throughtime.applications.prediction import Prediction
from throughtime.applications.settings import SignalSettings, option
from throughtime.applications.task import Report
from throughtime.data.ragged import RaggedBatch
from throughtime.data.series.labelled.frames import Framing
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.engine import real_steps
from throughtime.errors import UserError
from throughtime.models import Model, NextBatch, SeriesInput, StackConfig, State, SurpriseModel
from throughtime.tasks.series.alarms import Alarm, alarms_of, novelty_report, season_of, smoothed
from throughtime.tasks.series.learning import LEAST, learn_units, scaled
from throughtime.tasks.series.pictures import draw_surprise
from throughtime.tasks.series.predictions import show_novelty
from throughtime.tasks.series.settings import SeriesSettings
from throughtime.training import Evaluation

SPAN = 256
"""Steps of a training window, where no season tells."""

LONGEST = 1024
"""The same, at most, if nobody says more."""

HELD_OUT = 0.25
"""Share of each series, at its end, that is held out: a tenth has too few steps to tell the rare ones of."""

PIECE = 4096
"""Steps of a long series that are computed at once, with the state carried on."""

USUAL = frozenset({"", "0", "0.0", "false", "no", "normal", "usual", "ok", "none"})
"""Labels of steps that are not novel, in lower case."""

Array = npt.NDArray[np.float64]


class AlarmOptions(Headed):
    """When an alarm is given."""

    rate: float = option(1e-5, "Share of usual steps that may raise an alarm.", "Results", gt=0, le=0.1)
    smooth: int = option(5, "Steps, up to each, that its surprise is averaged over.", "Results", ge=1, le=100_000)


class NoveltyOptions(Drawn, Tabled, AlarmOptions):
    """Of the surprise of series: what may be asked of it."""


class NoveltyJudging(AlarmOptions):
    """Of the surprise of series whose steps have labels."""

    label_column: str | None = option(None, "Column of the labels; default: as in training.", "Data")


class SeriesNovelty(Application[LabelledSeries]):
    """The part of the task that has no labels to learn."""

    settings_type: ClassVar[type[SignalSettings]] = SeriesSettings
    predicting: type[Options] = NoveltyOptions
    judging: type[Options] = NoveltyJudging
    known: ClassVar[Sequence[str]] = ()
    spread: ClassVar[bool] = True
    """Whether what is told of a series is a list with something for each of its steps."""

    @cached_property
    def framing(self) -> Framing:
        """What a step of the model sees."""
        found = self.vocabulary
        return Framing(found["window"], 1, True, found["missing"], tuple(found["moves"]))

    # Data.

    @classmethod
    def learn(cls, train: Sequence[LabelledSeries], settings: SeriesSettings) -> dict[str, Any]:
        """Units of the channels, and the season.

        Raises:
            UserError: If what is asked for needs labels.
        """
        if settings.target != "auto" or settings.balance:
            raise UserError("--novelty: learns without labels; leave --target and --balance out")
        if settings.stride > 1:
            raise UserError(f"--stride {settings.stride}: every step is to have its surprise; leave it out")
        if max(example.steps for example in train) < 2:
            raise UserError(f"{train[0].where}: expected a series with a step to foretell, got single steps alone")
        units = learn_units(train)
        longest = max(train, key=lambda example: example.steps)
        values = scaled([longest], units).values[0, :, 0].double().nan_to_num(0.0).numpy()
        return {**units, "window": settings.frame or 2 * LEAST, "season": season_of(values)}

    @classmethod
    def cut(
        cls, train: Sequence[LabelledSeries], settings: SeriesSettings
    ) -> tuple[Sequence[LabelledSeries], Sequence[LabelledSeries]]:
        """The end of every series is held out."""
        share = settings.held_out if "held_out" in settings.model_fields_set else HELD_OUT
        places = [(one, round(one.steps * (1 - share))) for one in train]
        kept = [_part(one, 0, at) for one, at in places if at > 1]
        return kept, [_part(one, at, one.steps) for one, at in places if at > 1 and one.steps - at > 1]

    def labels_of(self, example: LabelledSeries) -> Iterable[str]:
        """None is learnt."""
        return ()

    # Model.

    def build(self) -> Model:
        """Features of frames, a one-way recurrent stack, a density of the next step."""
        settings = self.settings
        inputs = SeriesInput(self.framing.numbers, settings.features, one_way=True, dropout=settings.feature_dropout)
        stack = StackConfig(**{**settings.stack(), "bidirectional": False})
        return SurpriseModel(
            inputs,
            stack.build(inputs.output_size, engine=settings.engine),
            len(self.vocabulary["means"]),
            settings.density,
            dropout=settings.dropout,
        )

    def batch(self, examples: Sequence[LabelledSeries]) -> NextBatch:
        """Whole series.

        Raises:
            UserError: If one is not like those of training.
        """
        return self._with_nexts(scaled(examples, self.vocabulary))

    def training_batch(self, examples: Sequence[LabelledSeries]) -> NextBatch:
        """A batch of windows of these series, wherever they begin."""
        span = self.settings.span or min(LONGEST, 4 * self.vocabulary["season"]) or SPAN
        whole = scaled(examples, self.vocabulary)
        rows = torch.randint(len(examples), (self.settings.batch,))
        lengths = whole.lengths[rows].clamp(max=span)
        begins = (torch.rand(len(rows)) * (whole.lengths[rows] - lengths + 1)).long()
        at = (begins.unsqueeze(1) + torch.arange(int(lengths.max()))).clamp(max=whole.values.shape[1] - 1)
        return self._with_nexts(RaggedBatch(whole.values[rows.unsqueeze(1), at], lengths))

    def _with_nexts(self, batch: RaggedBatch) -> NextBatch:
        """Frames, and changes to the next step in units of the training data's moves."""
        values = batch.values
        nexts = torch.full_like(values, torch.nan)
        nexts[:, :-1] = (values[:, 1:] - values[:, :-1]) / values.new_tensor(self.framing.moves)
        known = real_steps((batch.lengths - 1).clamp(min=0), values.shape[1]).unsqueeze(2)
        return NextBatch(self.framing(batch), nexts.masked_fill(~known, torch.nan))

    # Judgement.

    def validate(self, model: SurpriseModel, examples: Sequence[LabelledSeries]) -> Evaluation:
        """The surprise in nats a step, which selects; the model keeps how large it usually is."""
        found = [self.surprise(model, example) for example in examples]
        model.learn_tail(torch.from_numpy(np.concatenate([smoothed(one, AlarmOptions().smooth) for one in found])))
        steps = np.concatenate([one[1:] for one in found])
        loss = float(steps.mean()) if len(steps) else 0.0
        return Evaluation(loss, {"loss": loss, "threshold": model.threshold(AlarmOptions().rate)})

    def evaluate(self, model: SurpriseModel, examples: Sequence[LabelledSeries], options: NoveltyJudging) -> Report:
        """The surprise; where steps have labels, how well it tells the novel ones, and what alarms find."""
        threshold = model.threshold(options.rate)
        found = [smoothed(self.surprise(model, example), options.smooth) for example in examples]
        novel = [np.array([label.lower() not in USUAL for label in one.labels], bool) for one in examples]
        return novelty_report(examples, found, novel, threshold)

    @torch.no_grad()
    def surprise(self, model: SurpriseModel, example: LabelledSeries) -> Array:
        """The surprise at every step in nats, ``[T]``; zero at the first, which nothing foretells."""
        return np.concatenate([np.zeros(1), *self._pieces(model, example)])[: example.steps]

    def _pieces(self, model: SurpriseModel, example: LabelledSeries) -> Iterator[Array]:
        """The surprises at what comes after each step of a piece, from piece to piece with the state carried on."""
        whole = scaled([example], self.vocabulary).values
        state: State | None = None
        back = self.framing.window + model.inputs.reach
        for begin in range(0, example.steps, PIECE):
            # What frames and features see of what came before is read again; the state has seen it all.
            first, end = max(0, begin - back), min(example.steps, begin + PIECE)
            piece = whole[:, first : end + 1]
            batch = self._with_nexts(RaggedBatch(piece, torch.tensor([piece.shape[1]])))
            kept = end - first
            frames = RaggedBatch(batch.steps.values[:, :kept], torch.tensor([kept]))
            part, state = model.surprises(NextBatch(frames, batch.nexts[:, :kept]), state, begin - first)
            yield part[0].double().cpu().numpy()

    # Use.

    def tell(self, model: SurpriseModel, series: Sequence[LabelledSeries], options: NoveltyOptions) -> list[Prediction]:
        """The surprise at every step, and alarms."""
        threshold, made = model.threshold(options.rate), []
        for one in series:
            found = smoothed(self.surprise(model, one), options.smooth)
            alarms: list[Alarm] = alarms_of(found, threshold)
            made.append(show_novelty(one, found, threshold, alarms))
            if options.picture is not None:
                draw_surprise(options.picture, one, found, threshold)
        return list(made)


def _part(one: LabelledSeries, begin: int, end: int) -> LabelledSeries:
    channels = [values[begin:end] for values in one.channels]
    return replace(one, channels=channels, labels=one.labels[begin:end])
