"""What the page tells of a language model is what the model does, step by step."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from starlette.testclient import TestClient
from torch.nn import functional as F

import throughtime
from throughtime.applications.text_model import TextModel
from throughtime.data.batches import NOTHING
from throughtime.decoding import Sampling
from throughtime.layers import named_cells
from throughtime.serving import House, create_app
from throughtime.serving.page import watched
from throughtime.serving.settings import ServeSettings

LINE = "the cat, which"
TEXT = "the cat, which already ate, was full\nthe cats, which already ate, were full\n" * 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, throughtime.Run]:
    """Language models of every kind of reading, hardly trained."""
    folder = tmp_path_factory.mktemp("runs")
    given: dict[str, dict[str, Any]] = {
        "letters": {"layers": 2, "cell": "lstm-peephole"},
        "words": {"unit": "words", "cell": "gru", "eos": "newline", "min_count": 7},
        "pairs": {"unit": "bytepairs", "max_vocab": 270, "cell": "rnn", "adaptive": False},
    }
    sizes = {"hidden": 8, "embedding": 6, "steps": 3, "batch": 2, "bptt": 8, "held_out": 0, "progress": False}
    (folder / "text.txt").write_text(TEXT)
    return {
        name: throughtime.train("text", folder / "text.txt", out=folder / name, **sizes, **options)
        for name, options in given.items()
    }


@pytest.fixture(scope="module")
def client(runs: dict[str, throughtime.Run]) -> Iterator[TestClient]:
    folders = [f"{name}={run.folder}" for name, run in runs.items()]
    app = create_app(House(folders, lambda folder: throughtime.load(folder)), ServeSettings(tokens=200), lambda _: None)
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def asked(client: TestClient, what: str, name: str, **given: Any) -> Any:
    answer = client.post(f"/page/{what}/{name}", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def floats(packed: str) -> npt.NDArray[np.float32]:
    return np.frombuffer(b64decode(packed), "<f4")


def text_of(run: throughtime.Run) -> TextModel:
    found = run.trained.text  # type: ignore[attr-defined]
    assert isinstance(found, TextModel)
    return found


@pytest.mark.parametrize("name", ["letters", "words", "pairs"])
def test_chances_are_those_of_a_score(name: str, client: TestClient, runs: dict[str, throughtime.Run]) -> None:
    found = asked(client, "text", name, text=LINE)
    (score,) = runs[name].score(LINE, tokens=True)
    own = score.each[: len(found["tokens"])]
    np.testing.assert_allclose([t["log_prob"] for t in found["tokens"]], [t.log_prob for t in own], atol=1e-5)
    if name != "words":  # rare words are told as unknown
        assert "".join(t["text"] for t in found["tokens"]) == LINE
    assert [t["known"] for t in found["tokens"]] == [t.token != "<unk>" for t in own]
    assert len(found["next"]) == len(found["columns"]) == len(own) + 1


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_what_comes_next_is_what_the_score_of_each_says(
    temperature: float, client: TestClient, runs: dict[str, throughtime.Run]
) -> None:
    found = asked(client, "text", "letters", text="the", temperature=temperature)
    text = text_of(runs["letters"])
    alone = {
        letter: runs["letters"].score(f"the{letter}", tokens=True)[0].each[-1].log_prob
        for letter in text.tokenizer.tokens(range(len(text.tokenizer)))
        if len(letter) == 1
    }
    own = [row for row in found["next"][3] if row[0] in alone]
    assert len(own) >= 4
    with torch.no_grad():
        log_probs, _ = text.model.next_log_probs(torch.tensor([[NOTHING, *text.begin("the")]]))
    most = float(log_probs[0].max())
    for letter, share in own:
        if temperature:
            whole = float((log_probs[0] / temperature).logsumexp(0))
            assert share == pytest.approx(math.exp(alone[letter] / temperature - whole), rel=1e-4)
        else:
            assert share == float(alone[letter] > most - 1e-6)
    assert [share for _, share in found["next"][3]] == sorted((s for _, s in found["next"][3]), reverse=True)


@pytest.mark.parametrize("name", ["letters", "words", "pairs"])
def test_columns_are_the_states_and_gates_of_every_layer(
    name: str, client: TestClient, runs: dict[str, throughtime.Run]
) -> None:
    text = text_of(runs[name])
    ids = torch.tensor([[NOTHING, *text.begin(LINE)]])
    with torch.no_grad():
        below = text.model.embed(ids)
        for number, cell in enumerate(named_cells(text.model)):
            outputs, final = cell.directed(below)
            layers = asked(client, "text", name, text=LINE)["layers"]
            gates = layers[number]["gates"]
            assert gates[: len(cell.directed.cell.state)] == layers[number]["states"] == list(cell.directed.cell.state)
            seen = {
                gate: np.stack(
                    [floats(c) for c in asked(client, "text", name, text=LINE, layer=number, gate=gate)["columns"]]
                )
                for gate in gates
            }
            np.testing.assert_allclose(seen[gates[0]], outputs[0].numpy(), atol=1e-6)
            for state, value in final.items():
                np.testing.assert_allclose(seen[state][-1], value[0].numpy(), atol=1e-6)
            below = outputs
    if name == "letters":  # the gates are those of the equations: c = f c + i g
        assert gates == ["h", "c", "i", "f", "g", "o"]
        np.testing.assert_allclose(
            seen["c"][1:], seen["f"][1:] * seen["c"][:-1] + (seen["i"] * seen["g"])[1:], atol=1e-6
        )


@pytest.mark.parametrize("at", [0, 1, 5])
def test_reach_is_how_the_loss_moves_with_each_input(
    at: int, client: TestClient, runs: dict[str, throughtime.Run]
) -> None:
    text = text_of(runs["letters"])
    model, ids = text.model, text.begin(LINE)
    found = asked(client, "reach", "letters", text=LINE, at=at)["reach"]
    assert len(found) == at
    weights = {name: value.double() for name, value in model.state_dict().items()}
    twin = type(model)(model.config, engine="reference").double().eval()
    twin.load_state_dict(weights)
    inputs = twin.embed(torch.tensor([[NOTHING, *ids[:at]]])).detach()

    def loss(x: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(twin.logits(twin.stack(x)[0][:, -1]), torch.tensor([ids[at]]))

    step = 1e-6
    for s in range(1, at + 1):  # central differences, number by number
        slopes = []
        for k in range(inputs.shape[2]):
            moved = torch.zeros_like(inputs)
            moved[0, s, k] = step
            with torch.no_grad():
                slopes.append(float(loss(inputs + moved) - loss(inputs - moved)) / (2 * step))
        assert found[s - 1] == pytest.approx(math.hypot(*slopes), rel=1e-4)


@pytest.mark.parametrize("name", ["letters", "words", "pairs"])
def test_what_is_drawn_is_what_a_sample_draws(name: str, client: TestClient, runs: dict[str, throughtime.Run]) -> None:
    given = {"text": "the", "length": 12, "seed": 3, "temperature": 1.2}
    with client.stream("POST", f"/page/draw/{name}", json=given) as answer:
        steps = [json.loads(line) for line in answer.iter_lines()]
    whole = runs[name].sample("the", length=12, seed=3, temperature=1.2).text
    assert "the" + "".join(step["text"] for step in steps) == whole
    if name == "letters":
        read = asked(client, "text", name, text=whole, temperature=1.2)
        np.testing.assert_allclose(
            [step["log_prob"] for step in steps], [t["log_prob"] for t in read["tokens"]][3:], atol=1e-5
        )
        for step, column, after in zip(steps, read["columns"][4:], read["next"][4:], strict=True):
            np.testing.assert_allclose(floats(step["column"]), floats(column), atol=1e-5)
            np.testing.assert_allclose([s for _, s in step["next"]], [s for _, s in after], atol=1e-5)


@pytest.mark.parametrize(
    ("what", "given", "status", "told"),
    [
        ("text", {"text": "a" * 201}, 413, "at most 200 characters"),
        ("text", {"text": "a", "layer": 2}, 400, "below 2"),
        ("text", {"text": "a", "gate": "x"}, 400, "expected one of h, c, i, f, g, o"),
        ("reach", {"text": "ab", "at": 2}, 400, "below 2"),
        ("draw", {"text": "a", "gate": "x"}, 400, "expected one of"),
        ("draw", {"text": "a", "seed": -1}, 422, "seed"),
        ("text", {"text": "a", "path": "/etc/passwd"}, 422, "path"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_line(
    what: str, given: dict[str, Any], status: int, told: str, client: TestClient
) -> None:
    answer = client.post(f"/page/{what}/letters", json=given)
    assert answer.status_code == status
    message = answer.json()["error"]["message"]
    assert told in message
    assert "\n" not in message


def test_a_view_of_nothing_is_refused_also_where_nothing_is_drawn(
    runs: dict[str, throughtime.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(runs["letters"])
    monkeypatch.setattr(watched, "new_draws", lambda settings: lambda row, never: text.language.end)
    assert list(watched.draw(text, "a", Sampling(), watched.View())) == []
    with pytest.raises(throughtime.UserError, match="gate: expected one of h, c"):
        list(watched.draw(text, "a", Sampling(), watched.View(gate="x")))


def test_reading_leaves_the_model_as_it_was(client: TestClient, runs: dict[str, throughtime.Run]) -> None:
    model = runs["letters"].model
    asked(client, "text", "letters", text=LINE)
    asked(client, "reach", "letters", text=LINE, at=3)
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(value.grad is None for value in model.parameters())


def test_nothing_of_a_text_is_nothing(client: TestClient) -> None:
    found = asked(client, "text", "letters", text="")
    assert found["tokens"] == []
    assert len(found["next"]) == len(found["columns"]) == 1
