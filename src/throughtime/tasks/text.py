"""Language models on text: train, evaluate, sample, score."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError, model_validator

from throughtime.data import Streams, TokenBatch, WholeTexts
from throughtime.data.batches import BatchSource
from throughtime.data.corpus import Split, TokenFile, encode_to_file, learn_tokenizer, parts
from throughtime.data.text import open_texts
from throughtime.data.tokenizer import Tokenizer
from throughtime.decoding import Sampling, sample, sequence_log_probs, stream_log_prob
from throughtime.errors import UserError
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.tasks.base import (
    Inspected,
    ModelSettings,
    Report,
    Table,
    Task,
    TrainSettings,
    Wanted,
    check_settings,
    option,
)
from throughtime.tasks.learning import draw_learning
from throughtime.tasks.run import Run, choose_device, extend, staged, stored
from throughtime.training import Evaluation, Trainer, load_weights

STREAM_TOKENS = 2000
"""An evaluation divides running text into as many streams as have this many tokens each, at most :data:`STREAMS`."""
STREAMS = 64


class TextSettings(ModelSettings):
    """What a language model is trained from."""

    unit: Literal["characters", "words", "bytepairs"] = option(
        "characters", "What a token is: characters, words, bytepairs.", "Data"
    )
    sentences: bool = option(False, "Every line is a sentence of its own; else files are running text.", "Data")
    valid: str | None = option(None, "Validation text: a file or folder.", "Data")
    held_out: float = option(
        0.1, "Share held out where there is no --valid; of sentences every n-th.", "Data", ge=0, lt=1
    )
    lowercase: bool = option(False, "Read everything in lower case.", "Data")
    min_count: int = option(1, "Rarer tokens become UNK.", "Data", ge=1)
    max_vocab: int | None = option(None, "Most tokens of the vocabulary.", "Data", ge=4)
    tied: bool = option(False, "The softmax uses the embedding's weights.", "Model")
    adaptive: bool = option(False, "Adaptive softmax, for large vocabularies.", "Model")
    bptt: int | None = option(
        None, "Steps of truncated back-propagation; 0: whole texts. Default: 100, for sentences 0.", "Training", ge=0
    )

    @model_validator(mode="after")
    def _together(self) -> TextSettings:
        if self.tied and self.adaptive:
            raise ValueError("expected --tied or --adaptive, not both: tied weights need the full softmax")
        return self

    @property
    def cut(self) -> int:
        """Steps of truncated back-propagation; 0: whole texts."""
        return (0 if self.sentences else 100) if self.bptt is None else self.bptt


@dataclass(frozen=True)
class Score:
    """The probability of a line.

    Attributes:
        text: The line.
        log_prob: In nats; EOS counted where the model knows sentences.
        tokens: Tokens scored.
        perplexity: ``exp(-log_prob / tokens)``.
        unknown: Tokens that are UNK: their probability is that of any unknown token.
    """

    text: str
    log_prob: float
    tokens: int
    perplexity: float
    unknown: int


class TextModel:
    """A trained language model with its tokenizer.

    Args:
        run: A model folder's path.
        cell: Allows a cell of the user's own, ``module:Class``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        latest: Take the checkpoint of a training that has not been validated yet, too.

    Raises:
        UserError: If the folder is no language model's, or damaged.
    """

    def __init__(self, run: str | Path, *, cell: str | None = None, device: str = "auto", latest: bool = False) -> None:
        self.run = Run.open(Path(run), TextTask.name)
        self.run.allow_cell(cell)
        self.settings = stored(self.run, TextSettings)
        self.sentences = self.settings.sentences
        self.tokenizer = Tokenizer.load(self.run.folder / "tokenizer.json")
        self.model = _build(self.run, self.settings, self.tokenizer)
        folder = self.run.folder
        load_weights(folder / "model.safetensors", self.model, folder / "checkpoint.safetensors" if latest else None)
        self.model.to(choose_device(device)).eval()

    def encode(self, text: str) -> list[int]:
        """A text's ids, with EOS where the model knows sentences."""
        return self.tokenizer.encode(text) + ([self.tokenizer.eos] if self.sentences else [])

    def score(self, lines: Sequence[str]) -> list[Score]:
        """The probability of each line, begun from nothing."""
        ids = [self.encode(line) for line in lines]
        return [
            Score(line, p, len(i), math.exp(-p / len(i)) if i else 1.0, i.count(self.tokenizer.unk))
            for line, i, p in zip(lines, ids, sequence_log_probs(self.model, ids), strict=True)
        ]

    def sample(self, prompt: str, settings: Sampling) -> Iterator[str]:
        """Draws a text that begins with ``prompt``, piece by piece, the prompt first."""
        ids = self.tokenizer.encode(prompt)
        drawn = sample(self.model, ids, settings, eos=self.tokenizer.eos, never=[self.tokenizer.unk])
        # The prompt comes back as it was given, also where the model reads UNK in it.
        if self.tokenizer.unit != "words":
            return chain([prompt], self.tokenizer.stream(drawn))
        # A word's space depends on the word before it.
        return chain([prompt.rstrip(" ")], islice(self.tokenizer.stream(chain(ids, drawn)), len(ids), None))

    def evaluate(self, tokens: TokenFile) -> dict[str, float]:
        """Figures over a file of token ids; see :func:`figures`."""
        source = _held_out(tokens, self.settings, self.tokenizer.eos)
        return figures(self.model, source, tokens)


class TextTask(Task):
    """The language model."""

    name = "text"
    summary = "language model of running text or sentences: sample, score, evaluate"
    settings: type[TrainSettings] = TextSettings

    def start(self, paths: Sequence[str], out: Path, options: dict[str, Any]) -> Trainer[TokenBatch]:
        """Tokenises the texts into the run's folder and returns what trains.

        Raises:
            UserError: If the input or an option is bad; nothing is left behind.
        """
        settings = check_settings(TextSettings, options)
        settings.check_model()
        texts = open_texts(paths)
        valid = None if settings.valid is None else open_texts([settings.valid])
        split = Split(settings.sentences, settings.held_out, whole_lines=settings.unit != "characters")
        with staged(out) as folder:
            tokenizer = learn_tokenizer(
                parts(texts, valid, split)[0],
                settings.unit,
                min_count=settings.min_count,
                max_size=settings.max_vocab,
                lowercase=settings.lowercase,
            )
            tokenizer.save(folder / "tokenizer.json")
            data = {
                name: encode_to_file(pieces, tokenizer, folder / f"{name}.ids", settings.sentences)
                for name, pieces in zip(("train", "valid"), parts(texts, valid, split), strict=True)
                if pieces is not None
            }
            _check_size(data, settings, tokenizer.eos)
            model = LanguageModelConfig(
                vocabulary=len(tokenizer),
                embedding=settings.embedding,
                tied=settings.tied,
                adaptive=_cutoffs(len(tokenizer)) if settings.adaptive else (),
                **settings.stack(),
            )
            run = Run(
                folder,
                self.name,
                settings.model_dump(mode="json"),
                model.to_json(),
                {name: tokens.to_json() for name, tokens in data.items()},
            )
            run.save()
            # What is wrong with the model, or with its engine, shows before the folder stands.
            _trainer(run).model.loss(TokenBatch.of([[tokenizer.eos]]), None)
        return _trainer(Run.open(out))

    def resume(self, out: Path, options: dict[str, Any]) -> Trainer[TokenBatch]:
        """What goes on with a run from its checkpoint; options may lengthen it.

        Raises:
            UserError: If there is nothing to resume, or an option would change the run.
        """
        extended = extend(Run.open(out, self.name), TextSettings, options)
        trainer = _trainer(extended)
        trainer.resume()
        extended.save()
        return trainer

    def describe(self, trainer: Trainer[TokenBatch]) -> str:
        """Vocabulary, cell, parameters and batches an epoch."""
        model = trainer.model
        assert isinstance(model, LanguageModel)
        return f"{_summary(model)}, {len(trainer.source):,} batches an epoch"

    def evaluate(self, run: Path, paths: Sequence[str], cell: str | None = None) -> Report:
        """Perplexity and bits per character of other text; of the run's own validation text where none is named.

        Raises:
            UserError: If there is no text, or the folder is no language model's.
        """
        model = TextModel(run, cell=cell)
        if not paths:
            if "valid" not in model.run.data:
                raise UserError(f"{run}: holds no validation text; name a text file")
            return Report(model.evaluate(_token_files(model.run)["valid"]))
        split = Split(model.sentences, 0.0, whole_lines=False)
        with tempfile.TemporaryDirectory() as folder:
            pieces = parts(open_texts(paths), None, split)[0]
            tokens = encode_to_file(pieces, model.tokenizer, Path(folder) / "text.ids", model.sentences)
            if not tokens.tokens:
                raise UserError("expected text, got none: the files are empty")
            return Report(model.evaluate(tokens))

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """How each of them learnt."""
        return [draw_learning(runs, picture)]

    def inspected(self, run: Path, cell: str | None, wanted: Wanted) -> Inspected:
        """A prompt, the beginning of a file, or of the run's validation text, cut into sequences."""
        model = TextModel(run, cell=cell, latest=True)
        texts, name = _to_look_at(model, wanted)
        if not texts:
            raise UserError(f"expected text to look at, got none in {name}")
        batch = TokenBatch.of(texts)
        # A step reads the token before the one that it predicts.
        read = [["", *model.tokenizer.tokens(text[:-1])] for text in texts]
        facts = [_summary(model.model), f"{len(texts)} sequences of {name}, {batch.tokens:,} tokens"]
        return Inspected(model.model, batch, model.model.config.cell, facts, {"stack": read})


def _to_look_at(model: TextModel, wanted: Wanted) -> tuple[list[list[int]], str]:
    """Token ids of some sequences, and what to call them."""
    if wanted.prompt is not None:
        return [ids] if (ids := model.encode(wanted.prompt)) else [], "the prompt"
    eos = model.tokenizer.eos
    if not wanted.paths:
        if "valid" not in model.run.data:
            raise UserError(f"{model.run.folder}: holds no validation text; name a text file with --data")
        return _cut(_token_files(model.run)["valid"].ids().tolist(), model, wanted, eos), "the run's validation text"
    pieces = parts(open_texts(wanted.paths), None, Split(model.sentences, 0.0, whole_lines=False))[0]
    with tempfile.TemporaryDirectory() as folder:
        tokens = encode_to_file(pieces, model.tokenizer, Path(folder) / "text.ids", model.sentences)
        return _cut(tokens.ids().tolist(), model, wanted, eos), ", ".join(wanted.paths)


def _cut(ids: list[int], model: TextModel, wanted: Wanted, eos: int) -> list[list[int]]:
    """Sentences as they are, running text in pieces; the longest of the first ones that are not too long."""
    if not model.sentences:
        pieces = [ids[begin : begin + wanted.length] for begin in range(0, len(ids), wanted.length)]
        return [piece for piece in pieces[: wanted.rows] if piece]
    ends = [number + 1 for number, token in enumerate(ids) if token == eos]
    sentences = [ids[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return sorted((s for s in sentences if len(s) <= wanted.length), key=len)[-wanted.rows :]


def _summary(model: LanguageModel) -> str:
    config, parameters = model.config, sum(p.numel() for p in model.parameters())
    return (
        f"{config.cell} {config.layers} × {config.hidden}, {parameters:,} parameters, vocabulary {config.vocabulary:,}"
    )


def figures(model: LanguageModel, source: BatchSource, tokens: TokenFile) -> dict[str, float]:
    """What a model finds in a text.

    Returns:
        nats_per_token, perplexity (its exponential), bits_per_character (all nats over the text's characters, so that
        units can be compared), tokens, characters, unknown_share.
    """
    nats, count = 0.0, 0
    for log_prob, size in stream_log_prob(model, source):
        nats, count = nats - log_prob, count + size
    return {
        "nats_per_token": nats / count,
        "perplexity": math.exp(min(nats / count, 700.0)),
        "bits_per_character": nats / math.log(2) / max(1, tokens.characters),
        "tokens": count,
        "characters": tokens.characters,
        "unknown_share": tokens.unknown / count,
    }


def _token_files(run: Run) -> dict[str, TokenFile]:
    try:
        files = TypeAdapter(dict[Literal["train", "valid"], TokenFile]).validate_python(run.data)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, ("data", *first["loc"])))
        raise UserError(f"{run.folder / 'config.json'}: {name}: {first['msg']}; the file is damaged") from error
    return {name: replace(file, path=run.folder / file.path) for name, file in files.items()}


def _build(run: Run, settings: TextSettings, tokenizer: Tokenizer) -> LanguageModel:
    try:
        config = LanguageModelConfig.from_json(run.model)
        if config.vocabulary != len(tokenizer):
            raise ValueError(
                f"expected a tokenizer.json of {config.vocabulary} tokens, as config.json says, got {len(tokenizer)}"
            )
        return LanguageModel(config, engine=settings.engine)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: more memory than there is
        raise UserError(f"the model cannot be built: {error}") from error


def _trainer(run: Run) -> Trainer[TokenBatch]:
    settings = stored(run, TextSettings)
    tokenizer = Tokenizer.load(run.folder / "tokenizer.json")
    tokens = _token_files(run)
    torch.manual_seed(settings.seed)
    model = _build(run, settings, tokenizer).to(choose_device(settings.device))
    ids = tokens["train"].ids()
    source: BatchSource
    if settings.cut:
        source = Streams(ids, settings.batch, settings.cut, tokenizer.eos)
    else:
        source = WholeTexts(ids, settings.batch, tokenizer.eos, settings.seed)
    evaluate: Callable[[], Evaluation] | None = None
    if "valid" in tokens:
        valid = tokens["valid"]
        held_out = _held_out(valid, settings, tokenizer.eos)

        def evaluate() -> Evaluation:
            found = figures(model, held_out, valid)
            return Evaluation(found["nats_per_token"], found)

    return Trainer(model, source, settings.plan(), run.folder, evaluate)


def _held_out(tokens: TokenFile, settings: TextSettings, eos: int) -> BatchSource:
    if settings.sentences:
        return WholeTexts(tokens.ids(), STREAMS, eos)
    rows = max(1, min(STREAMS, tokens.tokens // STREAM_TOKENS))
    return Streams(tokens.ids(), rows, settings.cut or 100, eos)


def _check_size(data: dict[str, TokenFile], settings: TextSettings, eos: int) -> None:
    tokens = data["train"].tokens
    if settings.cut and tokens < settings.batch * settings.cut:
        raise UserError(
            f"expected at least one batch of {settings.batch} × {settings.cut} tokens, got {tokens}; "
            "give more text, or a smaller --batch or --bptt"
        )
    if not settings.cut:
        texts = WholeTexts(data["train"].ids(), settings.batch, eos).texts
        if texts < settings.batch:
            raise UserError(
                f"expected at least one batch of {settings.batch} texts, got {texts}; "
                "give more text, or a smaller --batch"
            )
    if "valid" in data and not data["valid"].tokens:
        raise UserError("expected validation text, got none; give more text, --valid, or --held-out 0")


def _cutoffs(vocabulary: int) -> tuple[int, ...]:
    """Clusters of the adaptive softmax: a head of the 2,000 commonest tokens, then five times as many each.

    Example:
        >>> _cutoffs(30_000), _cutoffs(500)
        ((2000, 10000), (100,))
    """
    cuts = tuple(c for c in (2000, 10_000, 50_000, 250_000) if c < vocabulary)
    return cuts or (max(1, vocabulary // 5),)
