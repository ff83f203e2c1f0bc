"""What models of labelled series are trained from: settings, and the files that are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from throughtime.applications.judging.classification import ClassSettings
from throughtime.applications.settings import SignalSettings, option, steps_at_least
from throughtime.data.series.labelled import lines, tables, ts
from throughtime.data.series.labelled.series import LabelledSeries
from throughtime.data.series.labelled.tables import Columns
from throughtime.errors import UserError, listed
from throughtime.training import OptimiserName

SUFFIXES = (ts.SUFFIX, *tables.SUFFIXES, lines.SUFFIX)

Target = Literal["auto", "class", "number", "steps"]


class SeriesSettings(SignalSettings, ClassSettings):
    """What a model of labelled series is trained from."""

    lacking: ClassVar[Mapping[str, str]] = {
        "embedding": "a step of a series is numbers, which have no embedding; see --features"
    }

    target: Target = option(
        "auto", "What is told: class, number (of a whole series), steps (a label of each); auto: judged.", "Data"
    )
    novelty: bool = option(False, "Learn what is usual, without labels, and tell how surprising each step is.", "Data")
    layout: Literal["auto", "series", "steps"] = option("auto", "What a row of a table holds; auto: judged.", "Data")
    id: str | None = option(None, "Of a table with a step a row: column of the series' names.", "Data")
    time: str | None = option(None, "Of such a table: column of times, which must go on.", "Data")
    value: tuple[str, ...] = option((), "Of such a table: a column of values, may be repeated; default: all.", "Data")
    label_column: str | None = option(None, "Column of the labels: name, number from 1, first, or last.", "Data")
    header: bool | None = option(None, "The first row names the columns; default: judged by the whole.", "Data")
    stride: int = option(
        0, "Steps of a series to one of the model; 0: so that it has about 64.", "Model", ge=0, le=65_536
    )
    frame: int = option(0, "Steps of a series that one of the model sees; 0: by the stride.", "Model", ge=0, le=65_536)
    features: int = option(64, "Features of a step.", "Model", ge=1, le=2**24)
    hidden: int = option(64, "Units of a layer.", "Model", ge=1, le=2**24)
    dropout: float = option(0.3, "Between layers and before the output.", "Model", ge=0, lt=1)
    feature_dropout: float = option(0.1, "Share of a step's features dropped.", "Model", ge=0, lt=1)
    bidirectional: bool = option(True, "Read in both directions.", "Model")
    density: Literal["student-t", "normal"] = option("student-t", "With --novelty: of a step's numbers.", "Model")
    span: int = option(0, "With --novelty: steps of a training window; 0: four seasons.", "Training", ge=0, le=1 << 20)
    balance: bool = option(False, "Classes count alike in the loss, however often each is there.", "Training")
    stretch: float = option(0.05, "Share by which length is changed while training.", "Training", ge=0, lt=1)
    warp: float = option(0.1, "Share by which speed is changed on the way while training.", "Training", ge=0, lt=0.5)
    crop: float = option(0.03, "Share of the length that is cut off while training at most.", "Training", ge=0, lt=1)
    magnify: float = option(0.1, "Deviation of a factor of each channel while training.", "Training", ge=0, lt=1)
    noise: float = option(0.05, "Of values while training, in units of the training data.", "Training", ge=0)
    batch: int = option(16, "Sequences side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(20.0, "Passes over the data.", "Training", gt=0)
    least_steps: int = steps_at_least(500)
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    warmup: int = option(20, "Steps over which the learning rate rises.", "Training", ge=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.05, "Of the optimiser.", "Training", ge=0)
    average: float = option(
        0.3, "Share of the run, at its end, that weights are averaged over.", "Training", ge=0, lt=1
    )

    def columns(self, header: bool | None = None, known: Iterable[str] = ()) -> Columns:
        """What is said of tables.

        Args:
            header: Whether the first row names the columns; None: as the settings say.
            known: Labels that there are, where training has told.
        """
        layout = None if self.layout == "auto" else self.layout
        header = self.header if header is None else header
        return Columns(layout, self.id, self.time, self.label_column, self.value, header, frozenset(known))


def read_series_of(path: Path, settings: SeriesSettings) -> Iterator[LabelledSeries]:
    """The series of a file, one of :data:`SUFFIXES`.

    Raises:
        UserError: If it is another file, or a line of it is not as it should be.
    """
    suffix = path.suffix.lower()
    if suffix == ts.SUFFIX:
        yield from ts.read_ts(path)
    elif suffix == lines.SUFFIX:
        yield from lines.read_labelled_lines(path)
    elif suffix in tables.SUFFIXES:
        yield from tables.read_labelled_table(path, settings.columns())
    else:
        raise UserError(f"{path}: expected a file of series ({listed(SUFFIXES)})")
