"""Videos that left Throughtime: what is seen without PyTorch, and without a codec, is what the run sees."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import throughtime
from throughtime import runtime
from throughtime.data.ragged import RaggedBatch
from throughtime.errors import UserError
from throughtime.export import onnx
from throughtime.layers import Recurrent
from throughtime.models import Classifier, FrameInput
from throughtime.runtime.video.scaling import scale
from throughtime.tasks.video.memory import Film, write_film

onnxruntime = pytest.importorskip("onnxruntime")
av = pytest.importorskip("av")

ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
ROUNDING = 0 if ON_X86 and av.library_versions["libswscale"] >= (9,) else 1
"""Levels: FFmpeg rounds as it is quickest for a processor, and before its version 8 spread light by other numbers."""

SMALL = {"hidden": 4, "features": 6, "layers": 1, "batch": 4, "steps": 2, "size": 20, "progress": False}


def frames(seed: int, steps: int, height: int = 20, width: int = 20) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (steps, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=[False, True], ids=["grey", "colour"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[throughtime.Run, Any, Path]:
    folder = tmp_path_factory.mktemp("video")
    clips = [(frames(number, 4 + number % 3) // (1 + number % 2), ("dim", "light")[number % 2]) for number in range(8)]
    run = throughtime.train("video", clips, out=folder / "run", held_out=0, colour=request.param, window=0.6, **SMALL)
    run.export(folder / "exported")
    return run, runtime.open(folder / "exported"), folder


def alike(found: Any, expected: Any) -> None:
    assert found == pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            alike(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            alike(one, other)
    elif not isinstance(expected, float):
        assert found == expected


def test_what_is_seen_is_what_the_run_sees(pair: tuple[throughtime.Run, Any, Path]) -> None:
    run, model, folder = pair
    films = [frames(20, 3), (frames(21, 20), 25), (frames(22, 3, 7, 20), 4.0), frames(23, 31), frames(24, 5, 30, 44)]
    files = [write_film(Film(frames(25, 9, 24, 18), 12.0), folder / "a.avi")]
    for explain in (False, True):
        expected = [found.data for found in run.predict([*films, *files], explain=explain)]
        alike(model.predict([*films, *files], explain=explain), expected)


def test_files_of_arrays_are_films(pair: tuple[throughtime.Run, Any, Path], tmp_path: Path) -> None:
    _, model, _ = pair
    given_ = frames(3, 6)
    np.save(tmp_path / "a.npy", given_)
    np.savez(tmp_path / "b.npz", frames=given_, fps=5)
    np.savez_compressed(tmp_path / "c.npz", given_)
    expected = model.predict([given_, (given_, 5), given_])
    found = model.predict([tmp_path / "a.npy", str(tmp_path / "b.npz"), tmp_path / "c.npz"])
    for one, other, name in zip(found, expected, ("a.npy", "b.npz", "c.npz"), strict=True):
        assert one == {**other, "file": str(tmp_path / name)}


def test_what_is_no_film_is_told_in_a_line(
    pair: tuple[throughtime.Run, Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, model, _ = pair
    np.save(tmp_path / "grey.npy", frames(0, 2)[..., 0])
    (tmp_path / "torn.npz").write_bytes(b"PK\3\4")
    for item, said in {
        frames(0, 2).tobytes(): "input 1: expected frames .* got a bytes",
        tmp_path / "grey.npy": r"grey.npy: expected frames \[T, H, W, 3\] of uint8, got uint8 \[2, 20, 20\]",
        tmp_path / "torn.npz": "torn.npz: expected arrays that NumPy wrote",
        tmp_path / "none.npy": "none.npy, which does not exist",
    }.items():
        with pytest.raises(UserError, match=said):
            model.predict([item])
    for empty in ((0, 20, 20, 3), (2, 0, 20, 3), (2, 20, 20, 1)):
        with pytest.raises(UserError, match=r"input 1: expected frames \[T, H, W, 3\]"):
            model.predict([np.zeros(empty, np.uint8)])
    with pytest.raises(UserError, match=r"expected from 0.017 to 1000 frames a second, got 0"):
        model.predict([(frames(0, 2), 0)])
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("throughtime.runtime.kinds.videos.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"a\.mp4: reading a video needs av; run: pip install av, or pass frames"):
        model.predict("a.mp4")
    if run.settings.colour:
        with pytest.raises(UserError, match="scaling frames in colour to 20 × 20 needs av"):
            model.predict([frames(0, 2, 8, 8)])
    else:
        assert model.predict([frames(0, 2, 8, 8)])[0]["seconds"] == 0.2


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 90), st.integers(1, 90))
@example(64, 64, 64, 64)
@example(200, 3, 64, 1)
@example(320, 180, 64, 36)
def test_grey_is_ffmpegs(width: int, height: int, wide: int, high: int) -> None:
    (picture,) = frames(width, 1, height, width)
    reformat = av.video.reformatter.VideoReformatter().reformat
    decoded = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
    expected = reformat(decoded, wide, high, format="gray", interpolation="AREA").to_ndarray()
    np.testing.assert_allclose(scale(picture, wide, high)[:, :, 0].astype(int), expected.astype(int), atol=ROUNDING)


@pytest.mark.parametrize("pooling", ["attention", "mean", "max", "last"])
@pytest.mark.parametrize(("channels", "size", "cell"), [(1, 16, "lstm"), (3, 21, "mgu")])
def test_every_pooling_reads_ragged_frames(pooling: Any, channels: int, size: int, cell: str) -> None:
    torch.manual_seed(0)
    inputs = FrameInput(channels, size, 5)
    for parameter in inputs.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    model = Classifier(inputs, Recurrent(cell, 5, 3, bidirectional=True), 3, pooling=pooling).eval()
    clips = [np.random.default_rng(n).integers(0, 256, (n, channels, size, size), dtype=np.uint8) for n in (4, 1, 7)]
    batch = RaggedBatch.of(clips)
    with torch.no_grad():
        expected = model.log_probs(batch).numpy()
    session = onnxruntime.InferenceSession(onnx(model).SerializeToString())
    (found,) = session.run(["log_probs"], {"frames": batch.values.numpy(), "lengths": batch.lengths.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-5)
