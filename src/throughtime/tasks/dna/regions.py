"""Which bases are coding: a label for every base of a genome, both strands at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired

import numpy as np
import numpy.typing as npt
import torch
from rich.text import Text
from torch import Tensor
from typing_extensions import TypedDict

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.folder.describing import describe_model
from throughtime.applications.folder.learnt import Count
from throughtime.applications.judging.labels import HARDEST
from throughtime.applications.options import Drawn, Written
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.task import Report, Table
from throughtime.data.dna.bases import Codes, encode
from throughtime.data.dna.genomes import LABELS, label_bases, read_genome
from throughtime.decoding.coding import compute_windows
from throughtime.errors import UserError, listed
from throughtime.models import Model, StrandBatch, StrandTagger
from throughtime.models.strands import NOTHING, STEP
from throughtime.runtime.dna.coding import Course, follow, regions_of
from throughtime.runtime.dna.codons import BACTERIAL, genetic_code, open_frames
from throughtime.runtime.dna.fasta import Record, read_fasta
from throughtime.runtime.dna.intervals import check_intervals, check_name, write_intervals
from throughtime.runtime.dna.regions import CodingRegion, Region
from throughtime.runtime.reading.notes import note
from throughtime.tasks.dna.examples import DnaExample, DnaSettings, as_regions, batch_letters, is_genome
from throughtime.tasks.dna.metrics import Hits, fit_open_frames, mask
from throughtime.tasks.dna.picture import draw_genome
from throughtime.tasks.dna.predictions import RegionsPrediction
from throughtime.training import Evaluation
from throughtime.training.calibration import calibration_error

LIFTS = (-0.5, 0.0, 0.5, 1.0, 1.5)
"""Of which validation chooses: see :func:`throughtime.runtime.dna.coding.follow`."""

LENGTHS = (60, 90, 120, 150, 180, 240, 300, 360, 450, 600)
"""Of which training data chooses, for the baseline."""

SHOWN = 12
"""Regions that a prediction shows."""


@dataclass(frozen=True)
class Piece:
    """Stretches side by side, as one.

    Attributes:
        name: Of the record.
        begin: Its first letter there.
        codes: ``[L]``.
        labels: ``[L]``: see :data:`throughtime.data.dna.genomes.LABELS`.
    """

    name: str
    begin: int
    codes: Codes
    labels: npt.NDArray[np.uint8]


class LearntRegions(TypedDict):
    """What ``vocabulary.json`` holds of the coding regions of genomes."""

    learnt: Literal["regions"]
    shortest: Count
    code: NotRequired[Count]


class RegionOptions(Drawn, Written):
    """Of the regions of a record: what may be asked of it."""


OPEN_FRAMES = tuple(
    Baseline(
        figure,
        f"open_frames_{figure}",
        "long open reading frames alone tell coding bases better, as in bacteria, whose genes lie in one piece; "
        "the model has learnt too little of what codons are like, or of where genes begin and end",
    )
    for figure in ("mcc", "balanced_accuracy")
)
ALL_CODING = tuple(
    Baseline(
        figure,
        f"all_coding_{figure}",
        "calling every base coding does as well as chance, and the model does worse: it takes what does not code for "
        "what does more often than the other way round",
    )
    for figure in ("mcc", "balanced_accuracy")
)
"""Beside which coding regions stand."""


class DnaRegions(Application[DnaExample]):
    """The coding regions of genomes."""

    name: ClassVar[str] = "dna"
    predicting = RegionOptions
    needs_all = "regions are the best course through both strands of the whole"

    def __init__(self, settings: DnaSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.code = genetic_code(vocabulary.get("code", BACTERIAL))

    @classmethod
    def learn(cls, train: Sequence[DnaExample], settings: DnaSettings) -> dict[str, Any]:
        """How long an open reading frame has to be, for the baseline; and the genetic code.

        Raises:
            UserError: If nothing codes.
        """
        found = [(piece.codes, piece.labels > 0) for piece in pieces(train)]
        if not any(gold.any() for _, gold in found):
            raise UserError(f"{train[0].where}: expected coding regions (CDS features), found none in all the data")
        number = _code_of(train, settings)
        return {"shortest": fit_open_frames(found, LENGTHS, genetic_code(number)), "code": number}

    def build(self) -> Model:
        """The tagger of both strands."""
        model: Model = self.settings.tagger()
        return model

    def batch(self, examples: Sequence[DnaExample]) -> StrandBatch:
        """Stretches with the labels of their bases."""
        return _batch(examples)

    def training_batch(self, examples: Sequence[DnaExample]) -> StrandBatch:
        """Stretches from a random place in a codon on, some letters read as N."""
        batch = _batch(examples, int(torch.randint(STEP, ())))
        return replace(batch, letters=self.settings.hide(batch.letters))

    def size(self, example: DnaExample) -> int:
        """Letters."""
        return len(example.letters)

    # Judgement.

    def validate(self, model: StrandTagger, examples: Sequence[DnaExample]) -> Evaluation:
        """MCC, with the lift that makes it the most; the model keeps that."""
        held_out = list(pieces(examples))
        sequences, lengths = [piece.codes for piece in held_out], [len(piece.codes) for piece in held_out]
        with torch.no_grad():
            computed = list(compute_windows(model.log_probs, sequences))
        tried = []
        for lift in LIFTS:
            courses = zip(held_out, follow(computed, lengths, lift, self.code), strict=True)
            hits = sum((Hits.count(piece.labels > 0, course.frames > 0) for piece, course in courses), Hits())
            tried.append((hits, lift))
        hits, lift = max(tried, key=lambda pair: pair[0].mcc)
        model.lift.fill_(lift)
        figures = {"mcc": hits.mcc, "balanced_accuracy": hits.balanced, "loss": self.mean_loss(model, examples)}
        return Evaluation(1.0 - hits.mcc, {**figures, "lift": lift})

    @torch.no_grad()
    def _follow(self, model: StrandTagger, codes: Codes) -> Course:
        computed = compute_windows(model.log_probs, [codes])
        return follow(computed, [len(codes)], float(model.lift), self.code)[0]

    def evaluate(self, model: StrandTagger, examples: Sequence[DnaExample], options: RegionOptions) -> Report:
        """Per-base figures beside those of open reading frames; of every record; the longest errors."""
        total, open_ = Hits(), Hits()
        by_record: dict[str, Hits] = {}
        errors: list[tuple[str, int, int, str, str]] = []
        strands = np.zeros((3, 3), dtype=np.int64)
        framed, sure, right = 0, list[Tensor](), list[Tensor]()
        for piece in pieces(examples):
            course = self._follow(model, piece.codes)
            found = label_bases(len(piece.codes), regions_of(course))
            hits = Hits.count(piece.labels > 0, found > 0)
            total += hits
            by_record[piece.name] = by_record.get(piece.name, Hits()) + hits
            rule = mask(len(piece.codes), open_frames(piece.codes, self.vocabulary["shortest"], self.code))
            open_ += Hits.count(piece.labels > 0, rule)
            np.add.at(strands, (_strands(piece.labels), _strands(found)), 1)
            framed += int(((piece.labels == found) & (found > 0)).sum())
            errors += _errors(piece, found)
            chance = (torch.from_numpy(course.plus).float() + torch.from_numpy(course.minus)).clamp(max=1)
            sure.append(torch.maximum(chance, 1 - chance))
            right.append((chance > 0.5) == torch.from_numpy(piece.labels > 0))
        both = max(1, total.right)
        figures = {
            "mcc": total.mcc,
            "balanced_accuracy": total.balanced,
            "sensitivity": total.sensitivity,
            "specificity": total.specificity,
            "right_strand": float(strands[1, 1] + strands[2, 2]) / both,
            "right_frame": framed / both,
            "open_frames_mcc": open_.mcc,
            "open_frames_balanced_accuracy": open_.balanced,
            "all_coding_mcc": 0.0,
            "all_coding_balanced_accuracy": 0.5,
            "calibration_error": calibration_error(torch.cat(sure), torch.cat(right)),
            "bases": int(strands.sum()),
            "coding": float((total.right + total.missed) / strands.sum()),
        }
        names = ("non-coding", "+ strand", "- strand")
        rows: list[list[str | int | float]] = [[name, *map(int, row)] for name, row in zip(names, strands, strict=True)]
        records: list[list[str | int | float]] = [
            [name, h.bases, h.mcc, h.balanced, h.sensitivity, h.specificity] for name, h in by_record.items()
        ]
        columns = ["record", "bases", "MCC", "balanced accuracy", "sensitivity", "specificity"]
        return Report(
            figures,
            [
                Table("by record", columns, records),
                Table("bases (rows: annotated, columns: said)", ["", *names], rows),
                Table(
                    "longest errors",
                    ["record", "begin", "end", "annotated", "said"],
                    sorted(errors, key=lambda row: row[1] - row[2])[:HARDEST],
                ),
            ],
        )

    # Use.

    def predict(self, model: StrandTagger, lines: Sequence[str], options: RegionOptions) -> list[Prediction]:
        """The coding regions of lines of letters."""
        return self.predict_items(model, lines, options)

    def predict_file(self, model: StrandTagger, path: Path, options: RegionOptions) -> Iterator[Prediction]:
        """The coding regions of every record of a file."""
        yield from self._predict(model, _records(path), options)

    def predict_items(self, model: StrandTagger, items: Sequence[Any], options: RegionOptions) -> list[Prediction]:
        """The coding regions of lines of letters, and of every record of files."""
        records = (
            record
            for number, item in enumerate(items, 1)
            for record in (_records(item) if isinstance(item, Path) else [_line(number, item)])
        )
        return list(self._predict(model, records, options))

    def exported(self, model: StrandTagger) -> Exported:
        """The labels of bases, how far those of coding are raised, and the codons that start and stop regions."""
        codons = {"starts": list(self.code.starts), "stops": list(self.code.stops)}
        return Exported("regions", {"labels": list(LABELS), "lift": float(model.lift), **codons})

    def _predict(self, model: StrandTagger, records: Iterable[Record], options: RegionOptions) -> Iterator[Prediction]:
        if options.out is not None:
            check_intervals(options.out)
        found: list[tuple[str, int, Region]] = []
        for number, record in enumerate(records):
            if options.out is not None:
                check_name(options.out, record.name, record.where)
            course = self._follow(model, record.codes)
            regions = regions_of(course)
            found += [(record.name, len(record.codes), region) for region in regions]
            if options.picture is not None and number == 0:
                draw_genome(options.picture, record, course, regions, describe_model(self.name, self.settings))
            yield _show(record, regions, ["only its first record is drawn"] if options.picture and number == 1 else [])
        if options.out is not None:
            write_intervals(options.out, found)


def _code_of(train: Sequence[DnaExample], settings: DnaSettings) -> int:
    """NCBI's number of the genetic code that is told by the settings, else by the data, else that of bacteria."""
    told = sorted({code for example in train for code in example.genetic_codes})
    if settings.genetic_code is not None:
        return settings.genetic_code
    if len(told) == 1:
        note(f"genetic code {told[0]}, as the data say (transl_table); --genetic-code takes another")
        return told[0]
    if told:
        note(f"genetic code {BACTERIAL}, as the data have several ({listed(told)}); --genetic-code takes another")
    return BACTERIAL


def _records(path: Path) -> Iterator[Record]:
    return read_genome(path) if is_genome(path) else read_fasta(path)


def _line(number: int, letters: str) -> Record:
    return Record(f"line{number}", "", encode(letters, f"line {number}"), f"line {number}")


def _batch(examples: Sequence[DnaExample], first: int = 0) -> StrandBatch:
    letters = batch_letters(examples, first)
    labels = torch.full(letters.codes.shape, NOTHING)
    for row, example in enumerate(examples):
        found = label_bases(len(example.letters), as_regions(example))[first:]
        labels[row, : len(found)] = torch.from_numpy(found.astype(np.int64))
    return StrandBatch(letters, labels)


def pieces(examples: Sequence[DnaExample]) -> Iterator[Piece]:
    """Stretches that lie side by side joined to one."""
    joined: list[list[DnaExample]] = []
    for example in sorted(examples, key=lambda example: (example.where, example.name, example.begin)):
        last = joined[-1][-1] if joined else None
        if last is not None and (last.where, last.begin + len(last.letters)) == (example.where, example.begin):
            joined[-1].append(example)
        else:
            joined.append([example])
    for group in joined:
        labels = [label_bases(len(example.letters), as_regions(example)) for example in group]
        codes = np.concatenate([example.codes for example in group])
        yield Piece(group[0].name, group[0].begin, codes, np.concatenate(labels))


def _strands(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """0 for non-coding, 1 for plus, 2 for minus."""
    return (labels.astype(np.int64) + 2) // 3


def _errors(piece: Piece, found: npt.NDArray[np.uint8]) -> list[tuple[str, int, int, str, str]]:
    """Runs of bases that were taken for coding, or not, and are none: record, begin from 1, end, annotated, said."""
    wrong = np.flatnonzero(np.diff(np.concatenate([[0], ((piece.labels > 0) != (found > 0)).astype(np.int8), [0]])))
    said = ("non-coding", "coding")
    return [
        (
            piece.name,
            piece.begin + begin + 1,
            piece.begin + end,
            said[int(piece.labels[begin] > 0)],
            said[int(found[begin] > 0)],
        )
        for begin, end in wrong.reshape(-1, 2).tolist()
    ]


def _show(record: Record, regions: Sequence[Region], warnings: Sequence[str]) -> RegionsPrediction:
    length = len(record.codes)
    coding = float(mask(length, regions).mean()) if length else 0.0
    plus = sum(region.strand > 0 for region in regions)
    text = Text(f"{record.name}: {length:,} bases, {100 * coding:.1f} % coding, {len(regions):,} regions ")
    text.append(f"({plus:,} on the + strand, {len(regions) - plus:,} on the - strand)")
    for region in regions[:SHOWN]:
        strand = "+" if region.strand > 0 else "-"
        text.append(f"\n{region.begin + 1:>12,} {region.end:>12,}  {strand}  {region.end - region.begin:>7,} bases  ")
        text.append(f"{100 * region.score:5.1f} %", "dim")
    if len(regions) > SHOWN:
        text.append(f"\n{'':>12} and {len(regions) - SHOWN:,} more; --out genes.gff3 writes all of them", "dim")
    return RegionsPrediction(
        text,
        name=record.name,
        bases=length,
        coding=coding,
        regions=[CodingRegion.of(region) for region in regions],
        warnings=warnings,
    )
