"""Coding regions of genomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from throughtime.errors import spelled
from throughtime.runtime.dna.bases import Codes, side_by_side
from throughtime.runtime.dna.coding import Array, follow, in_windows, regions_of
from throughtime.runtime.dna.codons import Code
from throughtime.runtime.dna.fasta import Record
from throughtime.runtime.dna.records import Given, read_given
from throughtime.runtime.dna.regions import CodingRegion
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
        self.network, self.lift = folder.graph("sequence"), float(folder.fact("lift"))
        self.code = Code(folder.fact("starts"), folder.fact("stops"))

    def predict(self, inputs: Given) -> list[dict[str, Any]]:
        """The coding regions of every record: ``name``, ``bases``, ``coding`` (a share), ``regions``.

        Genomes of any length are read in windows; memory holds a few of them, and a few bytes a base.

        Args:
            inputs: Letters, or the path of a file: FASTA, GenBank, or GFF3 with its sequences; one or several.

        Raises:
            UserError: If a file is not as it should be, or a letter is none of DNA.
        """
        return [self._told(record) for record in read_given(inputs, "line")]

    def log_probs(self, sequences: Sequence[Codes]) -> Array:
        """The log-probability of every label of every base, ``[B, L, K]``, in nats, of letters as numbers."""
        codes, lengths = side_by_side(sequences), [len(letters) for letters in sequences]
        groups = [slice(begin, begin + ROWS) for begin in range(0, len(codes), ROWS)]
        return np.concatenate([self.network({}, codes=codes[s], lengths=lengths[s])[0]["log_probs"] for s in groups])

    def _told(self, record: Record) -> dict[str, Any]:
        bases = len(record.codes)
        (course,) = follow(in_windows(self.log_probs, [record.codes]), [bases], self.lift, self.code)
        regions = regions_of(course)
        coding = sum(region.end - region.begin for region in regions) / max(1, bases)
        told = [asdict(CodingRegion.of(region)) for region in regions]
        return {"name": record.name, "bases": bases, "coding": coding, "regions": told}
