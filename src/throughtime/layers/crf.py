"""The linear-chain conditional random field: a distribution over whole label sequences (Lafferty et al. 2001).

Shapes::

    B  sequences        T  steps        K  labels        n  sequences of labels that are kept
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.engine import Lengths, as_lengths, real_steps
from throughtime.runtime.chain import IMPOSSIBLE, Labelling


class CRF(nn.Module):
    """Scores of neighbouring labels on top of scores of single ones.

    ``log P(y | s) = Σ_t s<t>[y<t>] + Σ_t A[y<t-1>, y<t>] - log Z``, where ``y<0>`` and ``y<T+1>`` stand for what is
    outside of the sequence. A labelling of an empty sequence is empty and has probability one.

    Args:
        labels: K.
        allowed: Which transitions there are, ``[K + 1, K + 1]``, true from row to column; the last row stands for the
            beginning, the last column for the end. None: all of them. Some labelling of every length must be left.
        trained: Without it, A is zero and stays so: the labels are independent, each step a softmax of its own.

    Raises:
        ValueError: If ``allowed`` has another shape.

    Example:
        >>> crf = CRF(2, trained=False)
        >>> scores = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
        >>> crf.viterbi(scores, torch.tensor([2]))
        [[0, 1]]
        >>> crf.log_likelihood(scores, torch.tensor([[0, 1]]), torch.tensor([2])).exp().round(decimals=4)
        tensor([0.6964])
    """

    allowed: Tensor | None

    def __init__(self, labels: int, allowed: Tensor | None = None, *, trained: bool = True) -> None:
        super().__init__()
        size = labels + 1
        if allowed is not None and allowed.shape != (size, size):
            raise ValueError(f"expected allowed transitions of shape [{size}, {size}], got {list(allowed.shape)}")
        self.labels = labels
        self.register_buffer("allowed", allowed, persistent=False)
        if trained:
            self.transitions = nn.Parameter(nn.init.normal_(torch.zeros(size, size), std=0.01))
        else:
            self.register_buffer("transitions", torch.zeros(size, size, device="cpu"), persistent=False)

    @property
    def independent(self) -> bool:
        """Whether labels do not depend on their neighbours: none are forbidden and nothing is learnt."""
        return self.allowed is None and not isinstance(self.transitions, nn.Parameter)

    def log_likelihood(self, scores: Tensor, tags: Tensor, lengths: Lengths) -> Tensor:
        """The log-probability of labels.

        Args:
            scores: Of every label at every step, ``[B, T, K]``; what stands past a length does not matter.
            tags: The labels, ``[B, T]``.
            lengths: Real steps of every row, ``[B]``.

        Returns:
            ``[B]``, 0 for an empty sequence.
        """
        return self._score(scores, tags, lengths) - self.log_partition(scores, lengths)

    def log_partition(self, scores: Tensor, lengths: Lengths) -> Tensor:
        """``log Z``, by the forward algorithm, ``[B]``; arguments as in :meth:`log_likelihood`."""
        inner, start, end = self._parts()
        lengths = as_lengths(lengths, scores.device)
        if not scores.shape[1]:
            return scores.new_zeros(len(scores))
        real = real_steps(lengths, scores.shape[1])
        alpha = start + scores[:, 0]
        for t in range(1, scores.shape[1]):
            further = torch.logsumexp(alpha.unsqueeze(2) + inner, 1) + scores[:, t]
            alpha = torch.where(real[:, t].unsqueeze(1), further, alpha)
        return torch.logsumexp(alpha + end, 1).where(lengths > 0, 0.0)

    def marginals(self, scores: Tensor, lengths: Lengths) -> Tensor:
        """The probability of every label at every step, ``[B, T, K]``, 0 past a length.

        It is the gradient of ``log Z`` with respect to the scores.
        """
        with torch.enable_grad():
            scores = scores.detach().requires_grad_()
            total = self.log_partition(scores, lengths).sum() + 0.0 * scores.sum()
            return torch.autograd.grad(total, scores)[0]

    def viterbi(self, scores: Tensor, lengths: Lengths) -> list[list[int]]:
        """The likeliest labels of every sequence (Viterbi 1967); arguments as in :meth:`log_likelihood`."""
        return [best[0].labels for best in self.nbest(scores, lengths, 1)]

    @torch.no_grad()
    def nbest(self, scores: Tensor, lengths: Lengths, n: int) -> list[list[Labelling]]:
        """The n likeliest labellings of every sequence, the best first; fewer where there are no more.

        Viterbi's recursion with n best ways to every label instead of one: exact.

        Args:
            scores: As in :meth:`log_likelihood`.
            lengths: As there.
            n: At least 1.

        Raises:
            ValueError: If n is below 1.
        """
        if n < 1:
            raise ValueError(f"expected n of at least 1, got {n}")
        lengths = as_lengths(lengths, scores.device)
        log_z = self.log_partition(scores, lengths)
        scores = scores if scores.shape[1] else F.pad(scores, (0, 0, 0, 1))
        totals, paths = self._search(scores, lengths, n)
        # What goes through a forbidden transition is no labelling.
        real = totals > totals[:, :1] + IMPOSSIBLE / 2
        rows = zip(lengths.tolist(), real.tolist(), (totals - log_z.unsqueeze(1)).tolist(), paths.tolist(), strict=True)
        found = []
        for length, is_real, log_probs, labels in rows:
            kept = [Labelling(labels[i][:length], log_probs[i]) for i in range(n) if i == 0 or is_real[i]]
            found.append(kept if length else [Labelling([], 0.0)])
        return found

    def scores_between(self) -> Tensor:
        """The score of every transition, ``[K + 1, K + 1]``, from row to column; :data:`IMPOSSIBLE` where forbidden."""
        return self.transitions if self.allowed is None else self.transitions.masked_fill(~self.allowed, IMPOSSIBLE)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scores between labels, before the first and after the last: ``[K, K]``, ``[K]``, ``[K]``."""
        full = self.scores_between()
        return full[:-1, :-1], full[-1, :-1], full[:-1, -1]

    def _score(self, scores: Tensor, tags: Tensor, lengths: Lengths) -> Tensor:
        """The numerator's logarithm, ``[B]``."""
        if not scores.shape[1]:
            return scores.new_zeros(len(scores))
        inner, start, end = self._parts()
        tags, lengths = tags.to(scores.device), as_lengths(lengths, scores.device)
        real = real_steps(lengths, scores.shape[1])
        single = scores.gather(2, tags.unsqueeze(2)).squeeze(2).where(real, 0.0).sum(1)
        double = inner[tags[:, :-1], tags[:, 1:]].where(real[:, 1:], 0.0).sum(1)
        last = tags.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        return single + double + (start[tags[:, 0]] + end[last]).where(lengths > 0, 0.0)

    def _search(self, scores: Tensor, lengths: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Scores ``[B, n]`` and labels ``[B, n, T]`` of the n best ways; those there are not score -inf."""
        inner, start, end = self._parts()
        rows, steps, labels = scores.shape
        real = real_steps(lengths, steps)
        # ways[b, k * n + i]: the i-th best way to label k. At the first step there is one to each.
        ways = scores.new_full((rows, labels, n), -torch.inf)
        ways[:, :, 0] = start + scores[:, 0]
        ways = ways.flatten(1)
        stay = torch.arange(labels * n, device=scores.device).expand(rows, -1)
        origins = []
        for t in range(1, steps):
            reached = ways.unsqueeze(2) + inner.repeat_interleave(n, 0)
            best, origin = reached.topk(n, 1)  # [B, n, K]
            further = (best + scores[:, t].unsqueeze(1)).transpose(1, 2).flatten(1)
            goes_on = real[:, t].unsqueeze(1)
            ways = torch.where(goes_on, further, ways)
            origins.append(torch.where(goes_on, origin.transpose(1, 2).flatten(1), stay))
        totals, at = (ways + end.repeat_interleave(n)).topk(n, 1)
        path = [at]
        for origin in reversed(origins):
            path.append(origin.gather(1, path[-1]))
        return totals, torch.stack(path[::-1], 2) // n
