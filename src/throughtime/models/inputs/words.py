"""What a network reads of a word: its embedding, and its spelling read by a network of its own.

Shapes::

    B  sentences        T  words of the longest        S  different words of the batch        L  letters of the longest
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.text.words import WordBatch
from throughtime.engine import real_steps
from throughtime.layers import Recurrent

Spelling = Literal["none", "rnn", "cnn"]


@dataclass(frozen=True, kw_only=True)
class WordInputConfig:
    """What word inputs are built from, as plain data.

    Attributes:
        words: Known words, the unknown one counted.
        embedding: Features of a word's embedding.
        characters: Known letters, the unknown one counted; 0: words have no spelling.
        spelling: What reads the letters: ``"rnn"``, both directions of a recurrent layer, their final states joined
            (Lample et al. 2016); ``"cnn"``, a convolution over three letters and the maximum (Ma and Hovy 2016).
        letter: Features of a letter's embedding.
        spelled: Features of a spelling.
        cell: Of the recurrent layer.
        shapes: Known shapes of words (capitals, digits, signs); 0: they are not read.
        shape: Features of a shape's embedding.
        dropout: Share of all features dropped.
        word_dropout: Share of words read as unknown while training: the unknown word's embedding learns from them.
    """

    words: int
    embedding: int = 100
    characters: int = 0
    spelling: Spelling = "none"
    letter: int = 25
    spelled: int = 50
    cell: str = "lstm"
    shapes: int = 0
    shape: int = 16
    dropout: float = 0.0
    word_dropout: float = 0.0


class WordInput(nn.Module):
    """Embeddings of words, joined with their spellings.

    Args:
        config: Sizes and options.
        engine: As in :class:`throughtime.Recurrent`.

    Raises:
        ValueError: If letters are to be read and there are none.
    """

    def __init__(self, config: WordInputConfig, *, engine: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.words, config.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.output_size = config.embedding
        if config.shapes:
            self.shapes = nn.Embedding(config.shapes, config.shape)
            self.output_size += config.shape
        if config.spelling == "none":
            return
        if not config.characters:
            raise ValueError(f"spelling {config.spelling!r} needs characters; got a vocabulary of none")
        self.letters = nn.Embedding(config.characters + 1, config.letter, padding_idx=0)
        if config.spelling == "rnn":
            if config.spelled % 2:
                raise ValueError(
                    f"expected an even number of spelled features, half for each way, got {config.spelled}"
                )
            reader = Recurrent(config.cell, config.letter, config.spelled // 2, bidirectional=True, engine=engine)
            self.reader: nn.Module = reader
            self.output_size += reader.output_size  # fewer than asked for where the cell's output is narrower
        else:
            self.reader = nn.Conv1d(config.letter, config.spelled, 3, padding=1)
            self.output_size += config.spelled

    @torch.no_grad()
    def start_from(self, vectors: Mapping[int, Tensor]) -> None:
        """Sets the embeddings of some words, by their ids, to ``[embedding]`` vectors that were trained elsewhere."""
        for word, vector in vectors.items():
            self.embedding.weight[word] = vector

    def forward(self, batch: WordBatch) -> Tensor:
        """``[B, T, output_size]``; what stands past a sentence's length is not zero."""
        words = onto(batch.words, self.embedding.weight.device)
        if self.training and self.config.word_dropout:
            words = words.masked_fill(torch.rand(words.shape, device=words.device) < self.config.word_dropout, 0)
        read = [self.embedding(words)]
        if self.config.shapes:
            assert batch.shapes is not None
            read.append(self.shapes(onto(batch.shapes, words.device)))
        if self.config.spelling != "none":
            assert batch.spelled is not None
            read.append(self._spell(batch)[onto(batch.spelled, words.device)])
        return F.dropout(torch.cat(read, -1), self.config.dropout, self.training)

    def _spell(self, batch: WordBatch) -> Tensor:
        """``[S, spelled]``."""
        assert batch.spellings is not None
        assert batch.letters is not None
        letters = self.letters(onto(batch.spellings, self.letters.weight.device))
        letters = F.dropout(letters, self.config.dropout, self.training)
        if isinstance(self.reader, Recurrent):
            _, state = self.reader(letters, lengths=batch.letters)
            return torch.cat(list(state[self.reader.cell.state[0]]), 1)  # the last step of either direction
        folded = torch.relu(self.reader(letters.transpose(1, 2)))
        real = real_steps(batch.letters, letters.shape[1])
        return folded.masked_fill(~onto(real, folded.device).unsqueeze(1), 0.0).amax(2)
