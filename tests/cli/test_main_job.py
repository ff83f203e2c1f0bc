"""From a text to a model, its figures, samples and scores: every number is computed here a second time."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from familiar import FAMILIAR
from throughtime import TextModel
from throughtime.cells import CELLS
from throughtime.data import NOTHING
from throughtime.figures import counted, figure

TINY = ["--hidden", "16", "--embedding", "8", "--batch", "2", "--bptt", "10"]
SHORT = [*TINY, "--steps", "2"]
FILES = {"config.json", "data.json", "tokenizer.json", "model.safetensors", "checkpoint.safetensors", "metrics.jsonl"}


@torch.no_grad()
def by_steps(model: TextModel, ids: Sequence[int]) -> float:
    """The log-probability of a sequence, a token at a time, as the definition says."""
    before, state, total = NOTHING, None, 0.0
    for token in ids:
        log_probs, state = model.model.next_log_probs(torch.tensor([[before]]), state)
        total += float(log_probs[0, token])
        before = token
    return total


@torch.no_grad()
def unknown_probability(model: TextModel) -> float:
    """How likely the first token is UNK."""
    log_probs, _ = model.model.next_log_probs(torch.tensor([[NOTHING]]))
    return float(log_probs[0, model.tokenizer.unk].exp())


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record for record in records if record["event"] == kind]


def table(text: str) -> list[list[str]]:
    """Cells of a printed table; columns are two spaces apart."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


# Training ------------------------------------------------------------------------------------------------------------


def test_a_model_folder_holds_what_the_design_says(model: Path) -> None:
    assert {file.name for file in model.iterdir()} == FILES | {"train.ids", "valid.ids"}
    config = json.loads((model / "config.json").read_text())
    assert config["format"] == 1
    assert config["task"] == "text"
    assert (config["settings"]["hidden"], config["settings"]["steps"], config["settings"]["seed"]) == (16, 60, 0)
    assert (config["model"]["cell"], config["model"]["hidden"], config["model"]["embedding"]) == ("lstm", 16, 8)
    assert set(config["data"]) == {"train", "valid"}


def test_training_learns_and_says_so(model: Path) -> None:
    found = events(model, "evaluation")
    assert [record["step"] for record in found] == [20, 40, 60]
    nats = [record["nats_per_token"] for record in found]
    assert nats == sorted(nats, reverse=True)
    uniform = math.log(TextModel(model).model.config.vocabulary)
    assert nats[-1] < uniform - 0.5


def test_progress_and_result_are_readable(call: Any, text: Path, tmp_path: Path) -> None:
    answer = call("train", "text", text, "--out", tmp_path / "run", *SHORT)
    assert answer.code == 0
    assert re.search(r"lstm 1 × 16, [\d,]+ parameters, vocabulary \d+, \d+ batches an epoch", answer.err)
    assert re.search(r"step 1/2  loss \d\.\d+  [\d,]+ characters/s  [\d.]+ s left", answer.err)
    assert re.search(r"step 2  validation: nats per token \d\.\d+  perplexity \d+\.\d+", answer.err)
    figures = dict(line.rsplit(maxsplit=1) for line in answer.out.splitlines()[1:7] if not line.startswith("ended"))
    assert figures["run"] == str(tmp_path / "run")
    assert (figures["steps"], figures["best step"]) == ("2", "2")


def test_the_result_in_json_is_the_best_evaluation(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = call("train", "text", text, "--out", run, *TINY, "--steps", "6", "--evaluate-every", "2", "--json").json
    best = min(events(run, "evaluation"), key=lambda record: float(record["nats_per_token"]))
    assert (result["run"], result["steps"], result["best_step"]) == (str(run), 6, best["step"])
    for name in ("nats_per_token", "perplexity", "bits_per_character", "tokens", "characters"):
        assert result[name] == best[name]
    assert result["ended"]
    assert 0 <= result["clipped_share"] <= 1


def test_the_same_seed_gives_the_same_bits(call: Any, text: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        assert call("train", "text", text, "--out", tmp_path / name, *SHORT, "--seed", seed).code == 0
    one, two, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


def test_minutes_end_a_run_by_the_clock(call: Any, text: Path, tmp_path: Path) -> None:
    result = call("train", "text", text, "--out", tmp_path / "run", *TINY, "--minutes", "0.005", "--json").json
    assert 0.3 <= result["seconds"] < 5
    assert result["steps"] > 1


def test_epochs_count_batches(call: Any, text: Path, tmp_path: Path) -> None:
    options = ["--hidden", "8", "--embedding", "4", "--batch", "10", "--bptt", "50", "--held-out", "0"]
    result = call("train", "text", text, "--out", tmp_path / "run", *options, "--epochs", "2.5", "--json").json
    tokens = len(text.read_text()) + 1
    assert result["steps"] == round(2.5 * math.ceil(math.ceil(tokens / 10) / 50))


def test_the_last_share_is_held_out(model: Path, text: Path) -> None:
    whole = text.read_text()
    cut = int(len(whole) * 0.9)
    known = TextModel(model)
    data = known.run.data
    assert data["train"]["characters"] == cut
    assert data["valid"]["characters"] == len(whole) - cut
    ids = known.tokenizer.encode(whole[cut:])
    assert (model / "valid.ids").read_bytes() == b"".join(i.to_bytes(2, "little") for i in [*ids, 1])


def test_nothing_held_out(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = call("train", "text", text, "--out", run, *SHORT, "--held-out", "0", "--json").json
    assert "nats_per_token" not in result
    assert not (run / "valid.ids").exists()
    assert json.loads((run / "config.json").read_text())["data"]["train"]["characters"] == len(text.read_text())
    refused = call("evaluate", run)
    assert (refused.code, refused.out) == (2, "")
    assert "no validation text; name a text file" in refused.err
    # Without validation the last weights are the model.
    last = {k.removeprefix("model."): v for k, v in load_file(run / "checkpoint.safetensors").items()}
    weights = load_file(run / "model.safetensors")
    assert weights
    assert all(torch.equal(value, last[name]) for name, value in weights.items())


def test_a_validation_file_of_its_own(call: Any, text: Path, shelf: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = call("train", "text", text, "--valid", shelf / "other.txt", "--out", run, *SHORT, "--json").json
    assert result["characters"] == len((shelf / "other.txt").read_text())
    kept = call("evaluate", run, "--json").json
    assert kept == call("evaluate", run, shelf / "other.txt", "--json").json
    assert kept["nats_per_token"] == result["nats_per_token"]


def test_a_folder_is_its_text_files_in_order(call: Any, shelf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "deeper").mkdir(parents=True)
    shutil.copy(shelf / "text.txt", folder / "a.txt")
    shutil.copy(shelf / "other.txt", folder / "deeper" / "b.txt")
    (folder / "notes.md").write_text("ŻŹĆ no part of the texts")
    files = [folder / "a.txt", folder / "deeper" / "b.txt"]
    assert call("train", "text", folder, "--out", tmp_path / "folder", *SHORT).code == 0
    assert call("train", "text", *files, "--out", tmp_path / "files", *SHORT).code == 0
    assert call("train", "text", *reversed(files), "--out", tmp_path / "reversed", *SHORT).code == 0
    folder_ids, files_ids, reversed_ids = (
        (tmp_path / name / "train.ids").read_bytes() for name in ("folder", "files", "reversed")
    )
    assert folder_ids == files_ids != reversed_ids
    assert (tmp_path / "folder" / "model.safetensors").read_bytes() == (
        tmp_path / "files" / "model.safetensors"
    ).read_bytes()


def test_the_corpus_that_python_carries(call: Any, tmp_path: Path) -> None:
    """Its texts are the topics of ``help()``; their number and size differ a little from Python to Python."""
    topics = importlib.import_module("pydoc_data.topics").topics
    run = tmp_path / "run"
    assert call("train", "text", "builtin:python-manual", "--out", run, *SHORT, "--held-out", "0").code == 0
    data = json.loads((run / "config.json").read_text())["data"]["train"]
    assert data["characters"] == sum(map(len, topics.values())) > 300_000
    assert data["tokens"] == data["characters"] + len(topics)  # an EOS after each


@pytest.mark.parametrize("cell", FAMILIAR)
def test_every_built_in_cell_trains_and_scores(call: Any, text: Path, tmp_path: Path, cell: str) -> None:
    run = tmp_path / "run"
    assert call("train", "text", text, "--out", run, *SHORT, "--cell", cell, "--held-out", "0").code == 0
    known = TextModel(run)
    assert known.model.config.cell == cell
    assert known.model.stack.cell == CELLS[cell](8, 16)
    score = call("score", run, "--line", "The cat sat.", "--json").json
    assert score["log_prob"] == pytest.approx(by_steps(known, known.encode("The cat sat.")), rel=1e-5)


def test_a_cells_own_options(call: Any, text: Path, tmp_path: Path) -> None:
    options = ["--cell", "lstm-projected", "--cell-option", "proj_size=5"]
    assert call("train", "text", text, "--out", tmp_path / "run", *SHORT, *options).code == 0
    assert TextModel(tmp_path / "run").model.stack.output_size == 5


def test_tied_weights_are_one_matrix(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "text", text, "--out", run, *SHORT, "--tied").code == 0
    vocabulary = TextModel(run).model.config.vocabulary
    shapes = [list(value.shape) for value in load_file(run / "model.safetensors").values()]
    assert [shape for shape in shapes if vocabulary in shape] == [[vocabulary], [vocabulary, 8]]
    known = TextModel(run)
    score = call("score", run, "--line", "It was full", "--json").json
    assert score["log_prob"] == pytest.approx(by_steps(known, known.encode("It was full")), rel=1e-5)


def test_the_adaptive_softmax_sums_to_one(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "text", text, "--out", run, *SHORT, "--adaptive").code == 0
    known = TextModel(run)
    assert known.model.config.adaptive == (known.model.config.vocabulary // 5,)
    log_probs, _ = known.model.next_log_probs(torch.tensor([[NOTHING, 3, 4]]))
    assert float(log_probs.detach().exp().sum()) == pytest.approx(1, abs=1e-5)
    score = call("score", run, "--line", "It was full", "--json").json
    assert score["log_prob"] == pytest.approx(by_steps(known, known.encode("It was full")), rel=1e-5)


def test_regularisers_reach_the_model_and_rest_in_use(call: Any, text: Path, tmp_path: Path) -> None:
    shares = {"dropout": 0.1, "input-dropout": 0.15, "recurrent-dropout": 0.2, "weight-drop": 0.3}
    options = [word for name, value in shares.items() for word in (f"--{name}", value)]
    options += ["--zoneout", "h=0.05,c=0.25"]
    run = tmp_path / "run"
    answer = call("train", "text", text, "--out", run, *SHORT, *options, "--layers", "2", "--residual")
    assert answer.code == 0
    known = TextModel(run)
    config = known.model.config
    assert {name: getattr(config, name.replace("-", "_")) for name in shares} == shares
    assert (config.layers, config.residual, known.model.stack.num_layers) == (2, True, 2)
    assert known.model.stack.directed[0].keep == config.zoneout == {"h": 0.05, "c": 0.25}
    first, second = (call("evaluate", run, "--json").json for _ in range(2))
    assert first == second
    score = call("score", run, "--line", "The cat", "--json").json
    assert score["log_prob"] == pytest.approx(by_steps(known, known.encode("The cat")), rel=1e-5)


def test_tensorboard_events_hold_what_metrics_hold(call: Any, text: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    options = [*TINY, "--steps", "20", "--evaluate-every", "10", "--tensorboard"]
    assert call("train", "text", text, "--out", run, *options).code == 0
    found = EventAccumulator(str(run / "tensorboard")).Reload()
    losses = found.Scalars("train/loss")
    assert [event.step for event in losses] == list(range(1, 21))
    (step,) = events(run, "step")
    assert losses[-1].value == pytest.approx(step["loss"], rel=1e-6)
    assert found.Scalars("train/grad_norm")[-1].value == pytest.approx(step["grad_norm"], rel=1e-6)
    validation = found.Scalars("validation/nats_per_token")
    assert [event.step for event in validation] == [10, 20]
    expected = [record["nats_per_token"] for record in events(run, "evaluation")]
    assert [event.value for event in validation] == pytest.approx(expected, rel=1e-6)


# Judging -------------------------------------------------------------------------------------------------------------


def test_evaluating_without_a_text_repeats_the_best_evaluation(call: Any, model: Path) -> None:
    found = call("evaluate", model, "--json").json
    best = min(events(model, "evaluation"), key=lambda record: float(record["nats_per_token"]))
    assert found.pop("counted") == "characters, 0 of them unknown, and 1 text end"
    assert found.pop("unigram_perplexity") > found["perplexity"]
    assert found == {name: best[name] for name in found}


def test_figures_of_a_text_are_sums_over_its_steps(call: Any, model: Path, tmp_path: Path) -> None:
    known = TextModel(model)
    text = "The cat sat on the mat.\nIt was full of joy; the dog ran.\n"
    (tmp_path / "new.txt").write_text(text)
    ids = [*known.tokenizer.encode(text), known.tokenizer.eos]
    nats = -by_steps(known, ids)
    found = call("evaluate", model, tmp_path / "new.txt", "--json").json
    assert found["nats_per_token"] == pytest.approx(nats / len(ids), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(nats / len(ids)), rel=1e-5)
    assert found["bits_per_character"] == pytest.approx(nats / math.log(2) / len(text), rel=1e-5)
    assert (found["tokens"], found["characters"]) == (len(text) + 1, len(text))
    assert found["unknown_share"] == 1 / len(ids)  # the semicolon


def test_the_table_of_figures_says_the_same(call: Any, model: Path) -> None:
    found = call("evaluate", model, "--json").json
    answer = call("evaluate", model)
    assert (answer.code, answer.err) == (0, "")
    rows = table(answer.out)
    assert rows[0] == ["figure", "value"]
    assert {name.replace(" ", "_"): value for name, value in rows[1:]} == {
        name: figure(name, value, counted(found)) for name, value in found.items()
    }


def test_several_texts_are_judged_apart(call: Any, model: Path, tmp_path: Path) -> None:
    """No text sees the one before it: two copies cost twice as much as one."""
    (tmp_path / "a.txt").write_text("The old dog sang.\n")
    (tmp_path / "b.txt").write_text("The old dog sang.\n")
    one = call("evaluate", model, tmp_path / "a.txt", "--json").json
    two = call("evaluate", model, tmp_path / "a.txt", tmp_path / "b.txt", "--json").json
    assert two["tokens"] == 2 * one["tokens"]
    assert two["nats_per_token"] == pytest.approx(one["nats_per_token"], rel=1e-6)


# Sampling ------------------------------------------------------------------------------------------------------------


def test_a_seed_repeats_a_sample(call: Any, model: Path) -> None:
    first, second, other = (call("sample", model, "--seed", seed, "--length", 60).out for seed in (1, 1, 2))
    assert first == second != other
    free = {call("sample", model, "--length", 60, "--min-length", 60).out for _ in range(3)}
    assert len(free) == 3


def test_the_prompt_comes_first_and_conditions_what_follows(call: Any, model: Path) -> None:
    answer = call("sample", model, "--prompt", "The old ", "--temperature", 0, "--length", 12)
    assert answer.out.startswith("The old ")
    assert answer.err == ""
    known = TextModel(model)
    text = answer.out.removesuffix("\n")
    read = known.tokenizer.encode(text)
    with torch.no_grad():
        for at in range(len("The old "), len(read)):
            log_probs, _ = known.model.next_log_probs(torch.tensor([[NOTHING, *read[:at]]]))
            log_probs[0, known.tokenizer.unk] = -torch.inf
            assert read[at] == int(log_probs.argmax())


def test_length_bounds_the_tokens_drawn(call: Any, model: Path) -> None:
    for seed in range(3):
        options = ["--seed", seed, "--prompt", "It ", "--length", 25, "--min-length", 25]
        assert len(call("sample", model, *options).out) == len("It ") + 25 + 1


def test_a_text_is_written_to_a_file(call: Any, model: Path, tmp_path: Path) -> None:
    given = ["sample", model, "--prompt", "The ", "--length", 20, "--seed", 0]
    answer = call(*given, "--out", tmp_path / "a.txt", "--out", tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text() == answer.out == call(*given).out
    answer = call(*given, "--out", tmp_path / "a.mid")
    assert (answer.code, answer.out) == (2, "")
    assert f"--out: expected a file that ends in .txt, got {tmp_path / 'a.mid'}" in answer.err


def test_min_length_keeps_a_sentence_going(call: Any, sentences: Path) -> None:
    """Sentences here end after about seven words; a model that is told to, goes on."""
    known = TextModel(sentences)
    ended = [call("sample", sentences, "--seed", seed).out for seed in range(8)]
    assert any(len(known.tokenizer.encode(text.strip())) < 20 for text in ended)
    for seed in range(8):
        text = call("sample", sentences, "--seed", seed, "--min-length", 20, "--length", 40).out
        assert 20 <= len(known.tokenizer.encode(text.strip())) <= 40


def test_unk_is_never_drawn(call: Any, sentences: Path) -> None:
    assert unknown_probability(TextModel(sentences)) > 0.05  # or this test could not fail
    text = call("sample", sentences, "--seed", 0, "--length", 300, "--min-length", 300).out
    assert len(text.split()) > 100
    assert "unk" not in text


def test_an_unknown_prompt_comes_back_as_it_was(call: Any, model: Path, sentences: Path) -> None:
    answer = call("sample", model, "--prompt", "Żółw ", "--length", 5, "--seed", 0)
    assert answer.out.startswith("Żółw ")
    assert answer.err == "throughtime: the model does not know 3 of the prompt's 5 tokens\n"
    answer = call("sample", sentences, "--prompt", "the zebra ", "--length", 5, "--min-length", 1, "--seed", 0)
    assert re.match(r"the zebra( \w|[.,\n])", answer.out)
    assert "1 of the prompt's 2 tokens" in answer.err


def test_count_draws_with_the_seeds_that_follow(call: Any, model: Path) -> None:
    options = ["--prompt", "The ", "--length", 20, "--min-length", 20]
    texts = call("sample", model, *options, "--count", 3, "--seed", 7).out.split("\n" + "─" * 40 + "\n")
    alone = [call("sample", model, *options, "--seed", seed).out for seed in (7, 8, 9)]
    assert [text.rstrip("\n") for text in texts] == [text.rstrip("\n") for text in alone]
    found = call("sample", model, *options, "--count", 3, "--seed", 7, "--json").lines
    assert [record["seed"] for record in found] == [7, 8, 9]
    assert [record["prompt"] for record in found] == ["The "] * 3
    assert [record["text"] + "\n" for record in found] == alone


# Scoring -------------------------------------------------------------------------------------------------------------

LINES = ["The cat sat on the mat.", "Xqz!", "", "the dog ran and the bird sang under the old grey tree"]


def test_scores_are_sums_over_steps(call: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    found = call("score", model, tmp_path / "lines.txt", "--json").lines
    known = TextModel(model)
    assert [record["text"] for record in found] == [line for line in LINES if line]
    scores = known.score([line for line in LINES if line])
    assert found == [{name: value for name, value in vars(score).items() if name != "each"} for score in scores]
    for record in found:
        ids = known.tokenizer.encode(record["text"])
        assert record["log_prob"] == pytest.approx(by_steps(known, ids), rel=1e-5)
        assert record["tokens"] == len(record["text"])
        assert record["perplexity"] == pytest.approx(math.exp(-record["log_prob"] / len(ids)), rel=1e-9)
        assert record["unknown"] == sum(letter not in text_letters(known) for letter in record["text"])


def text_letters(model: TextModel) -> set[str]:
    return set(model.tokenizer.tokens(range(2, len(model.tokenizer))))


def test_a_sentence_is_scored_with_its_end(call: Any, sentences: Path) -> None:
    known = TextModel(sentences)
    record = call("score", sentences, "--line", "The cat sat.", "--json").json
    ids = [*known.tokenizer.encode("The cat sat."), known.tokenizer.eos]
    assert record["tokens"] == 5
    assert record["log_prob"] == pytest.approx(by_steps(known, ids), rel=1e-5)


def test_lines_come_from_a_file_standard_input_or_options(call: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    raw = (tmp_path / "lines.txt").read_bytes()
    file = call("score", model, tmp_path / "lines.txt").out
    assert call("score", model, stdin=raw).out == file
    assert call("score", model, "-", stdin=raw).out == file
    options = [word for line in LINES for word in ("--line", line)]
    assert call("score", model, *options, stdin=b"not read").out == file


def test_sort_puts_the_likeliest_first(call: Any, model: Path) -> None:
    options = [word for line in LINES if line for word in ("--line", line)]
    plain = call("score", model, *options, "--json").lines
    ordered = call("score", model, *options, "--json", "--sort").lines
    assert [record["text"] for record in plain] == [line for line in LINES if line]
    assert ordered == sorted(plain, key=lambda record: -float(record["log_prob"]))
    assert ordered != plain


def test_the_table_of_scores_says_the_same(call: Any, model: Path) -> None:
    options = ["--line", "The cat sat.", "--line", "Tree?"]
    rows = table(call("score", model, *options).out)
    assert rows[0] == ["log-prob (nats)", "perplexity", "tokens", "unknown", "line"]
    assert rows[1:] == [
        [f"{r['log_prob']:.2f}", f"{r['perplexity']:,.2f}", str(r["tokens"]), str(r["unknown"]), r["text"]]
        for r in call("score", model, *options, "--json").lines
    ]


def test_a_trained_model_prefers_its_own_language(call: Any, sentences: Path) -> None:
    """Sentences here begin with a capital and end with a stop: the same words the other way round are less likely."""
    options = ["--line", ". mat the on sat cat The", "--line", "The cat sat on the mat."]
    best = call("score", sentences, *options, "--sort", "--json").lines[0]
    assert best["text"] == "The cat sat on the mat."


def test_tasks_are_listed(call: Any) -> None:
    names = ["text", "sentiment", "sentiment-trees", "entities", "translation", "pronunciation"]
    names += ["speech", "music", "dna", "video", "series", "forecast", "agreement", "adding", "copy"]
    assert list(call("tasks", "--json").json) == names
    assert [row[0] for row in table(call("tasks").out)[1:]] == names
    assert table(call("tasks").out)[1][0] == "text"


# Other scripts and units ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["characters", "bytepairs"])
def test_a_script_without_spaces(call: Any, shelf: Path, tmp_path: Path, unit: str) -> None:
    run = tmp_path / "run"
    result = call("train", "text", shelf / "zh.txt", "--unit", unit, "--out", run, *SHORT, "--json").json
    assert result["unknown_share"] == 0
    known = TextModel(run)
    line = "小猫坐着唱歌。"
    ids = known.tokenizer.encode(line)
    assert known.tokenizer.decode(ids) == line
    assert len(ids) == len(line) if unit == "characters" else len(ids) < len(line)
    record = call("score", run, "--line", line, "--json").json
    assert record["log_prob"] == pytest.approx(by_steps(known, ids), rel=1e-5)
    assert record["unknown"] == 0
    sampled = call("sample", run, "--prompt", "小猫", "--seed", 3, "--length", 30, "--min-length", 30).out
    assert sampled.startswith("小猫")
    if unit == "characters":
        assert len(sampled) == 2 + 30 + 1
        assert set(sampled) <= set((shelf / "zh.txt").read_text())


def test_lowercase_is_kept_with_the_model(call: Any, text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train", "text", text, "--lowercase", "--out", run, *SHORT).code == 0
    found = call("score", run, "--line", "THE CAT", "--line", "the cat", "--json").lines
    assert found[0]["log_prob"] == found[1]["log_prob"]
    assert found[0]["unknown"] == 0


def test_rare_words_become_unk(call: Any, sentences: Path) -> None:
    known = TextModel(sentences)
    assert known.model.config.vocabulary == len(known.tokenizer) == 20
    assert call("evaluate", sentences, "--json").json["unknown_share"] > 0.1


# A cell of the user's own --------------------------------------------------------------------------------------------

LEAKY = """
import torch
from throughtime.cells import Cell, input_matrix, recurrent_matrix


class Leaky(Cell):
    def parameters(self):
        n, k = self.hidden_size, self.input_size
        return {"W": input_matrix(n, k), "U": recurrent_matrix(n, n)}

    def step(self, x, s, p):
        return {"h": 0.9 * s.h + 0.1 * torch.tanh(p.W @ x + p.U @ s.h)}
"""


def test_a_users_cell_trains_and_is_run_only_when_named(
    call: Any, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name = "leaky_cell_of_a_user", "leaky_cell_of_a_user:Leaky"
    code = tmp_path / "code"
    code.mkdir()
    (code / f"{module}.py").write_text(LEAKY)
    monkeypatch.syspath_prepend(code)
    run = tmp_path / "run"
    assert call("train", "text", text, "--cell", name, "--layers", "2", "--out", run, *SHORT).code == 0
    monkeypatch.delitem(sys.modules, module)
    for arguments in (
        ["score", run, "--line", "The cat"],
        ["sample", run],
        ["evaluate", run],
        ["train", "text", "--out", run, "--resume"],
    ):
        refused = call(*arguments)
        assert (refused.code, refused.out) == (2, ""), arguments
        assert f"pass --cell {name} if you trust it" in refused.err
        assert len(refused.err.splitlines()) == 1
    assert module not in sys.modules  # refused before a line of it ran
    assert importlib.util.find_spec(module) is not None
    assert call("score", run, "--line", "The cat", "--cell", "json:Other").code == 2
    record = call("score", run, "--line", "The cat", "--cell", name, "--json").json
    known = TextModel(run, cell=name)
    assert record["log_prob"] == pytest.approx(by_steps(known, known.encode("The cat")), rel=1e-5)
    assert call("sample", run, "--cell", name, "--seed", 0, "--length", 5).code == 0
    assert call("evaluate", run, "--cell", name).code == 0
    assert call("train", "text", "--out", run, "--resume", "--cell", name, "--steps", 4).code == 0


def test_every_token_of_a_line_is_shown(call: Any, model: Path) -> None:
    plain, record = (call("score", model, "--line", LINES[0], *more, "--json").json for more in ([], ["--tokens"]))
    each = record.pop("each")
    assert record == plain
    assert len(each) == plain["tokens"]
    assert sum(one["log_prob"] for one in each) == pytest.approx(plain["log_prob"], rel=1e-5)
    shown = call("score", model, "--line", LINES[0], "--tokens").out.splitlines()
    assert len(shown) == 1 + len(each) + 1
    assert shown[1].split()[:2] == ["1", f"{each[0]['log_prob']:.4f}"]


def test_pairs_are_counted_in_one_command(call: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("The cat\tsat.\tqq#x\n")
    assert call("score", model, "--pairs", tmp_path / "pairs.tsv", "--json").json["pairs"] == 1
    answer = call("score", model, "--pairs", tmp_path / "pairs.tsv", "--tokens")
    assert (answer.code, answer.out) == (2, "")
    assert "--pairs: expected no other lines or options with it" in answer.err
