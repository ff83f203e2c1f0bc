"""Frames of encoded files come back at their times, in their places; what is broken is said."""

from __future__ import annotations

import math
import re
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.data.video.clips import Clips, clips_of
from throughtime.errors import UserError
from throughtime.runtime.video.films import Video, positive
from throughtime.runtime.video.look import Look
from throughtime.runtime.video.upright import MATRIX, upright

Frames = npt.NDArray[np.uint8]
CODECS = {".mp4": "mpeg4", ".avi": "mpeg4", ".webm": "libvpx", ".mkv": "mpeg4", ".mov": "mpeg4", ".ts": "mpeg2video"}
IDENTITY = b"".join(n.to_bytes(4, "big") for n in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
QUARTER = b"".join(n.to_bytes(4, "big") for n in (0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 0, 0, 1 << 30))


def flat(levels: list[int], height: int = 32, width: int = 32) -> Frames:
    """Frames of one grey each."""
    return np.repeat(np.array(levels, np.uint8), height * width).reshape(-1, height, width)


def noisy(count: int) -> Frames:
    """Frames that take many bytes each."""
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32), dtype=np.uint8)


def read(path: Path, look: Look) -> tuple[Frames, Video]:
    video = Video(path, look)
    return np.stack(list(video)), video


@pytest.mark.parametrize("rate", [5, 10, 12, 24, 25, Fraction(30000, 1001), 30])
@pytest.mark.parametrize("fps", [10.0, 7.5])
def test_a_step_shows_what_is_on_the_screen_at_its_time(
    stick_figures: Any, tmp_path: Path, rate: int | Fraction, fps: float
) -> None:
    count = round(2 * rate)
    levels = [20 + round(200 * number / count) for number in range(count)]
    path = stick_figures.write_video(tmp_path / "a.mp4", flat(levels), rate)
    frames, video = read(path, Look(16, fps))
    # Step k is at k / fps, and frame n lasts from n / rate to (n + 1) / rate, or a tenth of a frame earlier.
    early, step = Fraction(1, 10), rate / Fraction(fps)
    steps = math.ceil((count - early) / step)
    expected = [levels[math.floor(k * step + early)] for k in range(steps)]
    assert frames.shape == (steps, 1, 16, 16)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), expected, atol=4)
    assert video.warnings == []
    assert video.seconds == pytest.approx(count / rate)


@pytest.mark.parametrize("suffix", CODECS)
def test_every_container_gives_the_same_steps(stick_figures: Any, tmp_path: Path, suffix: str) -> None:
    levels = [10 * number for number in range(24)]
    path = stick_figures.write_video(tmp_path / f"a{suffix}", flat(levels), 12, CODECS[suffix])
    frames, video = read(path, Look(16, 6))
    np.testing.assert_allclose(frames.mean((1, 2, 3)), levels[::2], atol=6)
    assert video.warnings == []


def test_time_stamps_count_and_not_the_number_of_frames(stick_figures: Any, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for at, frame in zip((0, 1, 7), flat([40, 120, 200]), strict=True):  # the second one stands for six steps
            picture = av.VideoFrame.from_ndarray(frame, "gray")
            picture.pts, picture.time_base = at, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    frames, _ = read(tmp_path / "a.mkv", Look(16, 10))
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [40, *[120] * 6, 200], atol=4)


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (96, 32), (48, 48)])
def test_frames_keep_their_proportions_in_a_black_square(
    stick_figures: Any, tmp_path: Path, width: int, height: int
) -> None:
    path = stick_figures.write_video(tmp_path / "a.mp4", flat([250] * 3, height, width), 10)
    frames, _ = read(path, Look(32, 10))
    lit = frames[0, 0] > 128
    longest = max(width, height)
    assert lit.any(1).sum() == round(32 * height / longest)
    assert lit.any(0).sum() == round(32 * width / longest)
    assert lit[16, 16]
    for side in (lit, lit[::-1], lit.T, lit.T[::-1]):  # it stands in the middle
        assert abs(int(side.any(1).argmax()) - int(side[::-1].any(1).argmax())) <= 1


def test_pixels_that_are_not_square_are_stretched(stick_figures: Any, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 32, 32
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(flat([250])[0], "gray")))
        container.mux(stream.encode())
    lit = read(tmp_path / "a.mkv", Look(32, 10))[0][0, 0] > 128
    assert (lit.any(1).sum(), lit.any(0).sum()) == (16, 32)


def test_what_a_camera_held_sideways_took_is_turned_upright(stick_figures: Any, tmp_path: Path) -> None:
    frame = flat([20])[0]
    frame[:16, :16] = 240  # top left, which a quarter to the right brings to the top right
    path = stick_figures.write_video(tmp_path / "a.mp4", frame[np.newaxis], 10)
    content = path.read_bytes()
    at = content.rindex(IDENTITY)  # the track's; the first one is the whole film's
    path.write_bytes(content[:at] + QUARTER + content[at + len(QUARTER) :])
    seen = read(path, Look(32, 10))[0][0, 0]
    assert seen[:12, 20:].mean() > 200
    assert seen[:12, :12].mean() < 60
    assert seen[20:, 20:].mean() < 60


def test_colour_comes_as_red_green_and_blue(stick_figures: Any, tmp_path: Path) -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[:, :, :16, 0] = frames[:, :, 16:, 2] = 230
    path = stick_figures.write_video(tmp_path / "a.mp4", frames, 10)
    seen, _ = read(path, Look(16, 10, colour=True))
    assert seen.shape == (2, 3, 16, 16)
    assert seen[0, 0, :, :6].mean() > 180
    assert seen[0, 2, :, 10:].mean() > 180
    assert max(seen[0, 2, :, :6].mean(), seen[0, 0, :, 10:].mean(), seen[0, 1].mean()) < 60


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".mp4", "mpeg4", {"movflags": "faststart"}),
        (".mp4", "h264", {"movflags": "faststart"}),
        (".webm", "libvpx", {}),
        (".mkv", "mpeg4", {}),
        (".avi", "mpeg4", {}),
        (".ts", "mpeg2video", {}),
    ],
)
def test_of_a_cut_file_what_could_be_read_is_used(
    stick_figures: Any, tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    path = stick_figures.write_video(tmp_path / f"a{suffix}", noisy(60), 15, codec, **options)
    whole, _ = read(path, Look(16, 15))
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, video = read(cut, Look(16, 15))
    assert 20 <= len(frames) <= 40
    assert (frames[:20] == whole[:20]).all()
    if suffix != ".ts":  # which neither tells its length nor ends in any other way
        assert video.warnings


def test_the_warning_tells_how_much_is_missing(stick_figures: Any, tmp_path: Path) -> None:
    path = stick_figures.write_video(tmp_path / "a.mkv", noisy(60), 15)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, video = read(path, Look(16, 15))
    assert any(warning.startswith(("ends after 1.9 of 4.0 s", "ends after 2.0 of 4.0 s")) for warning in video.warnings)


def test_a_hole_in_the_middle_is_stepped_over(stick_figures: Any, tmp_path: Path) -> None:
    path = stick_figures.write_video(tmp_path / "a.mp4", noisy(60), 15, movflags="faststart")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    frames, video = read(path, Look(16, 15))
    assert len(frames) == 60
    assert any("broken packets" in warning or "damaged frames" in warning for warning in video.warnings)


def _text(path: Path) -> None:
    path.write_text("no video\n" * 50)


def _sound(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "expected a video, got a file that cannot be read as one"),
        (lambda path: path.write_bytes(b""), "expected a video, got a file that cannot be read as one"),
        (_sound, "expected a video, got a file without pictures"),
    ],
)
def test_what_is_no_video_is_named(stick_figures: Any, tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(UserError, match=rf"a\.mp4: {message}"):
        list(Video(tmp_path / "a.mp4", Look(16, 10)))


def test_a_video_without_a_frame_is_named(stick_figures: Any, tmp_path: Path) -> None:
    path = stick_figures.write_video(tmp_path / "a.mkv", noisy(3), 10)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\xa3") if b"\xa3" in content[:600] else 500])
    with pytest.raises(UserError, match=r"a\.mkv: expected a video"):
        list(Video(path, Look(16, 10)))


def test_an_hour_of_frames_is_never_held(stick_figures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frame comes before the last is read."""
    path = stick_figures.write_video(tmp_path / "a.mkv", noisy(40), 10)
    video, read_so_far = Video(path, Look(16, 10)), [0]
    decoded = video._decoded

    def counting(*given: Any) -> Any:
        for frame in decoded(*given):
            read_so_far[0] += 1
            yield frame

    monkeypatch.setattr(video, "_decoded", counting)
    ahead = [read_so_far[0] - number for number, _ in enumerate(video)]
    assert max(ahead) <= 2


def test_a_clip_is_decoded_once(stick_figures: Any, tmp_path: Path) -> None:
    path = stick_figures.write_video(tmp_path / "a.mkv", noisy(60), 15)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clips = Clips(Look(16, 10))
    first = clips(str(path))
    path.unlink()
    assert clips(str(path)) is first
    assert clips.warnings[str(path)]
    assert clips_of(Look(16, 10)) is clips_of(Look(16, 10))


def slides(
    path: Path, times: list[float], levels: list[int], last: float = 1.0, codec: str = "mpeg4", shape: int = 32
) -> Path:
    """Pictures of one grey each, that stand from their time to the next one's."""
    import av

    clock = Fraction(1, 100)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=1 / Fraction(last).limit_denominator(100))
        stream.width = stream.height = shape
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.time_base = clock
        for time, level in zip(times, levels, strict=True):
            picture = av.VideoFrame.from_ndarray(flat([level], shape, shape)[0], "gray")
            picture.pts, picture.time_base = round(time / clock), clock
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def shown(times: list[float], levels: list[int], end: float, fps: float) -> list[int]:
    """By hand: of every step the level that stands at its time."""
    steps = math.ceil(end * fps - 0.1)
    return [levels[max(n for n, time in enumerate(times) if time <= (k + 0.1) / fps)] for k in range(steps)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
@settings(derandomize=True, deadline=None, max_examples=6)
@given(
    lengths=st.lists(st.sampled_from([0.5, 1.0, 2.0, 40.0, 90.0, 300.0]), min_size=1, max_size=4),
    fps=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_a_picture_is_seen_for_as_long_as_it_stands(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, lengths: list[float], fps: float
) -> None:
    times = [sum(lengths[:number]) for number in range(len(lengths) + 1)]
    levels = [20, 120, 220, 70, 170][: len(times)]
    codec = {".webm": "libvpx", ".gif": "gif"}.get(suffix, "mpeg4")
    path = slides(tmp_path_factory.mktemp("slides") / f"a{suffix}", times, levels, codec=codec)
    frames, video = read(path, Look(16, fps))
    np.testing.assert_allclose(frames.mean((1, 2, 3)), shown(times, levels, times[-1] + 1, fps), atol=4)
    assert video.warnings == []
    assert video.seconds == pytest.approx(times[-1] + 1)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv", ".mov", ".ts"])  # the time of .avi begins at 0
@pytest.mark.parametrize("start", [0.5, 3.0, 100.0])
def test_a_file_whose_time_begins_late_is_whole(tmp_path: Path, suffix: str, start: float) -> None:
    levels = [10 * number for number in range(1, 21)]
    times = [start + number / 10 for number in range(20)]
    codec = CODECS[suffix]
    frames, video = read(slides(tmp_path / f"a{suffix}", times, levels, 0.1, codec), Look(16, 10))
    np.testing.assert_allclose(frames.mean((1, 2, 3)), levels, atol=6)
    assert video.warnings == []
    assert video.seconds == pytest.approx(2.0)


def test_a_late_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = slides(tmp_path / "a.mkv", [3 + n / 10 for n in range(60)], [n * 4 for n in range(60)], 0.1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _, video = read(path, Look(16, 10))
    assert any(re.match(r"ends after \d\.\d of 6\.0 s", warning) for warning in video.warnings)


def test_a_clock_that_jumps_is_told(tmp_path: Path) -> None:
    levels = [20, 70, 120, 170, 220]
    path = slides(tmp_path / "a.ts", [0, 0.1, 0.2, 200.3, 200.4], levels, 0.1, "mpeg2video")
    frames, video = read(path, Look(16, 10))
    np.testing.assert_allclose(frames.mean((1, 2, 3))[:4], levels[:4], atol=4)
    assert len(frames) < 6
    assert video.warnings == ["its time stamps jump by 200.1 s, which are left out"]


WAYS = {
    "as it is": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "upside down, mirrored": (1, 0, 0, -1),
    "a half": (-1, 0, 0, -1),
    "a quarter to the right": (0, 1, -1, 0),
    "a quarter to the left": (0, -1, 1, 0),
    "rows are columns": (0, 1, 1, 0),
    "rows are columns, from the end": (0, -1, -1, 0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("colour", [False, True])
def test_a_picture_is_turned_and_mirrored_as_its_file_says(
    stick_figures: Any, tmp_path: Path, way: str, colour: bool
) -> None:
    """Points go where the matrix brings them, about the middle of the picture."""
    a, b, c, d = WAYS[way]
    high, wide = 32, 64
    frame = np.zeros((high, wide), np.uint8)
    frame[:16, :16] = 240  # no two ways look the same
    frame[:16, 16:32] = 120
    path = stick_figures.write_video(tmp_path / "a.mp4", frame[np.newaxis], 10)
    content = path.read_bytes()
    at = content.rindex(IDENTITY)
    parts = [part % 2**32 for part in (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)]
    path.write_bytes(content[:at] + b"".join(part.to_bytes(4, "big") for part in parts) + content[at + len(IDENTITY) :])
    seen = read(path, Look(64, 10, colour))[0][0].astype(float).mean(0)
    expected = np.zeros((64, 64))
    for y in range(high):
        for x in range(wide):
            u, v = x + 0.5 - wide / 2, y + 0.5 - high / 2
            expected[int(b * u + d * v + 32), int(a * u + c * v + 32)] = frame[y, x]
    assert np.abs(seen - expected).mean() < 8


@pytest.mark.parametrize("matrix", [b"", bytes(36), b"abc", b"\xff" * 36, MATRIX.pack(*[-(2**31)] * 9)])
def test_a_matrix_that_says_nothing_is_read_all_the_same(matrix: bytes) -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    found = upright(picture, matrix)
    assert sorted(found.ravel()) == sorted(picture.ravel())
    if not any(matrix) or len(matrix) != 36:
        assert np.array_equal(found, picture)


@pytest.mark.parametrize("value", [None, 0, -1, math.nan, math.inf, "x", Fraction(0)])
def test_values_that_a_library_does_not_know_are_none(value: Any) -> None:
    assert positive(value) is None


def test_pictures_that_move_in_colours_of_a_palette(tmp_path: Path) -> None:
    import av

    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    with av.open(str(tmp_path / "a.gif"), "w") as container:
        stream: Any = container.add_stream("gif", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "rgb8"
        for number, colour in enumerate(colours):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), colour, np.uint8), "rgb24")
            picture.pts, picture.time_base = (0, 2, 7)[number], Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    frames, video = read(tmp_path / "a.gif", Look(16, 10, colour=True))
    assert [int(frame.mean((1, 2)).argmax()) for frame in frames] == [0, 0, 1, 1, 1, 1, 1, 2]
    assert frames.mean((2, 3)).max(1).min() > 200
    assert video.warnings == []
