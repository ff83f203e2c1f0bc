"""What is asked by HTTP is what the run itself says."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from made_data import MAKERS
from served import Served

LINES = ("sentiment", "sentiment-trees", "entities", "translation", "pronunciation")
FILES = ("speech", "music", "dna", "video", "series", "forecast")
TOLD = ("series", "forecast")
"""Whose files are read as may be guessed, which is told."""
NOTHING = ("agreement", "adding", "copy")


def plain(value: Any) -> Any:
    """As it comes back from JSON."""
    return json.loads(json.dumps(value))


def test_every_task_is_asked() -> None:
    assert {"text", *LINES, *FILES, *NOTHING} == set(MAKERS)


@pytest.mark.parametrize("task", LINES)
def test_lines_are_predicted_as_the_command_line_prints_them(served: Served, task: str) -> None:
    lines = [served.made[task].inputs[1]] * 2
    answer = served.ask(f"/predict/{task}", inputs=lines)
    assert answer["predictions"] == plain([p.data for _, p in served.house[task].run.answers_to_lines(lines)])


@pytest.mark.parametrize("task", FILES)
def test_files_are_predicted_as_the_command_line_prints_them(served: Served, task: str) -> None:
    file = served.file(task)
    answer = served.send(f"/predict/{task}", (f"/home/me/{file.name}", file.read_bytes()))
    expected = plain([prediction.data for _, prediction in served.house[task].run.answers(file)])
    assert answer["predictions"] == json.loads(json.dumps(expected).replace(str(file), file.name))
    told = [warning.startswith(f"{file.name}: ") for warning in answer["warnings"]]
    assert all(told) if task in TOLD else told == []


@pytest.mark.parametrize("task", FILES)
def test_several_files_are_predicted_together(served: Served, task: str) -> None:
    content, suffix = served.file(task).read_bytes(), served.file(task).suffix
    alone = served.send(f"/predict/{task}", (f"a{suffix}", content))["predictions"]
    both = served.send(f"/predict/{task}", (f"a{suffix}", content), (f"a{suffix}", content))["predictions"]
    assert both == alone + alone


def test_a_table_is_predicted_row_by_row(served: Served) -> None:
    table = b"text,label\nthe old cat,good\nthe mat,plain\n"
    answer = served.send("/predict/sentiment", ("../reviews.csv", table))
    lines = served.ask("/predict/sentiment", inputs=["the old cat", "the mat"])
    assert answer["predictions"] == lines["predictions"]
    assert answer["warnings"] == ["reviews.csv: the text is column 'text' (as in training)"]


def test_numbers_are_predicted(served: Served) -> None:
    notes = [[0, 1, 60], [1, 1, 64.0], [2, 2, 67]]
    answer = served.ask("/predict/music", inputs=[notes], options={"nbest": 2})
    assert answer["predictions"] == plain([p.data for p in served.house["music"].run.predict([notes], nbest=2)])
    clip = [[float(step + number) for number in range(2)] for step in range(5)]
    answer = served.ask("/predict/video", inputs=[clip, clip[:3]])
    expected = served.house["video"].run.predict([clip, clip[:3]])
    assert answer["predictions"] == plain([found.data for found in expected])


def test_letters_of_dna_are_predicted(served: Served) -> None:
    answer = served.ask("/predict/dna", inputs=["ACGTACGTAC"])
    assert answer["predictions"] == plain([p.data for p in served.house["dna"].run.predict_lines(["ACGTACGTAC"])])


def test_options_are_the_task_s_own(served: Served) -> None:
    line = "the old grey cat"
    answer = served.ask("/predict/translation", inputs=[line], options={"nbest": 3, "beam": 4, "explain": True})
    expected = served.house["translation"].run.predict_lines([line], nbest=3, beam=4, explain=True)
    assert answer["predictions"] == plain([found.data for found in expected])


def test_another_served_model_helps_a_recogniser(served: Served) -> None:
    file, text = served.file("speech"), served.house["text"].run.folder
    answer = served.send("/predict/speech", ("a.wav", file.read_bytes()), options='{"lm": "text", "nbest": 2}')
    (expected,) = served.house["speech"].run.answers(file, lm=text, nbest=2)
    assert answer["predictions"][0]["hypotheses"] == plain(expected[1].data["hypotheses"])


def test_scores_are_the_run_s_own(served: Served) -> None:
    lines = ["the old grey cat sat .", "cat"]
    run = served.house["text"].run
    for tokens in (False, True):
        answer = served.ask("/score/text", inputs=lines, options={"tokens": tokens})
        expected = [{n: v for n, v in asdict(s).items() if v is not None} for s in run.score(lines, tokens=tokens)]
        assert answer["scores"] == plain(expected)


@pytest.mark.parametrize(("task", "prompt"), [("text", "the old"), ("music", "C4 E4")])
def test_samples_are_the_run_s_own(served: Served, task: str, prompt: str) -> None:
    options = {"seed": 5, "length": 12, "temperature": 0.8, "top_p": 0.9}
    answer = served.ask(f"/sample/{task}", prompt=prompt, n=3, options=options)
    drawn = served.house[task].run.samples(3, prompt, **options)
    expected = [{"prompt": prompt, **each.data, "seed": 5 + number} for number, each in enumerate(drawn)]
    assert answer["samples"] == plain(expected)


@pytest.mark.parametrize("task", MAKERS)
@pytest.mark.parametrize("use", ["predict", "score", "sample"])
def test_what_a_model_is_not_for_is_refused_with_what_it_is_for(served: Served, use: str, task: str) -> None:
    uses = served.client.get(f"/v1/models/{task}").json()["throughtime"]["uses"]
    if use in uses:
        return
    answer = served.client.post(f"/{use}/{task}", json={"inputs": ["a"]})
    assert answer.status_code == 400
    for other in uses:
        assert f"POST /{other}/{task}" in answer.json()["error"]["message"]


def test_models_tell_what_they_take(served: Served) -> None:
    told = {each["id"]: each["throughtime"] for each in served.client.get("/v1/models").json()["data"]}
    assert {task: sorted(each["uses"]) for task, each in told.items()} == {
        "text": ["sample", "score"],
        "music": ["predict", "sample"],
        **{task: ["predict"] for task in (*LINES, "speech", "dna", "video", "series", "forecast")},
        **{task: [] for task in NOTHING},
    }
    assert told["speech"]["uses"]["predict"]["suffixes"] == [".wav", ".flac", ".ogg", ".oga", ".mp3"]
    assert told["speech"]["uses"]["predict"]["takes"] == ["files"]
    assert told["music"]["uses"]["predict"]["takes"] == ["files", "numbers"]
    assert set(told["dna"]["uses"]["predict"]["takes"]) == {"lines", "files"}
    assert ".csv" in told["video"]["uses"]["predict"]["suffixes"]
    assert ".jsonl" not in told["video"]["uses"]["predict"]["suffixes"]
    options = told["speech"]["uses"]["predict"]["options"]
    assert {"picture", "out", "prompt"}.isdisjoint(options)
    assert options["beam"]["description"]
    assert options["nbest"]["default"] == 1
    assert told["text"]["openai"] == "/v1/completions"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/predict/nothing", {"inputs": ["a"]}, 404, "models: text"),
        ("/predict/translation", {"inputs": []}, 400, "inputs"),
        ("/predict/translation", {"inputs": ["a"] * 91}, 413, "at most 90 inputs"),
        ("/predict/translation", {"inputs": ["a" * 5000]}, 413, "at most 600 tokens"),
        ("/score/text", {"inputs": ["cat " * 601]}, 413, "at most 600 tokens"),
        ("/predict/music", {"inputs": [[[0, 1, 60]] * 601]}, 413, "at most 600 rows"),
        ("/predict/music", {"inputs": [[[0, 1, "C4"]]]}, 400, "(start, length, pitch)"),
        ("/predict/music", {"inputs": ["C4 E4"]}, 400, "files in the field 'file'"),
        ("/predict/speech", {"inputs": ["/a.wav"]}, 400, "files in the field 'file'"),
        ("/predict/translation", {"inputs": ["a"], "options": {"beam": 9}}, 413, "beam: expected at most 8"),
        ("/predict/translation", {"inputs": ["a"], "options": {"beam": "wide"}}, 400, "beam: "),
        ("/predict/translation", {"inputs": ["a"], "options": {"beem": 2}}, 400, "did you mean 'beam'"),
        ("/predict/translation", {"input": ["a"]}, 400, "did you mean 'inputs'"),
        ("/predict/translation", {"inputs": ["a"], "options": {"picture": "a.png"}}, 400, "got 'picture'"),
        ("/sample/text", {"n": 3, "options": {"length": 201}}, 413, "at most 600 tokens"),
        ("/sample/text", {"n": 3, "options": {"length": "201"}}, 413, "at most 600 tokens"),
        ("/sample/text", {"n": 3, "options": {"length": 201.0}}, 413, "at most 600 tokens"),
        (
            "/predict/music",
            {"inputs": [[[0, 1, 60], [900_000, 1, 64]]]},
            413,
            "input 1: expected a tune of at most 4,096",
        ),
        ("/sample/text", {"prompt": "the", "options": {"temperature": -1}}, 400, "temperature: "),
    ],
)
def test_what_is_too_much_or_unknown_is_refused(
    served: Served, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = served.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]["message"]


def test_rows_of_a_table_are_inputs_of_a_request(served: Served) -> None:
    table = ("text,label\n" + "a cat,good\n" * 91).encode()
    answer = served.client.post("/predict/sentiment", files={"file": ("a.csv", table)})
    assert answer.status_code == 413
    assert "at most 90 inputs" in answer.json()["error"]["message"]
