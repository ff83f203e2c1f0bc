"""Clips in memory as files of the formats that the task reads; nothing of them is lost."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.video.clips import encode_frames
from throughtime.errors import UserError
from throughtime.files import make_folder, write_chunks, write_text

RATE = 10.0
"""Frames a second of a clip whose rate nobody tells: that of the task's steps."""

Array = npt.NDArray[Any]


def spill(found: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """A table of key points, or a folder of clips for every class.

    Args:
        found: Rows of ``clip``, ``label`` and, of frames, their rate ``fps`` where it is not the task's own.
        folder: Where they are written.

    Raises:
        UserError: If a clip is neither key points nor frames, or not all are of one kind.
    """
    clips = [np.asarray(row.get("clip")) for row in found]
    kinds = {clip.ndim for clip in clips}
    if kinds == {2}:
        labels = [str(row.get("label", "")) for row in found]
        return [_write_table(folder / "points.csv", clips, labels)]
    if kinds != {4}:
        raise UserError(f"expected key points [T, k], or frames [T, H, W, 3], alike, got arrays of {kinds} dimensions")
    for number, (row, clip) in enumerate(zip(found, clips, strict=True)):
        label = str(row.get("label", ""))
        if not label or "/" in label or label.startswith("."):
            raise UserError(f"example {number + 1}: expected a class that can name a folder, got {label!r}")
        make_folder(folder / label)
        write_clip(folder / label / f"{number:05}", clip, float(row.get("fps", RATE)))
    return [folder]


def write_clip(path: Path, clip: Array, fps: float) -> Path:
    """One clip as a file; its suffix is added.

    Raises:
        UserError: If it is neither key points nor frames of bytes.
    """
    if clip.ndim == 2 and np.issubdtype(clip.dtype, np.number):
        return _write_table(path.with_name(f"{path.name}.csv"), [clip], [""])
    if clip.ndim != 4 or clip.shape[3] != 3 or clip.dtype != np.uint8:
        got = f"{clip.dtype} {list(clip.shape)}"
        raise UserError(f"expected key points [T, k], or frames [T, H, W, 3] of bytes, got {got}")
    path = path.with_name(f"{path.name}.mkv")
    write_chunks(path, [encode_frames(clip, fps)])
    return path


def _write_table(path: Path, clips: Sequence[Array], labels: Sequence[str]) -> Path:
    """A step a row, numbers as they are read back."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["clip", "frame", "label", *(f"c{number}" for number in range(1, clips[0].shape[1] + 1))])
    for number, (clip, label) in enumerate(zip(clips, labels, strict=True), 1):
        for frame, step in enumerate(clip.astype(np.float64).tolist()):
            rows.writerow([number, frame, label, *map(repr, step)])
    write_text(path, text.getvalue())
    return path
