"""Coding regions of genomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import spelled
from throughtime.runtime.dna.bases import Codes, side_by_side
from throughtime.runtime.dna.coding import Array, follow, in_windows, regions_of
from throughtime.runtime.dna.codons import Code
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.dna.intervals import check_intervals, check_name, write_intervals
from throughtime.runtime.dna.records import Given, read_given
from throughtime.runtime.dna.regions import CodingRegion, Region
from throughtime.runtime.folder import Folder
from throughtime.runtime.runner import Runner

ROWS = 4
"""Windows that the graph computes together: of more it takes more memory, and is no faster."""


@spelled
class RegionsRunner(Runner):
    """A finder of coding regions on both strands.

    Args:
        folder: With the graph ``sequence``.
    """

    instead = None

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network, self.lift = folder.graph("sequence"), float(folder.fact("lift", float))
        self.code = Code(folder.fact("starts", list[str]), folder.fact("stops", list[str]))

    def predict(self, inputs: Given, *, out: str | Path | None = None) -> list[dict[str, Any]]:
        """The coding regions of every record: ``name``, ``bases``, ``coding`` (a share), ``regions``.

        Genomes of any length are read in windows; memory holds a few of them, and a few bytes a base.

        Args:
            inputs: Letters, or the path of a file: FASTA, GenBank, or GFF3 with its sequences; one or several.
            out: A file that all regions are written to: GFF3, or BED.

        Raises:
            UserError: If a file is not as it should be, cannot be written, or a letter is none of DNA.
        """
        file = None if out is None else Path(str(out))
        if file is not None:
            check_intervals(file)
        told, found = [], list[tuple[str, int, Region]]()
        for record in read_given(inputs, "line"):
            if file is not None:
                check_name(file, record.name, record.where)
            regions = self.regions(record.codes)
            found += [(record.name, len(record.codes), region) for region in regions]
            told.append(_told(record, regions))
        if file is not None:
            write_intervals(file, found)
        return told

    def regions(self, codes: Codes) -> list[Region]:
        """The coding regions of a sequence, its letters as numbers."""
        (course,) = follow(in_windows(self.log_probs, [codes]), [len(codes)], self.lift, self.code)
        return regions_of(course)

    def log_probs(self, sequences: Sequence[Codes]) -> Array:
        """The log-probability of every label of every base, ``[B, L, K]``, in nats, of letters as numbers."""
        codes, lengths = side_by_side(sequences), [len(letters) for letters in sequences]
        groups = [slice(begin, begin + ROWS) for begin in range(0, len(codes), ROWS)]
        return np.concatenate([self.network({}, codes=codes[s], lengths=lengths[s])[0]["log_probs"] for s in groups])


def _told(record: Record, regions: Sequence[Region]) -> dict[str, Any]:
    coding = sum(region.end - region.begin for region in regions) / max(1, len(record.codes))
    told = [asdict(CodingRegion.of(region)) for region in regions]
    return {"name": record.name, "bases": len(record.codes), "coding": coding, "regions": told}
