"""TensorBoard events, for people; programs read metrics.jsonl."""

from __future__ import annotations

from pathlib import Path

from throughtime.extras import extra
from throughtime.training.plan import Evaluation, Observer, StepReport


class TensorBoardObserver(Observer):
    """Writes a run's figures as TensorBoard events into a folder.

    Args:
        folder: Where ``tensorboard --logdir`` finds them.
        from_step: Events after this step, of a run that was cut off, are dropped.

    Raises:
        UserError: If the extra is not installed.
    """

    def __init__(self, folder: Path, from_step: int = 0) -> None:
        extra("tensorboard", "track", "writing TensorBoard events")
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=from_step + 1 if from_step else None)

    def step(self, report: StepReport) -> None:
        """Loss, learning rate, gradient norm, clipped share and rate."""
        for name in ("loss", "lr", "grad_norm", "clipped_share", "tokens_per_second"):
            self.writer.add_scalar(f"train/{name}", getattr(report, name), report.step)
        for name, norm in report.layers.items():
            self.writer.add_scalar(f"grad_norm/{name}", norm, report.step)

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """Every figure of the evaluation."""
        for name, value in evaluation.figures.items():
            self.writer.add_scalar(f"validation/{name}", value, step)

    def close(self) -> None:
        """Writes what is left."""
        self.writer.close()
