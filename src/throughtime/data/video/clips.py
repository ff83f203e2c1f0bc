"""Video files as frames of one size at one rate, read one by one: memory does not grow with a video's length.

PyAV (FFmpeg) decodes; the extra ``video`` brings it.

Shapes::

    S  side of a frame        C  channels: 1, or 3 with colour        T  steps
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from throughtime.data.remembered import Remembered
from throughtime.data.video.upright import matrix_of, upright
from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.plain import check_regular

Frame = npt.NDArray[np.uint8]

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".gif")
"""Of video files."""

GAP = 60.0
"""Seconds between two frames from which on their time stamps are broken, unless the file's own length covers them."""

CLOCKS = ("mpeg", "mpegts")
"""FFmpeg's names of containers whose clocks jump and whose length is told by them alone."""

PIXELS = 16_384 * 8_640
"""Of a frame, at most: memory for several is taken before one is decoded."""

LONGEST = 48 * 3600.0
"""Seconds of a video, at most."""

HELD = 8 << 30
"""Bytes of a clip's steps that are held together, at most."""

FORMATS = "mov,avi,matroska,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,gif,ivf,nut,mxf,dv,obu,wav,mp3,flac,aac"
"""FFmpeg's names of what may be in a file, whatever its suffix: no playlists, which name other files or addresses."""

EARLY = 0.1
"""Share by which a frame may be shown too early, of its own time, of that of the frame before and of a step, whichever
is shortest: files round times to clocks of their own."""

SHORT = 0.5
"""Seconds by which a video may be shorter than its file says before the user is told."""


@dataclass(frozen=True)
class Look:
    """How a model sees every video.

    Attributes:
        size: Side of the square that frames are fitted into, S.
        fps: Steps a second.
        colour: Red, green and blue rather than grey.
    """

    size: int
    fps: float
    colour: bool = False

    @property
    def channels(self) -> int:
        """C."""
        return 3 if self.colour else 1


class Video:
    """A video file's frames, ``[C, S, S]`` each: step k is what is on the screen k / fps seconds after its beginning.

    So a clip gives the same steps at any frame rate. Frames keep their proportions and are turned upright; what is left
    of the square is black.

    Args:
        path: The file.
        look: Size, rate and colour.

    Attributes:
        seconds: How long the file says that it goes on from its first frame, known once that is read; None where it
            does not say.
        warnings: What was found wrong, complete once the last frame is read.
    """

    def __init__(self, path: Path, look: Look) -> None:
        self.path, self.look = path, look
        self.seconds: float | None = None
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            UserError: If the file is no video, or not one frame of it can be decoded.
        """
        av = extra("av", "video", "reading video")
        self.warnings = []
        check_regular(self.path)
        try:
            # A name such as concat:a would be taken for an address.
            container = av.open(f"file:{self.path}", metadata_errors="replace", options={"format_whitelist": FORMATS})
        except (av.FFmpegError, OSError, ValueError) as error:  # ValueError: no stream is of a known kind
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{self.path}: expected a video, got a file that cannot be read as one ({reason}); "
                "convert it, or leave it out"
            ) from error
        with container:
            stream = container.streams.best("video")
            if stream is None:
                raise UserError(f"{self.path}: expected a video, got a file without pictures; leave it out")
            if stream.codec_context is None:
                raise UserError(
                    f"{self.path}: expected a video, got one of an unknown kind; convert it, or leave it out"
                )
            width, height = stream.width or 0, stream.height or 0  # unknown until a frame is decoded
            if width * height > PIXELS:
                raise UserError(
                    f"{self.path}: expected frames of at most {PIXELS:,} pixels, got {width:,} × {height:,}; "
                    "convert the video, or leave it out"
                )
            stream.codec_context.options = {"max_pixels": str(PIXELS)}  # frames may be larger than the head says
            stream.thread_type = "AUTO"
            yield from self._at_rate(av, container, stream)

    def _at_rate(self, av: Any, container: Any, stream: Any) -> Iterator[Frame]:
        """One frame a step."""
        show, step = _Show(av, stream, self.look), 1 / self.look.fps
        shown, now, length, steps = None, 0.0, 0.0, 0
        for at, lasts, frame in self._timed(av, container, stream):
            early = EARLY * min(at - now, lasts, step)
            while shown is not None and steps / self.look.fps < at - early:
                yield show(shown)
                steps += 1
            shown, now, length = frame, at, lasts
        if shown is None:
            raise UserError(f"{self.path}: expected a video with frames, got none that can be decoded; leave it out")
        end = now + length
        while not steps or steps / self.look.fps < end - EARLY * min(length, step):
            yield show(shown)
            steps += 1
        if self.seconds is not None and end < self.seconds - max(SHORT, self.seconds / 20):
            self.warnings.append(f"ends after {end:.1f} of {self.seconds:.1f} s: what could be read is used")

    def _timed(self, av: Any, container: Any, stream: Any) -> Iterator[tuple[float, float, Any]]:
        """Frames, with the seconds from the first to each, and how long each lasts."""
        rate = positive(stream.average_rate) or positive(stream.guessed_rate) or 25.0
        usual = 1 / rate if rate * GAP > 1 else 1 / 25
        end, wraps = _end(container, stream), set(container.format.name.split(",")) & set(CLOCKS)
        before, now, gaps, damaged = None, -usual, 0.0, 0
        for frame in self._decoded(av, container, stream):
            damaged += frame.is_corrupt
            time = _finite(frame.time)
            if now < 0:
                self.seconds = None if end is None else positive(end - (time or 0.0))
            covered = self.seconds if self.seconds is not None and not wraps else 0.0
            passed = usual if time is None or before is None else time - before
            if not 0 <= passed <= max(GAP, covered + SHORT - now):
                gaps, passed = gaps + abs(passed), usual
            before = time
            now += passed if now >= 0 else usual
            length = positive((frame.duration or 0) * (frame.time_base or 0)) or usual
            length = length if length <= max(GAP, covered + SHORT - now) else usual
            if now > LONGEST:
                raise UserError(f"{self.path}: expected at most {LONGEST / 3600:.0f} hours of video, got more; cut it")
            yield now, length, frame
        if gaps:
            self.warnings.append(f"its time stamps jump by {gaps:.1f} s, which are left out")
            self.seconds = None if self.seconds is None else positive(self.seconds - gaps)
        if damaged:
            self.warnings.append(f"damaged frames, used as they are: {damaged:,}")

    def _decoded(self, av: Any, container: Any, stream: Any) -> Iterator[Any]:
        """Frames in the order that they are shown in; what is broken is left out."""
        packets, broken = container.demux(stream), 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
            except (av.FFmpegError, OSError) as error:
                self.warnings.append(f"the file breaks off ({error.strerror}): what could be read is used")
                break
            try:
                yield from packet.decode()
            except (av.FFmpegError, OSError):
                broken += 1
        if broken:
            self.warnings.append(f"broken packets, left out: {broken:,}")


class _Show:
    """A decoded frame as an upright square.

    Args:
        av: The library.
        stream: Whose frames they are.
        look: Size and colour.
    """

    def __init__(self, av: Any, stream: Any, look: Look) -> None:
        self.look = look
        self.stretch = positive(stream.sample_aspect_ratio) or 1.0  # pixels need not be square
        self.reformat = av.video.reformatter.VideoReformatter().reformat

    def __call__(self, frame: Any) -> Frame:
        """``[C, S, S]``."""
        size, width, height = self.look.size, frame.width * self.stretch, frame.height
        scale = size / max(width, height)
        fitted = max(1, round(width * scale)), max(1, round(height * scale))
        kind = "rgb24" if self.look.colour else "gray"
        picture = self.reformat(frame, *fitted, format=kind, interpolation="AREA").to_ndarray()
        picture = upright(picture.reshape(*picture.shape[:2], -1), matrix_of(frame))
        high, wide = picture.shape[:2]
        square = np.zeros((size, size, self.look.channels), dtype=np.uint8)
        top, left = (size - high) // 2, (size - wide) // 2
        square[top : top + high, left : left + wide] = picture
        return np.ascontiguousarray(square.transpose(2, 0, 1))


def _end(container: Any, stream: Any) -> float | None:
    """When the pictures end by the file's own clock: other streams in it may be longer."""
    unit = positive(stream.time_base)
    if unit is not None and (length := positive(stream.duration)) is not None:
        return ((_finite(stream.start_time) or 0.0) + length) * unit
    if len(container.streams) == 1 and (length := positive(container.duration)) is not None:
        return length / 1e6  # FFmpeg counts in millionths; by the clock, wherever that begins
    return None


def _finite(value: Any) -> float | None:
    """A number of the library's; None where it has none, or what is no number."""
    try:
        found = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return found if np.isfinite(found) else None


def positive(value: Any) -> float | None:
    """A length or a rate of the library's; None where it has none that is more than 0.

    Example:
        >>> [positive(value) for value in (25, 0, None, float("nan"))]
        [25.0, None, None, None]
    """
    found = _finite(value)
    return found if found is not None and found > 0 else None


class Clips:
    """Whole clips, each decoded once; those used last are kept in memory.

    Args:
        look: How they are seen.

    Attributes:
        warnings: Of every clip that was decoded, by its path.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.warnings: dict[str, list[str]] = {}
        self._kept = Remembered(self._decode)

    def __call__(self, path: str) -> Frame:
        """A clip's frames, ``[T, C, S, S]``.

        Raises:
            UserError: If it cannot be decoded.
        """
        return self._kept(path)

    def _decode(self, path: str) -> Frame:
        video = Video(Path(path), self.look)
        held: list[Frame] = []
        for frame in video:
            held.append(frame)
            if len(held) * frame.nbytes > HELD:
                raise UserError(
                    f"{path}: expected at most {HELD:,} bytes of steps, got more; cut it, or pass a lower --fps"
                )
        frames = np.stack(held)
        self.warnings[path] = video.warnings
        return frames


@lru_cache(maxsize=1)
def clips_of(look: Look) -> Clips:
    """The clips of this process: what was decoded to find its length is not decoded again to train on it."""
    return Clips(look)
