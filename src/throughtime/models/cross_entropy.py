"""The cross-entropy of a softmax over many classes, which goes over blocks of rows and never holds all scores.

A block's scores stand in one buffer, become exponentials there and at once their own gradient; its products with rows
and matrix are all that is kept. The gradient is made on the way forward, as in Liger Kernel's fused linear
cross-entropy (Hsu et al. 2024). Plain, ``[N, V]`` numbers are written and read for scores, for log-probabilities and
for the gradient of each.

Shapes::

    N  rows        A  features of a row        V  classes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.data import NOTHING
from throughtime.data.device import onto
from throughtime.engine import Lengths, as_lengths, real_steps, watched
from throughtime.engine.compiled.again import in_batches

CLASSES = 2_000
"""Blocks from so many classes on."""

SCORES = 2**20
"""And from so many scores, ``N V``: below, they lie in the cache either way. Against the plain way the loss and its
gradients measured 0.90 to 1.0 × below, 1.0 to 1.6 × above."""

BLOCK = 2**26
"""Bytes of a block's scores at most. In smaller blocks the products wait for the matrix more often."""

ROWS = 128
"""But rows of a block at least."""

NONE = (False, False, False)
"""No gradients."""


def mean_nats(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    smoothing: float = 0.0,
    shares: Tensor | None = None,
) -> Tensor:
    """The cross-entropy of ``softmax(W row + b)`` and a target in nats, averaged over rows: a scalar.

    Args:
        rows: ``[N, A]``.
        weight: W, ``[V, A]``.
        bias: b, ``[V]``; None: there is none.
        targets: Classes, ``[N]``, on any device; a row of :data:`throughtime.data.NOTHING` does not count.
        smoothing: Share of every target's probability that is spread over all classes (Szegedy et al. 2016).
        shares: What each row's nats are multiplied by for a sum, ``[N]``, instead of the mean; no gradient flows there.

    Example:
        >>> rows, weight = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [1.0]])
        >>> mean_nats(rows, weight, None, torch.tensor([1, -1]))
        tensor(0.3133)
    """
    rows, targets, at = _counted(rows, targets)
    if shares is not None:
        shares = (shares if at is None else shares.index_select(0, at)).detach()
    if not _in_blocks(rows, weight, bias):
        return _plain(rows, weight, bias, targets, shares, smoothing)
    if shares is None:
        shares = rows.new_full((len(rows),), 1.0 / len(rows))
    if _wanted(rows, weight, bias):
        loss: Tensor = _Mean.apply(rows, weight, bias, targets, shares, smoothing)  # type: ignore[no-untyped-call]
        return loss
    return _pass(rows, weight, bias, targets, shares, smoothing, NONE)[0].dot(shares)


def each_nats(rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """The cross-entropy of each row by itself in nats, ``[N]``, 0 where it does not count; see :func:`mean_nats`.

    Where gradients are wanted this is PyTorch's own: the matrix's is a sum over rows, and what each will be multiplied
    by is not known on the way forward.
    """
    count = len(rows)
    rows, targets, at = _counted(rows, targets)
    if _wanted(rows, weight, bias) or not _in_blocks(rows, weight, bias):
        nats = F.cross_entropy(F.linear(rows, weight, bias), targets, reduction="none", ignore_index=NOTHING)
    else:
        nats, _ = _pass(rows, weight, bias, targets, rows.new_empty(0), 0.0, NONE)
    return nats if at is None else nats.new_zeros(count).index_copy(0, at, nats)


def weights_of(targets: Tensor, weights: Tensor) -> Tensor:
    """The weight of every target's class, ``[N]``, zero where there is none.

    Args:
        targets: Classes, ``[N]``, on any device; :data:`throughtime.data.NOTHING` where there is none.
        weights: Of every class, ``[V]``.

    Example:
        >>> weights_of(torch.tensor([1, NOTHING, 0]), torch.tensor([0.5, 2.0]))
        tensor([2.0000, 0.0000, 0.5000])
    """
    targets = onto(targets, weights.device)
    return torch.where(targets == NOTHING, 0.0, weights[targets.clamp(min=0)])


def real_targets(targets: Tensor, lengths: Lengths) -> Tensor:
    """Targets ``[B, S]`` one after another, ``[B S]``, :data:`throughtime.data.NOTHING` past a row's length.

    Example:
        >>> real_targets(torch.tensor([[5, 6], [7, 0]]), [2, 1])
        tensor([ 5,  6,  7, -1])
    """
    real = real_steps(as_lengths(lengths, targets.device), targets.shape[1])
    return targets.masked_fill(~real, NOTHING).flatten()


def _counted(rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows and targets that count, beside one another, and where they stand; None where all do."""
    real = targets != NOTHING
    if watched() or real.all():
        return rows, onto(targets, rows.device), None
    at = real.nonzero().squeeze(1)
    targets, at = onto(targets.index_select(0, at), rows.device), onto(at, rows.device)
    return rows.index_select(0, at), targets, at


def _wanted(*values: Tensor | None) -> bool:
    """Whether there are gradients to find."""
    return torch.is_grad_enabled() and any(value is not None and value.requires_grad for value in values)


def _in_blocks(rows: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether sizes are worth it, and nothing asks for PyTorch's own operations."""
    given = [value for value in (rows, weight, bias) if value is not None]
    return (
        len(weight) >= CLASSES
        and len(rows) * len(weight) >= SCORES
        and not watched()
        and not torch.is_autocast_enabled("cpu")
        and all(value.device.type == "cpu" and value.dtype == rows.dtype for value in given)
        and rows.dtype in (torch.float32, torch.float64)
        and not torch.overrides.has_torch_function(given)
    )


def _plain(
    rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, shares: Tensor | None, smoothing: float
) -> Tensor:
    """As :func:`mean_nats`, in PyTorch's operations."""
    scores = F.linear(rows, weight, bias)
    if shares is None:
        return F.cross_entropy(scores, targets, label_smoothing=smoothing, ignore_index=NOTHING)
    each = F.cross_entropy(scores, targets, label_smoothing=smoothing, ignore_index=NOTHING, reduction="none")
    return (each * shares).sum()


Gradients = list[Tensor | None]
"""Of rows, matrix and bias; None where none is wanted."""


def _pass(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    shares: Tensor,
    smoothing: float,
    needed: Sequence[bool],
) -> tuple[Tensor, Gradients]:
    """Every row's nats, ``[N]``, and the gradients of their sum by ``shares``."""
    count, classes = len(rows), len(weight)
    most = max(ROWS, BLOCK // (classes * rows.element_size()))
    size = -(-count // -(-count // most))
    room, nats = rows.new_empty(size, classes), rows.new_empty(count)
    shapes = (rows.shape, weight.shape, (classes,))
    made = [rows.new_empty(shape) if wanted else None for shape, wanted in zip(shapes, needed, strict=True)]
    d_rows, d_weight, d_bias = made
    for begin in range(0, count, size):
        part = slice(begin, begin + size)
        some, target, more = rows[part], targets[part].unsqueeze(1), float(begin > 0)
        scores = room[: len(some)]
        if bias is None:
            torch.mm(some, weight.t(), out=scores)
        else:
            torch.addmm(bias, some, weight.t(), out=scores)
        nats[part], sums = _exponentials(scores, target, smoothing)
        if not any(needed):
            continue
        # Of a row's nats times the row's sum, by which is divided where there is less to divide.
        scores.scatter_add_(1, target, sums * (smoothing - 1.0))
        if smoothing:
            scores.sub_(sums * (smoothing / classes))
        share = shares[part].unsqueeze(1) / sums
        if d_rows is not None:
            torch.mm(scores, weight, out=d_rows[part]).mul_(share)
        if d_weight is not None:
            d_weight.addmm_(scores.t(), some * share, beta=more)
        if d_bias is not None:
            d_bias.addmv_(scores.t(), share.squeeze(1), beta=more)
    return nats, made


def _exponentials(scores: Tensor, target: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Every row's nats, and its sum ``[n, 1]`` of what then stands in the scores' place: ``exp(score - largest)``."""
    most = scores.amax(1, keepdim=True)
    right = scores.gather(1, target)
    if smoothing:
        right = (1.0 - smoothing) * right + smoothing * scores.mean(1, keepdim=True)
    sums = scores.sub_(most).exp_().sum(1, keepdim=True)
    return (sums.log().add_(most) - right).squeeze(1), sums


class _Mean(torch.autograd.Function):
    """The sum of every row's nats by its share, which leaves the forward pass with its gradients made."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, shares: Tensor, smoothing: float
    ) -> Tensor:
        """A scalar."""
        nats, ctx.made = _pass(rows, weight, bias, targets, shares, smoothing, ctx.needs_input_grad[:3])
        ctx.save_for_backward(rows, weight, bias, targets, shares)
        ctx.smoothing = smoothing
        return nats.dot(shares)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        """What was made, times the incoming gradient; made anew where it has been handed out before."""
        rows, weight, bias, targets, shares = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or in_batches([incoming]):
            found = _plain_gradients(rows, weight, bias, targets, shares, ctx.smoothing, incoming, needed)
            return (*found, None, None, None)
        made: Gradients | None = ctx.made
        ctx.made = None  # who gets them may write into them
        if made is None:
            made = _pass(rows, weight, bias, targets, shares, ctx.smoothing, needed)[1]
        factor = float(incoming)
        if factor != 1.0:
            made = [None if value is None else value.mul_(factor) for value in made]
        return (*made, None, None, None)


def _plain_gradients(
    rows: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    shares: Tensor,
    smoothing: float,
    incoming: Tensor,
    needed: Sequence[bool],
) -> Gradients:
    """Gradients that can be differentiated, and many at once."""
    further = torch.is_grad_enabled()
    with torch.enable_grad():
        # One tensor may be given twice, and has a gradient for each.
        rows, weight, bias = rows.view_as(rows), weight.view_as(weight), None if bias is None else bias.view_as(bias)
        loss = _plain(rows, weight, bias, targets, shares, smoothing)
        pairs = zip((rows, weight, bias), needed, strict=True)
        leaves = [value for value, wanted in pairs if wanted and value is not None]
        found = iter(torch.autograd.grad(loss, leaves, incoming, create_graph=further))
    return [next(found) if wanted else None for wanted in needed]
