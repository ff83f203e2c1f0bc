"""What a user can get wrong: one line that says so, exit status 2, and nothing written or lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from throughtime.cells import CELLS
from throughtime.errors import listed

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "2", "--bptt", "10", "--steps", "2"]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder, hidden ones too, with its bytes; None for a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def desk(tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a user works in, with a text; temporary files land in it, too."""
    shutil.copy(text, tmp_path / "text.txt")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refuse(call: Any, desk: Path) -> Callable[..., str]:
    """Runs a command that must be refused, and returns its one line."""

    def refused(*arguments: object, stdin: bytes = b"") -> str:
        before = contents(desk)
        answer = call(*arguments, stdin=stdin)
        assert answer.code == 2, answer
        assert answer.out == ""
        (line,) = answer.err.splitlines()
        assert line.startswith("throughtime: ")
        assert contents(desk) == before
        return str(line.removeprefix("throughtime: "))

    return refused


@pytest.fixture
def run(desk: Path, model: Path) -> Path:
    """A model folder to damage."""
    shutil.copytree(model, desk / "run")
    return Path("run")


# Texts ---------------------------------------------------------------------------------------------------------------

ENGLISH = "A line of text.\n" * 40
TEXTS = {
    "missing": (None, "given.txt: no such file or folder"),
    "empty": (b"", "expected text, got none"),
    "binary": (bytes(range(256)) * 20, "given.txt: expected a text file, got a binary one"),
    "noise": (bytes(range(1, 256)) * 20, "given.txt: expected text in UTF-8"),
    "latin-1": (
        (ENGLISH + "café\n" + ENGLISH).encode("latin-1"),
        "given.txt: expected text in UTF-8, got other bytes in line 41; pass --encoding cp1252 if",
    ),
    "utf-16 without mark": (
        ENGLISH.encode("utf-16-le"),
        "looks like UTF-16 without its mark; pass --encoding utf-16-le",
    ),
    "cut in a character": (ENGLISH.encode() + "é".encode()[:1], "in line 41"),
    "one symbol": (b"a" * 500, "expected at least two different characters beside UNK and EOS"),
    "short": (b"hello", "expected at least one batch of 2 × 10 tokens, got 4; give more text, or a smaller --batch"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_cannot_be_trained_on(refuse: Callable[..., str], kind: str) -> None:
    given, message = TEXTS[kind]
    if given is not None:
        Path("given.txt").write_bytes(given)
    assert message in refuse("train", "text", "given.txt", "--out", "out", *TINY)
    # Also where the text is read in another way, or comes after a good one.
    for options in (["--held-out", "0"], ["--sentences"], ["--unit", "words"]):
        refuse("train", "text", "given.txt", "--out", "out", *TINY, *options)
    if kind not in ("empty", "one symbol", "short"):
        refuse("train", "text", "text.txt", "given.txt", "--out", "out", *TINY)
        refuse("train", "text", "text.txt", "--valid", "given.txt", "--out", "deep/er/out", *TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unit", "words"], "at least two different words"),
        (["--sentences", "--bptt", "0"], "expected at least one batch of 2 texts, got 1"),
        (["--bptt", "0"], "expected at least one batch of 2 texts, got 1"),
        (["--unit", "bytepairs"], "expected at least one batch of 2 × 10 tokens"),
        (["--held-out", "0", "--min-count", "9"], "or a lower minimum count"),
    ],
)
def test_too_little_text_for_the_options(refuse: Callable[..., str], options: list[str], message: str) -> None:
    Path("short.txt").write_text("hello there, hello\n" if "--bptt" in options else "hello")
    assert message in refuse("train", "text", "short.txt", "--out", "out", *TINY, *options)


def test_validation_needs_text(refuse: Callable[..., str]) -> None:
    Path("empty.txt").touch()
    message = refuse("train", "text", "text.txt", "--valid", "empty.txt", "--out", "out", *TINY)
    assert "expected validation text, got none" in message


def test_a_folder_without_texts(refuse: Callable[..., str]) -> None:
    Path("folder").mkdir()
    Path("folder/notes.md").write_text(ENGLISH)
    assert "expected a folder with .txt files, found none" in refuse("train", "text", "folder", "--out", "o", *TINY)


def test_no_text_named(refuse: Callable[..., str]) -> None:
    assert "throughtime train text FILE --out out" in refuse("train", "text", "--out", "out", *TINY)
    assert "Missing option '--out'; see: throughtime train text --help" in refuse("train", "text", "text.txt", *TINY)


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "unknown command 'trian' (did you mean 'train'?); commands: train, evaluate, predict, sample"),
        (["sampel", "run"], "did you mean 'sample'?"),
        (
            ["train", "tetx", "text.txt", "--out", "out"],
            "unknown task 'tetx' (did you mean 'text'?); built-in tasks:",
        ),
        (["train", "text", "txet.txt", "--out", "out"], "no such file or folder (did you mean 'text.txt'?)"),
        (["train", "text", "builtin:python-manal", "--out", "out"], "did you mean 'builtin:python-manual'?"),
        (["train", "text", "text.txt", "--out", "out", "--cell", "ltsm"], "unknown cell 'ltsm' (did you mean 'lstm'?)"),
        (["train", "text", "text.txt", "--out", "out", "--cell", "GRU_full"], "did you mean 'gru-full'?"),
        (
            ["train", "text", "text.txt", "--out", "out", "--hiden", "3"],
            "unknown option --hiden (did you mean '--hidden'?); see: throughtime train text --help",
        ),
        (["train", "text", "text.txt", "--out", "out", "--unit", "word"], "--unit: expected characters, words"),
        (["train", "text", "text.txt", "--out", "out", "--unit", "word"], "did you mean 'words'?"),
        (["train", "text", "text.txt", "--out", "out", "--engine", "torhc"], "did you mean 'torch'?"),
        (["train", "text", "text.txt", "--out", "out", "--optimiser", "adma"], "did you mean 'adam'?"),
        (["train", "text", "text.txt", "--out", "out", "--schedule", "cosin"], "did you mean 'cosine'?"),
        (["train", "text", "text.txt", "--out", "out", "--device", "cude"], "did you mean 'cuda'?"),
        (
            ["train", "text", "text.txt", "--out", "o", "--cell", "lstm-projected", "--cell-option", "proj_siz=3"],
            "cell lstm-projected has no option 'proj_siz' (did you mean 'proj_size'?); options: memory, heads, proj",
        ),
        (["score", "run", "--sotr"], "'--sort'"),
    ],
)
def test_an_unknown_name_brings_the_nearest(refuse: Callable[..., str], arguments: list[str], hint: str) -> None:
    assert hint in refuse(*arguments)


def test_an_unknown_option_of_a_run_brings_the_nearest_of_its_task(refuse: Callable[..., str], run: Path) -> None:
    message = refuse("sample", run, "--top_k", "3")
    assert message.startswith("unknown option --top_k (did you mean '--top-k'?); this model has for sample: --prompt, ")
    assert "'--lines'" not in refuse("evaluate", run, "--lm-weight", "1")


def test_cells_are_named_to_who_knows_none(refuse: Callable[..., str]) -> None:
    message = refuse("train", "text", "text.txt", "--out", "out", "--cell", "transformer")
    assert f"built-in cells: {listed(CELLS)}" in message
    assert "did you mean" not in message


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("no_such_module:Cell", "No module named 'no_such_module'; is the module's folder on PYTHONPATH?"),
        ("json:JSONDecoder", "module json has no Cell subclass named 'JSONDecoder'"),
        (":Cell", "expected module:Class"),
    ],
)
def test_a_cell_that_is_not_there(refuse: Callable[..., str], cell: str, message: str) -> None:
    assert message in refuse("train", "text", "text.txt", "--out", "out", "--cell", cell)


# Values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch", "0"),
        ("--batch", "some"),
        ("--batch", "1.5"),
        ("--epochs", "-1"),
        ("--epochs", "inf"),
        ("--epochs", "nan"),
        ("--minutes", "0"),
        ("--minutes", "inf"),
        ("--steps", "0"),
        ("--lr", "0"),
        ("--lr", "inf"),
        ("--lr", "nan"),
        ("--clip-norm", "-1"),
        ("--clip-value", "nan"),
        ("--momentum", "1"),
        ("--weight-decay", "-1"),
        ("--warmup", "-1"),
        ("--patience", "0"),
        ("--evaluate-every", "0"),
        ("--checkpoint-seconds", "-1"),
        ("--seed", "-1"),
        ("--seed", str(2**70)),
        ("--held-out", "1"),
        ("--held-out", "-0.1"),
        ("--min-count", "0"),
        ("--max-vocab", "3"),
        ("--hidden", "0"),
        ("--layers", "0"),
        ("--embedding", "0"),
        ("--dropout", "1"),
        ("--input-dropout", "-0.1"),
        ("--recurrent-dropout", "1.5"),
        ("--zoneout", "1"),
        ("--zoneout", "h=0.1,c=1"),
        ("--zoneout", "h=0.1,much"),
        ("--weight-drop", "nan"),
        ("--bptt", "-1"),
        ("--cell-option", "proj_size"),
        ("--cell-option", "=3"),
    ],
)
def test_a_training_value_out_of_range(refuse: Callable[..., str], option: str, value: str) -> None:
    message = refuse("train", "text", "text.txt", "--out", "out", "--batch", "2", "--bptt", "10", option, value)
    assert option in message
    assert value in message or float(value) == float(message.split()[-1])


def test_zoneout_of_a_state_that_the_cell_has_not(refuse: Callable[..., str]) -> None:
    message = refuse("train", "text", "text.txt", "--out", "out", "--cell", "gru", "--zoneout", "h=0.1,c=0.5")
    assert "--zoneout: cell gru has no state 'c'; states: h" in message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--temperature", "-1", "--temperature: input should be greater than or equal to 0, got -1.0"),
        ("--temperature", "nan", "temperature"),
        ("--temperature", "inf", "temperature"),
        ("--top-k", "0", "--top-k: input should be greater than or equal to 1, got 0"),
        ("--top-p", "0", "--top-p: input should be greater than 0, got 0.0"),
        ("--top-p", "1.5", "top-p"),
        ("--length", "0", "--length: input should be greater than or equal to 1, got 0"),
        ("--min-length", "-1", "length"),
        ("--count", "0", "--count"),
        ("--seed", "-1", "--seed"),
        ("--seed", str(2**70), "--seed"),
        ("--seed", "dice", "--seed"),
    ],
)
def test_a_sampling_value_out_of_range(
    refuse: Callable[..., str], run: Path, option: str, value: str, message: str
) -> None:
    assert message in refuse("sample", run, option, value)


def test_options_that_exclude_each_other(refuse: Callable[..., str]) -> None:
    message = refuse("train", "text", "text.txt", "--out", "out", "--tied", "--adaptive")
    assert message == "expected --tied or --adaptive, not both: tied weights need the full softmax"


@pytest.mark.parametrize("options", [["--cell", "gru-full"], ["--zoneout", "0.1"], ["--recurrent-dropout", "0.1"]])
def test_an_engine_that_cannot_serve_the_model(refuse: Callable[..., str], options: list[str]) -> None:
    message = refuse("train", "text", "text.txt", "--out", "out", *TINY, "--engine", "torch", *options)
    assert "engine 'torch' cannot serve" in message
    assert "auto" in message


def test_a_cell_option_out_of_range(refuse: Callable[..., str]) -> None:
    options = ["--cell", "rnn", "--cell-option", "nonlinearity=sin"]
    assert "got 'sin'" in refuse("train", "text", "text.txt", "--out", "out", *TINY, *options)


def test_a_model_larger_than_memory(refuse: Callable[..., str]) -> None:
    options = [*TINY, "--embedding", "1", "--hidden", "4000000"]  # its recurrent matrix alone: 256 terabytes
    message = refuse("train", "text", "text.txt", "--out", "out", *options)
    assert "the model cannot be built" in message
    assert "memory" in message


def test_a_device_that_is_not_there(refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = refuse("train", "text", "text.txt", "--out", "out", *TINY, "--device", "cuda")
    assert message.endswith("pass --device cpu")


def test_tensorboard_that_is_not_installed(refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    message = refuse("train", "text", "text.txt", "--out", "out", *TINY, "--tensorboard")
    assert "pip install 'throughtime[track]'" in message


def test_arguments_that_are_not_utf_8(refuse: Callable[..., str], run: Path) -> None:
    for arguments in (
        ["score", run, "--line", "caf\udce9"],
        ["sample", run, "--prompt", "caf\udce9"],
        ["train", "text", "text.txt", "--out", "caf\udce9", *TINY],
    ):
        assert refuse(*arguments) == r"expected arguments in UTF-8, got b'caf\xe9'"


def test_a_text_where_a_file_belongs(refuse: Callable[..., str], run: Path) -> None:
    """Whoever passes the text itself passes a name that no file system takes."""
    text = "It was full of joy. " * 20
    for arguments in (
        ["train", "text", text, "--out", "out"],
        ["train", "text", "text.txt", "--out", text, *TINY],
        ["score", run, text],
        ["evaluate", run, text],
        ["sample", text],
    ):
        assert "name too long" in refuse(*arguments)


# Where to write ------------------------------------------------------------------------------------------------------


def test_what_stands_in_the_way_is_kept(refuse: Callable[..., str], run: Path) -> None:
    message = refuse("train", "text", "text.txt", "--out", run, *TINY)
    assert message == "run: already exists; pass --resume to go on with it, or another --out"
    assert refuse("train", "text", "text.txt", "--out", "text.txt", *TINY) == (
        "text.txt: already exists; pass another --out"
    )
    assert "cannot be made" in refuse("train", "text", "text.txt", "--out", "text.txt/out", *TINY)


def test_an_empty_folder_does_not_stand_in_the_way(call: Any, desk: Path) -> None:
    (desk / "out").mkdir()
    assert call("train", "text", "text.txt", "--out", "out", *TINY).code == 0
    assert (desk / "out" / "model.safetensors").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(refuse: Callable[..., str]) -> None:
    Path("locked").mkdir(mode=0o555)
    message = refuse("train", "text", "text.txt", "--out", "locked/out", *TINY)
    assert message == "locked/out: cannot be made: Permission denied"


def test_folders_made_on_the_way_are_taken_back(refuse: Callable[..., str], desk: Path) -> None:
    Path("short.txt").write_text("hello")
    (desk / "kept").mkdir()
    refuse("train", "text", "short.txt", "--out", "kept/new/deeper/out", *TINY)
    assert list((desk / "kept").iterdir()) == []


# Model folders -------------------------------------------------------------------------------------------------------

READERS = {
    "score": ["score", "run", "--line", "The cat"],
    "sample": ["sample", "run"],
    "evaluate": ["evaluate", "run"],
}
RESUME = ["train", "text", "--out", "run", "--resume"]


@pytest.mark.parametrize("reader", [*READERS.values(), RESUME], ids=[*READERS, "resume"])
def test_no_model_folder(refuse: Callable[..., str], reader: list[str]) -> None:
    message = refuse(*reader)
    assert message == "run: expected a model folder, which does not exist; make one with: throughtime train"
    Path("run").mkdir()
    Path("run/notes.txt").touch()
    assert refuse(*reader) == "run: expected a model folder, found no config.json in it"
    shutil.rmtree("run")
    Path("run").write_text("a file")
    assert refuse(*reader).startswith("run: expected a model folder")


def random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(4).randbytes(path.stat().st_size))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [random_bytes, cut, cut_a_byte, empty, Path.unlink, folder])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_model_folder(
    refuse: Callable[..., str], run: Path, file: str, damage: Callable[[Path], object]
) -> None:
    path = run / file
    if damage is cut_a_byte and path.suffix == ".json":
        path.write_text(path.read_text().rstrip())  # the last byte but for the line break is its closing brace
    damage(path)
    for reader in READERS.values():
        message = refuse(*reader)
        # What the file system itself refuses, a folder for a file, goes without the name on some systems.
        assert file in message or damage is folder


@pytest.mark.parametrize("damage", [random_bytes, cut, empty, Path.unlink])
@pytest.mark.parametrize("file", ["checkpoint.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_run_is_not_resumed(
    refuse: Callable[..., str], run: Path, file: str, damage: Callable[[Path], object]
) -> None:
    damage(run / file)
    assert file in refuse(*RESUME)


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("file", ["train.ids", "valid.ids"])
def test_a_run_without_its_text_is_not_resumed(
    refuse: Callable[..., str], run: Path, file: str, damage: Callable[[Path], object]
) -> None:
    damage(run / file)
    assert f"{file}: expected a file of" in refuse(*RESUME)


def test_the_weights_of_another_model(refuse: Callable[..., str], run: Path, sentences: Path) -> None:
    shutil.copy(sentences / "model.safetensors", run)
    message = refuse("score", run, "--line", "The cat")
    assert "expected the weights that config.json describes" in message
    assert "the folder mixes two models" in message


def test_the_tokenizer_of_another_model(refuse: Callable[..., str], run: Path, sentences: Path) -> None:
    known = json.loads((run / "config.json").read_text())["model"]["vocabulary"]
    shutil.copy(sentences / "tokenizer.json", run)
    for reader in [*READERS.values(), RESUME]:
        assert f"expected a tokenizer.json of {known} tokens, as config.json says, got 20" in refuse(*reader)


def edit(run: Path, *path: str, value: object) -> None:
    """Sets an entry of config.json, deep down."""
    config = json.loads((run / "config.json").read_text())
    entry = config
    for name in path[:-1]:
        entry = entry[name]
    entry[path[-1]] = value
    (run / "config.json").write_text(json.dumps(config))


def test_a_model_of_another_task(refuse: Callable[..., str], run: Path) -> None:
    edit(run, "task", value="weather")
    for reader in (READERS["score"], RESUME):
        assert refuse(*reader) == "run: expected a model of task 'text', got one of task 'weather'"
    assert refuse(*READERS["sample"]).startswith("run: unknown task 'weather'; built-in tasks: text, ")
    assert "unknown task 'weather'" in refuse(*READERS["evaluate"])


def test_a_model_of_a_later_version(refuse: Callable[..., str], run: Path) -> None:
    edit(run, "format", value=2)
    for reader in [*READERS.values(), RESUME]:
        assert refuse(*reader) == "run/config.json: expected format 1, got 2; update throughtime"
    edit(run, "format", value="new")
    assert refuse(*RESUME) == "run/config.json: expected format 1, got 'new'; the file is damaged"


@pytest.mark.parametrize("value", ["[]", "{}", "5", '"text"', "null", "not json", '{"format": 1}', '{"format": 1'])
def test_a_config_of_another_kind(refuse: Callable[..., str], run: Path, value: str) -> None:
    (run / "config.json").write_text(value)
    for reader in [*READERS.values(), RESUME]:
        assert "config.json" in refuse(*reader)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["settings"], [], "expected 'settings' to be a dict"),
        (["model"], None, "expected 'model' to be a dict"),
        (["data"], "x", "expected 'data' to be a dict"),
        (["task"], 5, "expected 'task' to be a str"),
        (["settings", "sentences"], "perhaps", "config.json: --sentences"),
        (["settings", "engine"], None, "config.json: --engine"),
        (["settings", "from_the_future"], 1, "--from-the-future"),
        (["model", "cell"], "ltsm", "expected the same cell in 'settings' and 'model', got 'lstm' and 'ltsm'"),
        (["model", "hidden"], -1, "the model cannot be built"),
        (["model", "hidden"], "many", "the model cannot be built"),
        (["model", "hidden"], 17, "the folder mixes two models"),
        (["model", "layers"], None, "the model cannot be built"),
        (["model", "vocabulary"], -1, "the model cannot be built"),
        (["model", "vocabulary"], None, "the model cannot be built"),
        (["model", "from_the_future"], 1, "the model cannot be built"),
    ],
)
def test_a_config_with_a_wrong_entry(
    refuse: Callable[..., str], run: Path, path: list[str], value: object, message: str
) -> None:
    edit(run, *path, value=value)
    assert message in refuse(*READERS["evaluate"])


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"path": "valid.ids"}])
def test_a_config_with_wrong_data(refuse: Callable[..., str], run: Path, value: object) -> None:
    edit(run, "data", "valid", value=value)
    assert "config.json: data.valid" in refuse(*READERS["evaluate"])
    assert "config.json: data.valid" in refuse(*RESUME)


def test_a_config_shaken_at_random(call: Any, run: Path) -> None:
    """Whatever stands in config.json, a reader works or says in one line why it does not: nothing else comes out."""
    draw = random.Random(6)
    whole = (run / "config.json").read_text()
    config = json.loads(whole)
    paths = [[part, name] for part in ("settings", "model") for name in config[part]]
    paths += [["data", part, name] for part in config["data"] for name in config["data"][part]]
    refused = 0
    for path in draw.sample(paths, 40):
        edit(run, *path, value=draw.choice([None, -1, 0, 1.5, "x", [], {"a": 1}, True, "../x"]))
        for reader in (READERS["score"], READERS["evaluate"]):
            answer = call(*reader)
            assert answer.code in (0, 2)
            assert len(answer.err.splitlines()) == answer.code // 2
            refused += answer.code // 2
        (run / "config.json").write_text(whole)
    assert refused > 20


# Resuming ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--hidden", "32"], "--hidden: a resumed run keeps 16, got 32"),
        (["--lr", "0.5"], "--lr: a resumed run keeps 0.02, got 0.5"),
        (["--seed", "3"], "--seed: a resumed run keeps 0, got 3"),
        (["--tied"], "--tied: a resumed run keeps False, got True"),
        (["--unit", "words"], "--unit: a resumed run keeps 'characters', got 'words'"),
        (["--batch", "3"], "--batch: a resumed run keeps 2, got 3"),
        (["--steps", "70", "--dropout", "0.4"], "--dropout: a resumed run keeps 0.2, got 0.4"),
        (["--cell", "gru"], "expected --cell lstm, which made this model, got gru"),
        (["--epochs", "3"], "--epochs: this run ends by --steps 60; pass --steps"),
        (["--steps", "0"], "--steps"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_resumed_run_keeps_its_settings(refuse: Callable[..., str], run: Path, options: list[str], kept: str) -> None:
    assert kept in refuse(*RESUME, *options)


def test_the_same_setting_again_changes_nothing(call: Any, run: Path) -> None:
    weights = (run / "model.safetensors").read_bytes()
    assert call(*RESUME, "--hidden", "16", "--lr", "0.02", "--cell", "lstm").code == 0
    assert (run / "model.safetensors").read_bytes() == weights


# Judging and scoring -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["score", "evaluate"])
@pytest.mark.parametrize(
    "kind", ["missing", "empty", "binary", "noise", "latin-1", "utf-16 without mark", "cut in a character"]
)
def test_a_text_that_cannot_be_read(refuse: Callable[..., str], run: Path, command: str, kind: str) -> None:
    given, message = TEXTS[kind]
    if given is not None:
        Path("given.txt").write_bytes(given)
    got = refuse(command, run, "given.txt")
    if command == "evaluate" or kind not in ("missing", "empty"):
        assert message in got
    else:
        assert "given.txt" in got or "expected lines to score, got none" in got


@pytest.mark.parametrize("given", [b"", b"\n\n", b"  \n\t\n"])
def test_nothing_to_score(refuse: Callable[..., str], run: Path, given: bytes) -> None:
    message = "expected lines to score, got none; give FILE, --line, or standard input"
    assert refuse("score", run, stdin=given) == message
    Path("given.txt").write_bytes(given)
    assert refuse("score", run, "given.txt") == message
    assert refuse("score", run, "--line", given.decode()) == message


def test_standard_input_that_is_not_utf_8(refuse: Callable[..., str], run: Path) -> None:
    message = refuse("score", run, stdin="café\n".encode("latin-1"))
    assert message == "expected text in UTF-8 on standard input, got other bytes; pass --encoding, as in cp1252"
