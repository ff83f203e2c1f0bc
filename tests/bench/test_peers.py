"""What is compared computes the same: outputs, gradients, states, graphs; and the work is counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from familiar import FAMILIAR
from throughtime.bench.measures.drawing import Plain, drawers
from throughtime.bench.measures.streaming import open_stream, open_torch_stream
from throughtime.bench.measures.training import draw_lengths, make_step
from throughtime.bench.measures.words import layer_step, make_batch, make_model, our_step, peer_step
from throughtime.bench.onnx_peer import has_node, make_graph, open_onnx_stream
from throughtime.bench.peers import check_cell, make_layer, make_peer, multiply_adds, peer_of
from throughtime.bench.plan import GATED, Shape
from throughtime.cells import CELLS
from throughtime.errors import UserError
from throughtime.layers import Recurrent
from throughtime.models import LanguageModel, LanguageModelConfig

TORCH_CELLS = ("lstm", "gru", "rnn")


def layer_of(cell: str, k: int = 3, n: int = 5) -> Recurrent:
    """A layer whose biases and peepholes are not the zeros that they start as."""
    torch.manual_seed(1)
    layer = make_layer(cell, k, n)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return layer


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("cell", [*TORCH_CELLS, *GATED, "rnn-relu"])
def test_peers_compute_the_same(cell: str, ragged: bool) -> None:
    layer = layer_of(cell)
    peer = make_peer(layer)
    x = torch.randn(4, 9, 3, requires_grad=True)
    gradient = torch.randn(4, 9, 5)
    lengths = torch.tensor([9, 1, 4, 4]) if ragged else None
    found = []
    for module in (layer, peer):
        step = make_step(module, x, gradient, lengths)
        step.reset()
        assert x.grad is None
        outputs = step.forward()
        step()
        assert x.grad is not None
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
        weights = {tuple(p.shape): p.grad for p in module.parameters() if p.dim() == 2}
        found.append((outputs, x.grad, weights))
    (ours, dx, dW), (theirs, their_dx, their_dW) = found
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(dx, their_dx)
    torch.testing.assert_close(dW, their_dW)
    if ragged:
        assert ours[1, 1:].abs().max() == 0


def test_a_second_step_makes_its_gradients_anew() -> None:
    layer = layer_of("lstm")
    step = make_step(layer, torch.randn(2, 3, 3, requires_grad=True), torch.randn(2, 3, 5))
    step()
    first = [leaf.grad for leaf in step.leaves]
    step.measured()()
    torch.testing.assert_close([leaf.grad for leaf in step.leaves], first)


def test_peers_are_what_a_user_would_take() -> None:
    assert {cell: peer_of(cell) for cell in (*TORCH_CELLS, "gru-full", "mgu")} == {
        "lstm": "torch.nn",
        "gru": "torch.nn",
        "rnn": "torch.nn",
        "gru-full": "eager loop",
        "mgu": "eager loop",
    }
    assert type(make_peer(make_layer("gru", 2, 3))) is nn.GRU
    loop = make_peer(make_layer("gru-full", 2, 3))
    assert isinstance(loop, Recurrent)
    assert loop.engine == "reference"
    assert type(make_layer("throughtime.cells:MGUCell", 2, 3).cell) is CELLS["mgu"]


@pytest.mark.parametrize("cell", FAMILIAR)
def test_every_cell_has_a_layer_and_a_peer(cell: str) -> None:
    layer = make_layer(cell, 3, 5)
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(layer(x)[0], make_peer(layer)(x)[0])


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("rnn", 7 * 3 + 7 * 7),
        ("gru", 3 * (7 * 3 + 7 * 7)),
        ("gru-full", 3 * (7 * 3 + 7 * 7)),
        ("gru-simplified", 2 * (7 * 3 + 7 * 7)),
        ("lstm", 4 * (7 * 3 + 7 * 7)),
        ("lstm-peephole", 4 * (7 * 3 + 7 * 7)),  # peepholes are no matrices
        ("lstm-coupled", 3 * (7 * 3 + 7 * 7)),
        ("mgu", 2 * (7 * 3 + 7 * 7)),
    ],
)
def test_multiply_adds_by_hand(cell: str, count: int) -> None:
    assert multiply_adds(make_layer(cell, 3, 7).cell) == count


def test_lengths_are_from_a_tenth_to_all_of_the_steps() -> None:
    torch.manual_seed(0)
    lengths = draw_lengths(Shape(2000, 50, 1, 1, 1))
    assert (int(lengths.min()), int(lengths.max()), int(lengths[0])) == (5, 50, 50)
    assert float(lengths.float().mean()) == pytest.approx(27.5, abs=1)
    assert draw_lengths(Shape(3, 2, 1, 1, 1)).min() >= 1


def test_an_unknown_cell_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown cell 'ltsm' \(did you mean 'lstm'\?\); cells: .* … and \d+ more"):
        check_cell("ltsm")


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [*TORCH_CELLS, "mgu"])
def test_streams_carry_the_state(cell: str) -> None:
    layer = layer_of(cell)
    x = torch.randn(1, 6, 3)
    with torch.inference_mode():
        whole = layer(x)[0][0]
        ours = open_stream(layer)
        torch.testing.assert_close(torch.cat([ours(frame) for frame in x[0].split(1)]), whole)
        if cell != "mgu":
            theirs = open_torch_stream(make_peer(layer))
            steps = [theirs(frame.unsqueeze(0))[0] for frame in x[0].split(1)]
            torch.testing.assert_close(torch.cat(steps), whole)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "mgu"])
def test_both_draw_from_the_same_model(cell: str) -> None:
    torch.manual_seed(4)
    model = LanguageModel(LanguageModelConfig(vocabulary=4, cell=cell, hidden=5, embedding=3)).eval()
    ours, theirs = (list(draw(12)) for draw in drawers(model).values())
    assert len(ours) == len(theirs) == 12
    if cell == "mgu":
        return
    plain, read = Plain(model), torch.tensor([[0, 3, 1, 2]])
    outputs, _ = plain.recurrent(plain.embedding(read))
    torch.testing.assert_close(plain.softmax(outputs[:, -1]).log_softmax(-1), model.next_log_probs(read)[0])


@pytest.mark.parametrize("cell", [*TORCH_CELLS, "mgu"])
def test_loops_over_words_train_the_same_model(cell: str) -> None:
    torch.manual_seed(2)
    model, batch = make_model(cell, 2_100, 6), make_batch(2_100, 25, 20)  # so many that ours goes in blocks
    ours, peer = our_step(model, batch), peer_step(model, batch)
    layer = make_model(cell, 2_100, 6)
    layer.load_state_dict(model.state_dict())
    losses = [[step() for _ in range(3)] for step in (ours, peer, layer_step(layer, batch))]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # torch.nn has two biases, which go twice as far
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[0][2] < losses[0][0]


@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_the_onnx_graph_is_the_layer(cell: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    layer = layer_of(cell)
    x = torch.randn(1, 6, 3)
    stream = open_onnx_stream(layer)
    steps = [torch.from_numpy(stream(frame.unsqueeze(0).numpy()).copy())[0] for frame in x[0].split(1)]
    with torch.inference_mode():
        torch.testing.assert_close(torch.cat(steps), layer(x)[0][0])


def test_the_onnx_graph_takes_a_batch_and_its_state() -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    layer = layer_of("lstm")
    session = onnxruntime.InferenceSession(make_graph(layer), providers=["CPUExecutionProvider"])
    x, h, c = torch.randn(2, 1, 3), torch.randn(1, 2, 5), torch.randn(1, 2, 5)
    new = session.run(["new_h", "new_c"], {"x": x.transpose(0, 1).numpy(), "h": h.numpy(), "c": c.numpy()})
    with torch.inference_mode():
        _, state = layer(x, (h, c))
    torch.testing.assert_close([torch.from_numpy(value) for value in new], list(state))


def test_onnx_has_no_node_for_other_cells() -> None:
    assert [has_node(make_layer(cell, 2, 3)) for cell in ("lstm", "gru", "rnn", "gru-full", "mgu")] == [
        True,
        True,
        True,
        False,
        False,
    ]
