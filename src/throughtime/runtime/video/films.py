"""Video files as frames of one size at one rate, read one by one: memory does not grow with a video's length.

PyAV (FFmpeg) decodes; the extra ``video`` brings it.

Shapes::

    S  side of a frame        C  channels: 1, or 3 with colour        T  steps
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from throughtime.errors import UserError
from throughtime.extras import extra
from throughtime.plain import check_regular, member_of, open_member
from throughtime.runtime.video.look import PIXELS, Frame, Look, at_rate
from throughtime.runtime.video.upright import matrix_of, upright

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".gif")
"""Of video files."""

GAP = 60.0
"""Seconds between two frames from which on their time stamps are broken, unless the file's own length covers them."""

CLOCKS = ("mpeg", "mpegts")
"""FFmpeg's names of containers whose clocks jump and whose length is told by them alone."""

LONGEST = 48 * 3600.0
"""Seconds of a video, at most."""

FORMATS = "mov,avi,matroska,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,gif,ivf,nut,mxf,dv,obu,wav,mp3,flac,aac"
"""FFmpeg's names of what may be in a file, whatever its suffix: no playlists, which name other files or addresses."""

SHORT = 0.5
"""Seconds by which a video may be shorter than its file says before the user is told."""


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
        self._end = 0.0

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            UserError: If the file is no video, or not one frame of it can be decoded.
        """
        av = extra("av", "video", "reading video")
        self.warnings = []
        check_regular(self.path)
        member = member_of(self.path)
        # A name such as concat:a would be taken for an address.
        source: Any = f"file:{self.path}" if member is None else open_member(member)
        try:
            container = av.open(source, metadata_errors="replace", options={"format_whitelist": FORMATS})
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
        show, steps = Show(av, self.look, positive(stream.sample_aspect_ratio) or 1.0), 0
        for frame in at_rate(self._timed(av, container, stream), self.look.fps):
            yield show(frame)
            steps += 1
        if not steps:
            raise UserError(f"{self.path}: expected a video with frames, got none that can be decoded; leave it out")
        if self.seconds is not None and self._end < self.seconds - max(SHORT, self.seconds / 20):
            self.warnings.append(f"ends after {self._end:.1f} of {self.seconds:.1f} s: what could be read is used")

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
            self._end = now + length
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


class Show:
    """A decoded frame as an upright square.

    Args:
        av: The library.
        look: Size and colour.
        stretch: Width of a pixel by its height.
    """

    def __init__(self, av: Any, look: Look, stretch: float = 1.0) -> None:
        self.look, self.stretch = look, stretch
        self.reformat = av.video.reformatter.VideoReformatter().reformat

    def __call__(self, frame: Any) -> Frame:
        """``[C, S, S]``."""
        fitted = self.look.fitted(frame.width * self.stretch, frame.height)
        kind = "rgb24" if self.look.colour else "gray"
        picture = self.reformat(frame, *fitted, format=kind, interpolation="AREA").to_ndarray()
        return self.look.squared(upright(picture.reshape(*picture.shape[:2], -1), matrix_of(frame)))


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
