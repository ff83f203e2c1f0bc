"""What models of DNA are trained from: settings, and stretches of genomes with regions, or sequences with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from throughtime.applications.judging.classification import ClassSettings
from throughtime.applications.settings import ExampleSettings, option, steps_at_least
from throughtime.data.dna.bases import Codes, decode, encode
from throughtime.data.dna.genomes import intervals_of, read_genome
from throughtime.data.dna.sequences import KINDS, LabelledSequence, read_sequences
from throughtime.errors import UserError, listed
from throughtime.layers import PoolingName
from throughtime.models import Classifier, LetterInput, Letters, StackConfig, StrandTagger, StrandTaggerConfig
from throughtime.runtime.dna.fasta import GFF, Record
from throughtime.runtime.dna.genbank import GENBANK
from throughtime.runtime.dna.regions import Region
from throughtime.training import OptimiserName

BLOCK = 30_000
"""Bases of a genome that are held out together, so that few genes are cut."""

LEAST = 20
"""Blocks of a genome; those of a small one are smaller."""

SWAPPED = (0, 4, 5, 6, 1, 2, 3)
"""What every label of a base (:data:`throughtime.data.dna.genomes.LABELS`) is on the other strand."""

WIDTH = 5
"""Letters that the convolution of the classifier sees."""


class DnaSettings(ExampleSettings, ClassSettings):
    """What models of DNA are trained from."""

    stretch: int = option(3000, "Of genomes: bases of an example.", "Data", ge=60, le=100_000_000)
    text_column: str | None = option(None, "Of a table: column of the sequences: its name, or number from 1.", "Data")
    label_column: str | None = option(None, "Of a table: column of the labels: its name, or number from 1.", "Data")
    header: bool | None = option(None, "Of a table: its first row names the columns; default: judged.", "Data")
    genetic_code: int | None = option(
        None,
        "Of genomes: NCBI's number of the genetic code that starts and stops regions. Default: the data's, or 11.",
        "Data",
        ge=1,
        le=99,
    )
    bidirectional: bool = option(True, "Read in both directions.", "Model")
    hidden: int = option(128, "Units of a layer.", "Model", ge=1, le=2**24)
    layers: int = option(2, "Depth.", "Model", ge=1, le=1_000)
    embedding: int = option(32, "Features of a codon, or of a letter with its neighbours.", "Model", ge=1, le=2**24)
    calibrate: bool = option(True, "Of labelled sequences: fit probabilities to the validation data.", "Training")
    pooling: PoolingName = option("max", "Of labelled sequences: last, mean, max, attention.", "Model")
    unread: float = option(0.02, "Letters read as N while training.", "Training", ge=0, lt=1)
    batch: int = option(8, "Sequences side by side in a batch.", "Training", ge=1, le=2**20)
    least_steps: int = steps_at_least(1000)
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    weight_decay: float = option(0.01, "Of the optimiser.", "Training", ge=0)

    def tagger(self) -> StrandTagger:
        """The model of genomes: codons of three frames, a recurrent stack on both strands, softmax."""
        config = StrandTaggerConfig(**self.stack(), swapped=SWAPPED, codon=self.embedding)
        return StrandTagger(config, engine=self.engine)

    def classifier(self, classes: int, places: int) -> Classifier:
        """The model of labelled sequences: letters with neighbours and places, a recurrent stack, pooling, softmax."""
        inputs = LetterInput(self.embedding, width=WIDTH, places=places, dropout=self.dropout / 4)
        stack = StackConfig(**self.stack()).build(inputs.output_size, engine=self.engine)
        return Classifier(inputs, stack, classes, pooling=self.pooling, dropout=self.dropout)

    def hide(self, letters: Letters) -> Letters:
        """Letters as training sees them."""
        return letters.without(self.unread) if self.unread else letters


@dataclass(frozen=True)
class DnaExample:
    """A stretch of a genome with its coding regions, or a sequence with its label.

    Attributes:
        name: Of the record.
        letters: Of the stretch.
        where: File and record, or line.
        begin: Of a stretch: its first letter in the record, from 0.
        regions: Of a stretch: begin, end, strand and place of the regions in it, counted from its first letter.
        block: Of a stretch: those of one block lie side by side, and are held out together.
        label: Of a sequence; None: it is a stretch.
        genetic_codes: Of a stretch: NCBI's numbers of those that its record tells.
    """

    name: str
    letters: str
    where: str
    begin: int = 0
    regions: Sequence[tuple[int, int, int, int]] = ()
    block: int = 0
    label: str | None = None
    genetic_codes: Sequence[int] = ()

    @property
    def codes(self) -> Codes:
        """Its letters as numbers."""
        return encode(self.letters, self.where)


def is_genome(path: Path) -> bool:
    """Whether a file holds genomes with their regions."""
    return path.suffix.lower() in (*GENBANK, *GFF) or intervals_of(path) is not None


def read_examples(path: Path, settings: DnaSettings) -> Iterator[DnaExample]:
    """The stretches, or the labelled sequences, of a file.

    Raises:
        UserError: If it is not as it should be; names record or line.
    """
    if is_genome(path):
        for record in read_genome(path):
            yield from cut_genome(record, settings.stretch)
        return
    if path.suffix.lower() not in KINDS:
        raise UserError(f"{path}: expected a file that ends in {listed((*GENBANK, *KINDS))}")
    for found in read_sequences(path, settings.text_column, settings.label_column, settings.header):
        yield _labelled(found)


def _labelled(found: LabelledSequence) -> DnaExample:
    return DnaExample(found.name, decode(found.codes), found.where, label=found.label)


def cut_genome(record: Record, length: int) -> Iterator[DnaExample]:
    """A genome cut into stretches of that length; what is left at the end joins the last where it is short."""
    cuts = [*range(0, max(1, len(record.codes) - length // 2), length), len(record.codes)]
    together = max(1, min(BLOCK // length, len(cuts) // LEAST))
    for number, (begin, end) in enumerate(pairwise(cuts)):
        parts = [part for region in record.regions or () if (part := region.within(begin, end)) is not None]
        regions = [(part.begin, part.end, part.strand, part.place) for part in parts]
        yield DnaExample(
            record.name,
            decode(record.codes[begin:end]),
            record.where,
            begin,
            regions,
            number // together,
            genetic_codes=record.genetic_codes,
        )


def as_regions(example: DnaExample) -> list[Region]:
    """The regions of a stretch."""
    return [Region(*region) for region in example.regions]


def batch_letters(examples: Sequence[DnaExample], first: int = 0) -> Letters:
    """The letters of examples, from the ``first`` on."""
    return Letters.of([example.codes[first:] for example in examples])
