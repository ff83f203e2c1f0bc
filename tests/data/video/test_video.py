"""Frames of encoded files come back at their times, in their places; what is broken is said."""

from __future__ import annotations

import math
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from throughtime.data.video.clips import Clips, Look, Video, clips_of
from throughtime.errors import UserError

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
