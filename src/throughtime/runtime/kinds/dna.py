"""Classes of sequences of DNA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.errors import spelled
from throughtime.runtime.dna.bases import Codes, side_by_side
from throughtime.runtime.dna.records import SEQUENCES, Given, read_given
from throughtime.runtime.drawing import Array
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.classes import ROWS, chances_of, log_softmax
from throughtime.runtime.remarks import long_input, other_length, remark
from throughtime.runtime.runner import Runner


@spelled
class DnaRunner(Runner):
    """A classifier of sequences of DNA.

    Args:
        folder: With the graph ``sequence``.
    """

    instead = None

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network = folder.graph("sequence")
        self.labels, self.temperature = folder.fact("labels", list[str]), float(folder.fact("temperature", float))

    def predict(self, inputs: Given) -> list[dict[str, Any]]:
        """The class of every sequence: ``name``, ``label``, ``probabilities``, the likeliest first.

        Args:
            inputs: Letters, or the path of a file: FASTA, GenBank, or GFF3 with its sequences; one or several.

        Raises:
            UserError: If a file is not as it should be, or a letter is none of DNA.
        """
        records = list(read_given(inputs, "line ", SEQUENCES))
        for record in records:
            letters = len(record.codes)
            remark(
                record.name, [*long_input(letters, "letters"), *other_length(letters, self.folder.fact("places", int))]
            )
        scores = self.log_probs([record.codes for record in records])
        return [
            {"name": record.name, **chances_of(self.labels, row)} for record, row in zip(records, scores, strict=True)
        ]

    def log_probs(self, sequences: Sequence[Codes]) -> Array:
        """The log-probability of every class, ``[B, K]``, in nats, of letters as numbers."""
        found = np.zeros((len(sequences), len(self.labels)))
        order = sorted(range(len(sequences)), key=lambda number: len(sequences[number]))
        for begin in range(0, len(order), ROWS):
            chosen = order[begin : begin + ROWS]
            rows = [sequences[number] for number in chosen]
            made, _ = self.network({}, codes=side_by_side(rows), lengths=[len(row) for row in rows])
            found[chosen] = made["log_probs"]
        return found if self.temperature == 1.0 else log_softmax(found / self.temperature)
