"""Model folders that were recorded once still load, say what they said, and go on; training is still the same.

``tests/folders/make.py`` says what an archive holds. Nothing but the command line is called here, so that what is
behind it may move.
"""

from __future__ import annotations

import importlib.util
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDERS = Path(__file__).parent / "folders"
NEEDS = {"translation": "sacrebleu", "speech": "kaldi_native_fbank", "music": "symusic", "dna": "Bio", "video": "av"}


def load_recording() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recording", FOLDERS / "recording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recording = load_recording()
ARCHIVES = sorted(FOLDERS.glob(f"*{recording.SUFFIX}"))


def name_of(archive: Path) -> str:
    return archive.name.removesuffix(recording.SUFFIX)


def assert_same(found: Any, recorded: Any, where: str = "") -> None:
    """What was recorded is there: numbers but for rounding, which differs between processors; more may be there."""
    if isinstance(recorded, dict):
        assert isinstance(found, dict), where
        for name, value in recorded.items():
            assert name in found, f"{where}.{name}"
            assert_same(found[name], value, f"{where}.{name}")
    elif isinstance(recorded, list):
        assert isinstance(found, list), where
        assert len(found) == len(recorded), where
        for number, (one, other) in enumerate(zip(found, recorded, strict=True)):
            assert_same(one, other, f"{where}[{number}]")
    elif isinstance(recorded, float):
        # Through a layer normalisation a gradient is divided by small deviations, which makes more of rounding.
        rel = 1e-3 if where.endswith(".grad_norm") else 1e-4
        assert found == pytest.approx(recorded, rel=rel, abs=2e-5), where
    else:
        assert found == recorded, where


def unpack(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The archive's record; the working folder is where its files are."""
    record: dict[str, Any] = recording.unpack(archive, folder)
    pytest.importorskip(NEEDS.get(record["train"][1], "torch"))
    monkeypatch.chdir(folder)
    named = folder / "state" / "throughtime" / "data"  # the user has trained on what lies there
    named.parent.mkdir(parents=True)
    named.write_text(f"{folder.resolve() / 'data'}\n", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    return record


def test_every_task_has_a_recorded_folder() -> None:
    code, printed = recording.call(["tasks", "--json"])
    assert code == 0
    recorded = set()
    for archive in ARCHIVES:
        with tarfile.open(archive) as file:
            recorded.add(json.load(file.extractfile("run/config.json"))["task"])
    assert recorded >= set(json.loads(printed)), "run tests/folders/make.py with a case for the task"


@pytest.mark.parametrize("archive", ARCHIVES, ids=name_of)
def test_a_recorded_folder_says_what_it_said_and_goes_on(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = unpack(archive, tmp_path, monkeypatch)
    for asked in record["asked"]:
        assert_same(recording.said(asked["command"]), asked["stopped"], " ".join(asked["command"]))
    code, shown = recording.call([*record["resume"], "--out", "run", "--json"])
    assert (code, json.loads(shown)["steps"]) == (0, record["history"][-2]["step"])
    assert_same(recording.history(tmp_path / "run"), record["history"], "resumed")
    for asked in record["asked"]:
        assert_same(recording.said(asked["command"]), asked["finished"], " ".join(asked["command"]))


@pytest.mark.parametrize("archive", ARCHIVES, ids=name_of)
def test_the_same_seed_trains_the_same_again(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same splits, order, weights to begin with, dropout and noise: each changes the losses, or what is drawn."""
    record = unpack(archive, tmp_path, monkeypatch)
    assert recording.call([*record["train"], "--out", "again"])[0] == 0
    assert_same(recording.history(tmp_path / "again"), record["history"], "trained again")
