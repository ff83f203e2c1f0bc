"""What a network reads of a letter of DNA: the letter, its neighbours, and where it stands.

Shapes::

    B  sequences        L  letters of the longest        E  features of a letter
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.device import onto
from throughtime.data.dna.bases import SHARES, Codes
from throughtime.models.strands import Letters


class LetterInput(nn.Module):
    """A convolution over a letter and its neighbours, and where all sequences are of one length, the place.

    Ambiguity letters are distributions over the bases.

    Args:
        features: E.
        width: Letters that the convolution sees; odd.
        places: Places of a sequence that are told apart; 0: none.
        dropout: Share of the features dropped.
    """

    def __init__(self, features: int, *, width: int, places: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.output_size, self.dropout = features, dropout
        self.convolution = nn.Conv1d(4, features, width, padding=width // 2)
        self.places = nn.Embedding(places, features) if places else None
        self.shares: Tensor
        self.register_buffer("shares", SHARES, persistent=False)

    def forward(self, letters: Letters) -> Tensor:
        """``[B, L, E]``; what stands past a sequence's length is not zero."""
        codes = onto(letters.codes, self.shares.device)
        features = self.convolution(self.shares[codes].transpose(1, 2)).transpose(1, 2)
        if self.places is not None:
            steps = torch.arange(codes.shape[1], device=codes.device).clamp(max=self.places.num_embeddings - 1)
            features = features + self.places(steps)
        return F.dropout(torch.relu(features), self.dropout, self.training)

    def letter(self, codes: Codes, at: int) -> Tensor:
        """The features ``[E]`` of one letter without dropout, of its neighbours' codes and its own ``[width]``.

        Args:
            codes: 0 where no letter stands.
            at: Its place in the sequence.
        """
        shares = self.shares[onto(torch.from_numpy(codes.astype("int64")), self.shares.device)]
        features = F.conv1d(shares.t().unsqueeze(0), self.convolution.weight, self.convolution.bias)[0, :, 0]
        if self.places is not None:
            features = features + self.places.weight[min(at, self.places.num_embeddings - 1)]
        return torch.relu(features)
