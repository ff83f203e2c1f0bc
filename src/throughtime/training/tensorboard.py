"""TensorBoard events, for people; programs read metrics.jsonl."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from throughtime.extras import extra
from throughtime.files import create, errors_of, make_folder
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
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        make_folder(folder)
        # TensorBoard knows its files by this beginning, and reads them in the order of their names.
        self.path = folder / f"events.out.tfevents.{time.time():020.9f}.{secrets.token_hex(8)}"
        self.file = create(self.path)
        self.records, self.event = RecordWriter(self.file), Event
        self._write(file_version="brain.Event:2")
        if from_step:
            self._write(step=from_step + 1, session_log=SessionLog(status=SessionLog.START))

    def step(self, report: StepReport) -> None:
        """Loss, learning rate, gradient norm, clipped share and rate."""
        for name in ("loss", "lr", "grad_norm", "clipped_share", "tokens_per_second"):
            self._scalar(f"train/{name}", getattr(report, name), report.step)
        for name, norm in report.layers.items():
            self._scalar(f"grad_norm/{name}", norm, report.step)

    def evaluation(self, step: int, evaluation: Evaluation, best: bool) -> None:
        """Every figure of the evaluation."""
        for name, value in evaluation.figures.items():
            self._scalar(f"validation/{name}", value, step)

    def close(self) -> None:
        """Ends the file."""
        self.file.close()

    def _scalar(self, name: str, value: float, step: int) -> None:
        from torch.utils.tensorboard.summary import scalar

        self._write(step=step, summary=scalar(name, value))  # type: ignore[no-untyped-call]

    def _write(self, **fields: Any) -> None:
        with errors_of(self.path):
            self.records.write(self.event(wall_time=time.time(), **fields).SerializeToString())
            self.file.flush()
