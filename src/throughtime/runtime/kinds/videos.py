"""Classes of videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import UserError, spelled
from throughtime.runtime.folder import Folder
from throughtime.runtime.kinds.classes import log_softmax
from throughtime.runtime.reading.arrays import ARRAYS
from throughtime.runtime.remarks import remark
from throughtime.runtime.runner import Runner
from throughtime.runtime.video.films import Video
from throughtime.runtime.video.look import Frame, Look
from throughtime.runtime.video.memory import FPS, Film, are_frames, read_film
from throughtime.runtime.video.windows import Window, groups, overall, windows_of

TOGETHER = 8
"""Windows that are computed together."""


@spelled
class VideosRunner(Runner):
    """A classifier of videos.

    Args:
        folder: With the graph ``sequence``.
    """

    instead = None

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.network = folder.graph("sequence")
        self.labels, self.temperature = folder.fact("labels", list[str]), float(folder.fact("temperature", float))
        self.look = Look(folder.fact("size", int), float(folder.fact("fps", float)), folder.fact("colour", bool))
        self.window = folder.fact("window", int)

    def predict(self, inputs: Any, *, explain: bool = False) -> list[dict[str, Any]]:
        """The class of every video: ``file``, ``label``, ``probabilities``, ``seconds``, and what is seen when.

        Args:
            inputs: Frames ``[T, H, W, 3]`` of uint8, at 10 a second, or ``(frames, fps)``; paths of ``.npy`` and
                ``.npz`` files of frames; paths of videos, which PyAV decodes.
            explain: How much of each step a window's result rests on, too: ``attention``.

        Raises:
            UserError: If there is no such video, or PyAV is needed and not installed.
        """
        items = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        return [self._told(item, f"input {number}", explain) for number, item in enumerate(items, 1)]

    def _told(self, item: Any, where: str, explain: bool) -> dict[str, Any]:
        where = str(item) if isinstance(item, str | Path) else where
        windows: list[Window] = []
        for group in groups(windows_of(self._steps(item, where), self.window), TOGETHER):
            windows += self._judged(group)
        chances = overall(windows)
        told = {"file": where, "label": next(iter(chances)), "probabilities": chances, "seconds": windows[-1].end}
        return {**told, "windows": [_seen(window, explain) for window in windows]}

    def _steps(self, item: Any, where: str) -> Iterator[Frame]:
        if isinstance(item, str | Path) and Path(item).suffix.lower() not in ARRAYS:
            if find_spec("av") is None:
                raise UserError(
                    f"{where}: reading a video needs av; run: pip install av, or pass frames [T, H, W, 3] of uint8, as "
                    "an array or a .npy file"
                )
            return self._decoded(Path(item))
        film = read_film(Path(item)) if isinstance(item, str | Path) else _film(item, where)
        return film.steps(self.look)

    def _decoded(self, path: Path) -> Iterator[Frame]:
        video = Video(path, self.look)
        yield from video
        remark(str(path), video.warnings)

    def _judged(self, group: Sequence[tuple[int, Frame]]) -> list[Window]:
        """Probabilities and attention of pieces, each with the step that it begins at."""
        lengths = [len(frames) for _, frames in group]
        filled = np.zeros((len(group), max(lengths), *group[0][1].shape[1:]), np.uint8)
        for row, (_, frames) in zip(filled, group, strict=True):
            row[: len(frames)] = frames
        made, _ = self.network({}, frames=filled, lengths=lengths)
        scores = made["log_probs"].astype(np.float64)
        chances = np.exp(scores if self.temperature == 1.0 else log_softmax(scores / self.temperature))
        fps = self.look.fps
        return [
            Window(
                begin / fps, (begin + steps) / fps, dict(zip(self.labels, row, strict=True)), weights[:steps].tolist()
            )
            for (begin, _), steps, row, weights in zip(group, lengths, chances.tolist(), made["weights"], strict=True)
        ]


def _film(item: Any, where: str) -> Film:
    fps: Any = FPS
    if isinstance(item, tuple) and len(item) == 2 and np.ndim(item[1]) == 0:
        item, fps = item
    values = np.asarray(item)
    if not are_frames(values):
        got = f"an array of {values.dtype} {list(values.shape)}" if values.ndim else f"a {type(item).__name__}"
        raise UserError(
            f"{where}: expected frames [T, H, W, 3] of uint8, (frames, fps), or the path of a video or a "
            f".npy file, got {got}"
        )
    return Film.of(values, fps, where)


def _seen(window: Window, explain: bool) -> dict[str, Any]:
    chances = dict(sorted(window.chances.items(), key=lambda pair: -pair[1]))
    told = {"start": window.start, "end": window.end, "label": window.label, "probabilities": chances}
    return told | ({"attention": window.attention} if explain else {})
