"""DNA: which bases are coding, or the class of a short sequence."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from throughtime.data.bases import decode
from throughtime.data.genomes import FASTA, GENBANK, Record, read_genome
from throughtime.data.intervals import Region
from throughtime.errors import UserError
from throughtime.layers import PoolingName
from throughtime.models import Model
from throughtime.tasks.application import Application, ExampleSettings
from throughtime.tasks.base import Asked, Prediction, Report, option
from throughtime.tasks.dna_regions import Regions
from throughtime.training import Evaluation, OptimiserName

BLOCK = 30_000
"""Bases of a genome that are held out together."""


class DnaSettings(ExampleSettings):
    """What models of DNA are trained from."""

    stretch: int = option(3000, "Of genomes: bases of an example.", "Data", ge=60)
    bidirectional: bool = option(True, "Read in both directions.", "Model")
    hidden: int = option(128, "Units of a layer.", "Model", ge=1)
    layers: int = option(2, "Depth.", "Model", ge=1)
    embedding: int = option(32, "Features of a codon, or of a letter with its neighbours.", "Model", ge=1)
    unread: float = option(0.02, "Letters read as N while training.", "Model", ge=0, lt=1)
    pooling: PoolingName = option("max", "Of labelled sequences: last, mean, max, attention.", "Model")
    batch: int = option(8, "Sequences side by side in a batch.", "Training", ge=1)
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.01, "Of the optimiser.", "Training", ge=0)


@dataclass(frozen=True)
class DnaExample:
    """A stretch of a genome with its coding regions, or a sequence with its label, and where it stands.

    Attributes:
        name: Of the record.
        letters: Of the stretch.
        begin: Its first letter, from 0.
        regions: Of a stretch: begin, end, strand and place of the regions in it, counted from its first letter.
        label: Of a sequence; None: it is a stretch.
        where: File and record.
    """

    name: str
    letters: str
    where: str
    begin: int = 0
    regions: Sequence[Sequence[int]] = ()
    label: str | None = None


class Part(Protocol):
    """What the one or the other kind of data is made into."""


class Dna(Application[DnaExample]):
    """Coding regions of genomes, or classes of sequences."""

    name: ClassVar[str] = "dna"
    summary: ClassVar[str] = "coding regions of genomes, both strands; or classes of short sequences of DNA"
    settings_type: ClassVar[type[ExampleSettings]] = DnaSettings
    suffixes: ClassVar[tuple[str, ...]] = (*GENBANK, *FASTA)
    takes: ClassVar[tuple[str, ...]] = ("nbest", "picture", "out")
    reads_files: ClassVar[bool] = True
    example_type: ClassVar[type[Any]] = DnaExample

    def __init__(self, settings: DnaSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.part = Regions(self)

    @classmethod
    def read(cls, paths: Sequence[Path], settings: DnaSettings) -> Iterator[DnaExample]:
        """The stretches of genomes, or the sequences with their labels."""
        for path in paths:
            for record in read_genome(path):
                yield from stretches(record, settings.stretch)

    @classmethod
    def key(cls, example: DnaExample) -> Hashable:
        """Equal sequences are the same; of a genome, stretches side by side are held out together."""
        return example.where, example.begin // BLOCK

    @classmethod
    def learn(cls, train: Sequence[DnaExample], settings: DnaSettings) -> dict[str, Any]:
        """Labels, and what the baseline needs."""
        return Regions.learn(train, settings)

    def build(self) -> Model:
        return self.part.build()

    def size(self, example: DnaExample) -> int:
        """Letters."""
        return len(example.letters)

    def batch(self, examples: Sequence[DnaExample]) -> Any:
        return self.part.batch(examples)

    def validate(self, model: Any, examples: Sequence[DnaExample]) -> Evaluation:
        return self.part.validate(model, examples)

    def evaluate(self, model: Any, examples: Sequence[DnaExample]) -> Report:
        return self.part.evaluate(model, examples)


def stretches(record: Record, length: int) -> Iterator[DnaExample]:
    """A record cut into stretches; the last one takes the rest."""
    if record.regions is None:
        raise UserError(f"{record.where}: no regions")
    cuts = [*range(0, max(1, len(record.codes) - length // 2), length), len(record.codes)]
    for begin, end in zip(cuts, cuts[1:], strict=False):
        inside = [part for region in record.regions if (part := region.within(begin, end)) is not None]
        regions = [[part.begin, part.end, part.strand, part.place] for part in inside]
        yield DnaExample(record.name, decode(record.codes[begin:end]), record.where, begin, regions)
