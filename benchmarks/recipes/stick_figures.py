"""Videos of a stick figure that walks, jumps, waves or falls, each one different, encoded as real files.

    python benchmarks/recipes/stick_figures.py FOLDER --train 600 --valid 100 --test 200

What varies: the figure's size, place, proportions and way; speed, phase and length; the background, which of the
two is lighter, and noise; width, height and frame rate (10 to 30 a second).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ACTIONS = ("fall", "jump", "walk", "wave")
SHAPES = ((96, 72), (80, 80), (72, 96), (112, 64))
UP = np.array([0.0, 1.0])
RATES = (10, 12, 15, 20, 24, 25, 30)


@dataclass(frozen=True)
class Clip:
    """A drawn clip: ``frames [T, height, width]`` from 0 to 255, and its frame rate."""

    frames: npt.NDArray[np.uint8]
    rate: int


def pose(action: str, at: float, way: int, turns: float, begin: float) -> tuple[dict[str, float], float, float, float]:
    """Angles of the limbs, how far the body is moved (in body lengths) and how far it is turned, at a share of time.

    Angles are counted from hanging down; ``way`` is the side, -1 or 1, that it looks or moves to.
    """
    swing = np.sin(2 * np.pi * (turns * at + begin))
    limbs = {"left arm": -0.35, "right arm": 0.35, "left leg": -0.2, "right leg": 0.2, "bend": 0.0}
    if action == "walk":
        limbs |= {
            "left leg": 0.55 * swing,
            "right leg": -0.55 * swing,
            "left arm": -0.5 * swing,
            "right arm": 0.5 * swing,
        }
        return limbs, way * (at - 0.5) * (0.5 + 0.35 * turns), 0.0, 0.0
    if action == "jump":
        high = max(0.0, float(swing))
        limbs |= {"left arm": -0.35 - 1.6 * high, "right arm": 0.35 + 1.6 * high, "bend": 0.7 * max(0.0, -float(swing))}
        return limbs, 0.0, 0.45 * high, 0.0
    if action == "wave":
        arm = "right arm" if way > 0 else "left arm"
        limbs |= {arm: way * (2.5 + 0.5 * swing)}
        return limbs, 0.0, 0.0, 0.0
    fallen = float(np.clip((at - 0.15 - 0.4 * begin) / 0.35, 0, 1)) ** 2
    limbs |= {"left arm": -0.35 - 1.2 * fallen, "right arm": 0.35 + 1.2 * fallen}
    return limbs, 0.0, 0.0, way * fallen * np.pi / 2


def segments(action: str, at: float, way: int, turns: float, begin: float) -> Array:
    """The figure's lines ``[N, 2, 2]`` (x, y upwards, its feet at the origin, about one high); the last is the head."""
    limbs, across, up, turned = pose(action, at, way, turns, begin)
    hip = np.array([0.0, 0.45 - 0.15 * limbs["bend"]])
    neck, head = hip + UP * 0.33, hip + UP * 0.47
    lines = [(hip, neck)]
    shoulder = neck - UP * 0.04
    for name in ("left arm", "right arm"):
        lines.append((shoulder, shoulder + 0.3 * _to(limbs[name])))
    for name in ("left leg", "right leg"):
        bend = limbs["bend"] * (1 if name == "left leg" else -1)
        knee = hip + 0.22 * _to(limbs[name] - bend)
        lines += [(hip, knee), (knee, knee + 0.22 * _to(limbs[name] + bend))]
    figure = np.array([*lines, (head, head)])
    turn = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
    return np.asarray(figure @ turn.T + [across, up])


def _to(angle: float) -> Array:
    return np.array([np.sin(angle), -np.cos(angle)])


def draw_clip(action: str, random: np.random.Generator) -> Clip:
    """A clip of an action; all else is drawn."""
    width, height = SHAPES[random.integers(len(SHAPES))]
    rate, seconds = int(random.choice(RATES)), random.uniform(1.6, 3.4)
    tall = min(width, height) * random.uniform(0.45, 0.7)
    foot = np.array([width * random.uniform(0.35, 0.65), height * random.uniform(0.8, 0.95)])
    way, begin = int(random.choice([-1, 1])), random.uniform()
    turns = seconds * random.uniform(0.7, 1.6)
    dark, light = random.uniform(0, 90), random.uniform(150, 255)
    ground, ink = (light, dark) if random.uniform() < 0.5 else (dark, light)
    slope = random.uniform(-25, 25)
    thick, noise = tall * random.uniform(0.02, 0.045), random.uniform(0, 14)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    behind = ground + slope * (xs / width - 0.5)
    frames = []
    for number in range(max(2, round(seconds * rate))):
        lines = segments(action, number / (seconds * rate), way, turns, begin)
        places = foot + tall * lines * [1, -1]
        near = _around(places, max(thick, 0.09 * tall) + 0.5)
        x, y = xs[near], ys[near]
        distance = np.min([_distance(x, y, *line) for line in places[:-1]], axis=0) - thick
        distance = np.minimum(distance, np.hypot(x - places[-1, 0, 0], y - places[-1, 0, 1]) - 0.09 * tall)
        cover = np.zeros(xs.shape)
        cover[near] = np.clip(0.5 - distance, 0, 1)
        frame = behind + cover * (ink - behind) + noise * random.standard_normal(xs.shape)
        frames.append(np.clip(frame, 0, 255).round().astype(np.uint8))
    return Clip(np.stack(frames), rate)


def _around(places: Array, reach: float) -> tuple[slice, slice]:
    """The rows and columns beyond which nothing of the figure lies."""
    low = np.maximum(np.floor(places.min((0, 1)) - reach), 0).astype(int)
    high = np.maximum(np.ceil(places.max((0, 1)) + reach) + 1, 0).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _distance(xs: Array, ys: Array, begin: Array, end: Array) -> Array:
    """From every pixel to a line."""
    along = end - begin
    at = np.clip(((xs - begin[0]) * along[0] + (ys - begin[1]) * along[1]) / max(1e-9, along @ along), 0, 1)
    return np.asarray(np.hypot(xs - begin[0] - at * along[0], ys - begin[1] - at * along[1]))


def write_video(path: Path, frames: Any, rate: int | Fraction, codec: str = "mpeg4", **options: str) -> Path:
    """Encodes frames ``[T, height, width]`` of grey, or with colours as a last axis."""
    with av.open(str(path), "w", options=options) as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=rate)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", 1_000_000
            picture = av.VideoFrame.from_ndarray(frame, "gray" if frame.ndim == 2 else "rgb24")
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode())
    return path


def write_clips(folder: Path, count: int, seed: int, actions: Sequence[str] = ACTIONS) -> Path:
    """A folder of clips for every action, ``count`` in all."""
    random = np.random.default_rng(seed)
    for number in range(count):
        action = actions[number % len(actions)]
        (folder / action).mkdir(parents=True, exist_ok=True)
        clip = draw_clip(action, random)
        write_video(folder / action / f"{number:04}.mp4", clip.frames, clip.rate)
    return folder


def long_frames(seconds: float, rate: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames of one long video, an action after the other, 96 by 72."""
    random = np.random.default_rng(seed)
    shown = 0
    while shown < seconds * rate:
        clip = draw_clip(ACTIONS[random.integers(len(ACTIONS))], random)
        if clip.frames.shape[1:] == (72, 96):
            for frame in clip.frames[: round(seconds * rate) - shown]:
                yield frame
                shown += 1


def write_parts(folder: Path, train: int = 600, valid: int = 100, test: int = 200) -> list[str]:
    """Folders of clips for training, validation and test, each drawn anew."""
    for seed, (part, count) in enumerate({"train": train, "valid": valid, "test": test}.items()):
        write_clips(folder / part, count, seed)
    return [str(folder)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for part, count in {"train": 600, "valid": 100, "test": 200}.items():
        parser.add_argument(f"--{part}", type=int, default=count)
    given = parser.parse_args()
    write_parts(given.folder, given.train, given.valid, given.test)


if __name__ == "__main__":
    main()
