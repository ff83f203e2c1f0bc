"""Clips in memory: key points written as a table, frames as a video that loses nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from throughtime.applications.memory import Row, as_array, begin_at, holds, write_rows
from throughtime.data.video.columns import CLIP, FRAME, LABEL
from throughtime.data.video.keypoints import FURTHEST
from throughtime.errors import UserError, listed
from throughtime.extras import extra
from throughtime.files import write_atomically, write_chunks
from throughtime.runtime.video.memory import FPS, Film, are_frames

Points = list[list[float]]
"""``[T, k]``."""


def write_film(film: Film, path: Path) -> Path:
    """Writes frames as a video that gives the same values again: FFV1 (RFC 9043) in AVI, whose times are exact."""

    def encode(path: Path) -> None:
        av = extra("av", "video", "writing video")
        with av.open(f"file:{path}", "w", format="avi") as container:
            rate = Fraction(film.fps).limit_denominator(1001)
            # Later levels cut a picture into slices, of which one of a few pixels has too few.
            stream = container.add_stream("ffv1", rate=rate, options={"level": "1"})
            stream.height, stream.width = film.frames.shape[1:3]
            stream.pix_fmt = "bgr0"
            for picture in film.frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(frame.reformat(format="bgr0")))
            container.mux(stream.encode())

    write_atomically(path, encode)
    return path


def as_clip(item: Any, where: str) -> Path | Film | Points:
    """A clip in memory, or the path of one.

    Args:
        item: A path; an array, tensor or lists of key points ``[T, k]``; an array or tensor of frames ``[T, H, W, 3]``,
            uint8, or ``(frames, fps)``.
        where: For messages.

    Raises:
        UserError: If it is none of these.
    """
    if isinstance(item, str | Path):
        return Path(item)
    fps: Any = FPS
    if isinstance(item, tuple) and len(item) == 2 and as_array(item[1]).ndim == 0:
        item, fps = item
    values = as_array(item)
    if values.ndim == 2 and values.size and values.dtype.kind in "iuf":
        if not (np.abs(values) <= FURTHEST).all():  # nor is what is no number
            raise UserError(f"{where}: expected numbers at most {FURTHEST:g} from 0, got others; mend the key points")
        return cast(Points, values.astype(np.float64).tolist())
    if are_frames(values):
        return Film.of(values, fps, where)
    raise UserError(
        f"{where}: expected key points [T, k], frames [T, H, W, 3] of uint8, or the path of a video, got "
        f"{_kind(item, values)}"
    )


def write_clips(found: Sequence[Row], folder: Path) -> Path:
    """Writes labelled clips, as :func:`as_clip` takes them: key points as a table, all else as a list of videos.

    Raises:
        UserError: If one has no label, or they are of several kinds.
    """
    clips: list[tuple[Path | Film | Points, str]] = []
    for number, row in enumerate(found, 1):
        where = f"example {number}"
        name = next((name for name in ("clip", "path") if name in row), None)
        if name is None or row.get("label") is None:
            raise UserError(f"{where}: expected clip (or path) and label, got {listed(row) or 'nothing'}")
        clips.append((as_clip(row[name], where), str(row["label"])))
    if not isinstance(clips[0][0], list):
        return _write_list(clips, folder)
    path = folder / "points.csv"
    write_chunks(path, _table(clips))
    steps = (len(clip) for clip, _ in clips[:-1] if isinstance(clip, list))
    return begin_at(path, list(accumulate(steps, initial=2)))  # below the heading


def _write_list(clips: Sequence[tuple[Path | Film | Points, str]], folder: Path) -> Path:
    listed: list[Row] = []
    for number, (clip, label) in enumerate(clips, 1):
        if isinstance(clip, list):
            raise UserError(f"example {number}: expected a video as in the first example, got key points")
        name = f"{number:06}.avi"
        file = write_film(clip, holds(folder / name, number)) if isinstance(clip, Film) else clip
        listed.append({"path": name if isinstance(clip, Film) else str(file.absolute()), "label": label})
    return write_rows(listed, folder / "clips.jsonl")


def _table(clips: Sequence[tuple[Path | Film | Points, str]]) -> Iterator[bytes]:
    """Rows of a table with a step each."""
    first = clips[0][0]
    assert isinstance(first, list)
    yield _line([CLIP, FRAME, LABEL, *(f"value{number}" for number in range(1, len(first[0]) + 1))])
    for number, (clip, label) in enumerate(clips, 1):
        where = f"example {number}"
        if not isinstance(clip, list):
            raise UserError(f"{where}: expected key points as in the first example, got a video")
        if len(clip[0]) != len(first[0]):
            raise UserError(
                f"{where}: expected {len(first[0])} numbers a step as in the first example, got {len(clip[0])}"
            )
        for step, values in enumerate(clip, 1):
            yield _line([number, step, label, *map(repr, values)])


def _line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _kind(item: Any, values: npt.NDArray[Any]) -> str:
    if values.ndim == 0:
        return f"a {type(item).__name__}"
    return f"an array of {values.dtype} [{', '.join(map(str, values.shape))}]"
