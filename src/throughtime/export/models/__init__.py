"""Whole models as graphs: for each class of models the functions that write its forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from throughtime.errors import UserError, listed
from throughtime.export.graph import Graph, numbers
from throughtime.export.models import classifier, ctc, encoder_decoder, keys, language_model, strands, tagger
from throughtime.models import (
    Classifier,
    CTCModel,
    EncoderDecoder,
    Forecaster,
    KeyModel,
    LanguageModel,
    Model,
    Regressor,
    StrandTagger,
    Tagger,
    TreeClassifier,
)

Write = Callable[[Graph, Any], None]
"""Adds a model to a graph, its inputs and outputs among it; both are named as the runner passes them."""

WRITERS: dict[type[nn.Module], Mapping[str, Write]] = {
    LanguageModel: {"sequence": language_model.write_sequence, "step": language_model.write_step},
    Classifier: {"sequence": classifier.write_sequence},
    Regressor: {"sequence": classifier.write_regressor},
    Tagger: {"sequence": tagger.write_sequence, "step": tagger.write_step},
    StrandTagger: {"sequence": strands.write_sequence},
    EncoderDecoder: {"encoder": encoder_decoder.write_encoder, "decoder": encoder_decoder.write_decoder},
    CTCModel: {"sequence": ctc.write_sequence, "step": ctc.write_step},
    KeyModel: {"sequence": keys.write_sequence, "step": keys.write_step},
}
"""By the exact class of a model, what it can become by the name of each form: a subclass may compute something else."""

NONE: dict[type[nn.Module], str] = {
    Forecaster: "its inputs are made of a whole history in double precision; stream it instead (predict --stream)",
    TreeClassifier: "its steps follow a tree, whose shape changes from input to input",
}
"""Why a model has no form."""


def forms_of(model: nn.Module) -> Mapping[str, Write]:
    """What a model can become.

    Raises:
        UserError: If it has no form; says why.
    """
    kind: type[nn.Module] = type(model)
    if kind not in WRITERS:
        why = NONE.get(kind, f"no writer is known for it; there are writers for {listed(k.__name__ for k in WRITERS)}")
        raise UserError(f"a {kind.__name__} cannot be written as ONNX: {why}")
    both = getattr(getattr(model, "stack", None), "bidirectional", False)
    return {name: write for name, write in WRITERS[kind].items() if not (both and name == "step")}


def write_model(model: Model, form: str, metadata: Mapping[str, Any]) -> Any:
    """A model as an ``onnx.ModelProto``, as it is in use.

    Args:
        model: The model.
        form: One of :func:`forms_of`.
        metadata: What stands in the file beside the graph.

    Raises:
        UserError: If it has no form; says why.
    """
    write = forms_of(model)[form]
    dtype = next((value.dtype for value in model.parameters()), torch.float32)
    graph = Graph(f"{type(model).__name__}-{form}", numbers(dtype))
    with torch.no_grad():
        write(graph, model)
    return graph.model(metadata)
