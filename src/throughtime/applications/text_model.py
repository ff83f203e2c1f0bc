"""Trained language models of text: what they say, score and draw, and how they are judged; speech asks them, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, TypeAdapter, model_validator
from torch import Tensor
from typing_extensions import TypedDict

from throughtime.applications.folder.build import Weights, build_model
from throughtime.applications.folder.model_folder import ModelFolder, choose_device, stored
from throughtime.applications.settings import Encoding, ModelSettings, option, steps_at_least
from throughtime.data import Streams, WholeTexts
from throughtime.data.batches import NOTHING, BatchSource
from throughtime.data.progress import report
from throughtime.data.text.corpus import Split, TokenFile
from throughtime.data.text.tokenizer import Tokenizer, Unit
from throughtime.decoding import Sampling, Told, read_log_probs, sample_beside, stream_log_prob, token_log_probs
from throughtime.errors import UserError, spelled, texts_of
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.own import only
from throughtime.runtime.text.language import Language, Score, perplexity
from throughtime.schema import checked
from throughtime.visible import in_line

NAME = "text"
"""Of the task."""

TOKENIZER = "tokenizer.json"
"""Of a run's folder."""

STREAM_TOKENS = 2000
"""An evaluation divides running text into as many streams as have this many tokens each, at most :data:`STREAMS`."""
STREAMS = 64


class TextSettings(ModelSettings):
    """What a language model is trained from."""

    lacking: ClassVar[Mapping[str, str]] = {
        "folds": "a language model is judged by text that follows, or by other text: see --held-out and --valid",
        "fold": "a language model is judged by text that follows, or by other text: see --held-out and --valid",
        "group": "lines of a text belong to no groups; name text of other sources with --valid",
        "test": "a language model is judged by: throughtime evaluate RUN FILE",
    }

    unit: Unit = option(
        "characters", "What a token is: characters, words, bytepairs; tokens: what spaces part.", "Data"
    )
    eos: Literal["newline", "text"] | None = option(
        None, "What ends in EOS: newline: every line; text: every file. Default: newline for tokens, else text.", "Data"
    )
    sentences: bool = option(False, "Every line is a sentence of its own; else files are running text.", "Data")
    valid: str | None = option(None, "Validation text: a file or folder, or shards as of the text.", "Data")
    text_column: str | None = option(
        None, "Of JSON lines and parquet: field or column of the texts; default: text.", "Data"
    )
    workers: int | None = option(
        None, "Processes that tokenise shards; default: one a core, as --memory allows.", "Data", ge=1, le=4096
    )
    memory: int = option(
        2048, "Megabytes that tokenising shards takes, all its processes together.", "Data", ge=512, le=2**24
    )
    encoding: Encoding | None = option(None, "Of text that is not UTF-8, such as cp1252.", "Data")
    least_steps: int = steps_at_least(300)
    held_out: float = option(
        0.1, "Share held out where there is no --valid; of sentences every n-th.", "Data", ge=0, lt=1
    )
    lowercase: bool = option(False, "Read everything in lower case.", "Data")
    min_count: int = option(1, "Rarer tokens become UNK.", "Data", ge=1)
    max_vocab: int | None = option(None, "Most tokens of the vocabulary.", "Data", ge=4, le=2**24)
    tied: bool = option(False, "The softmax uses the embedding's weights.", "Model")
    adaptive: bool = option(False, "Adaptive softmax, for large vocabularies.", "Model")
    bptt: int | None = option(
        None,
        "Steps of truncated back-propagation; 0: whole texts. Default: 100, for sentences 0.",
        "Training",
        ge=0,
        le=10_000_000,
    )

    @model_validator(mode="after")
    def _together(self) -> TextSettings:
        if self.tied and self.adaptive:
            raise ValueError("expected --tied or --adaptive, not both: tied weights need the full softmax")
        if self.shuffle_window is not None and self.cut:
            raise ValueError(
                "--shuffle-window: running text is read as it stands, in streams; pass --sentences or --bptt 0"
            )
        return self

    @property
    def split(self) -> Split:
        """How texts are divided."""
        ends = not self.sentences and (self.eos or ("newline" if self.unit == "tokens" else "text")) == "newline"
        return Split(self.sentences, self.held_out, whole_lines=self.unit != "characters", line_ends=ends)

    @property
    def cut(self) -> int:
        """Steps of truncated back-propagation; 0: whole texts."""
        return (0 if self.sentences else 100) if self.bptt is None else self.bptt


@spelled
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
        self.run = ModelFolder.open(Path(run), NAME, cell)
        self.settings = stored(self.run, TextSettings)
        self.sentences, self.split = self.settings.sentences, self.settings.split
        self.tokenizer = Tokenizer.load(self.run.folder / TOKENIZER)
        self.language = Language(self.tokenizer, self.split.line_ends, self.split.each_line)
        weights = Weights.trained(self.run.folder, latest)
        settings = self.settings.model_copy(update={"device": device})
        self.model = language_model(self.run, settings, self.tokenizer, weights).eval()

    def __repr__(self) -> str:
        return in_line(f"TextModel({str(self.run.folder)!r}, {self.tokenizer!r})")

    def encode(self, text: str) -> list[int]:
        """A text's ids, with EOS where lines end in it."""
        return self.language.encode(text)

    def begin(self, text: str) -> list[int]:
        """The ids of a text that may go on, EOS for its line breaks where lines end in it."""
        return self.language.begin(text)

    def score(self, lines: Sequence[str], tokens: bool = False, weights: str = "float32") -> list[Score]:
        """The probability of each line, begun from nothing; of every token, too, where ``tokens`` are asked for.
        ``weights`` says what the model's matrices are kept in.
        """
        lines = texts_of(lines, "lines")
        ids = [self.encode(line) for line in lines]
        found = token_log_probs(self.model, ids, weights=weights)
        return [
            self.language.score(line, i, float(each.sum(dtype=torch.float64)), each.tolist() if tokens else None)
            for line, i, each in zip(lines, ids, found, strict=True)
        ]

    def sample(self, prompt: str, settings: Sampling) -> Iterator[str]:
        """Draws a text that begins with ``prompt``, piece by piece, the prompt first."""
        (pieces,) = self.sample_beside(prompt, [settings])
        return pieces

    def sample_beside(self, prompt: str, settings: Sequence[Sampling]) -> list[Iterator[str]]:
        """Draws texts side by side; each is what :meth:`sample` draws with its settings."""
        ids = self.begin(prompt)
        return [self.language.continued(prompt, ids, tokens) for tokens in self.draw_beside(ids, settings)]

    def draw_beside(
        self, ids: Sequence[int], settings: Sequence[Sampling], told: Told | None = None
    ) -> list[Iterator[int]]:
        """Draws the tokens of texts that go on from those of a prompt; ``told`` hears of each as it is drawn."""
        never = [self.tokenizer.unk]
        return sample_beside(self.model, ids, settings, eos=self.language.end, never=never, told=told)

    def expected(self, ids: Sequence[int]) -> Iterator[Tensor]:
        """The log-probabilities ``[V]`` of what may stand in the place of each token of a text begun from nothing; the
        second next ones may write over them.
        """
        return read_log_probs(self.model, ids)

    def text_of(self, ids: Sequence[int]) -> str:
        """The text that ids spell."""
        return "".join(self.tokenizer.stream(ids, self.split.line_ends))

    def evaluate(self, tokens: TokenFile, streams: int | None = None) -> dict[str, float | str]:
        """Figures over a file of token ids, see :func:`figures`, and which tokens were counted.

        Args:
            tokens: The file.
            streams: That running text is divided into; None: as many as are quick.
        """
        source = held_out_batches(tokens, self.settings, self.tokenizer, streams)
        ends = int((tokens.ids(len(self.tokenizer)) == self.tokenizer.eos).sum())
        what = ("line" if self.split.each_line else "text") + (" end" if ends == 1 else " ends")
        unit = {"tokens": "what stands between spaces", "bytepairs": "byte pairs"}.get(
            self.tokenizer.unit, self.tokenizer.unit
        )
        counted = f"{unit}, {tokens.unknown:,} of them unknown, and {ends:,} {what}"
        return {**figures(self.model, source, tokens), "counted": counted}


def figures(model: LanguageModel, source: BatchSource, tokens: TokenFile) -> dict[str, float]:
    """What a model finds in a text.

    Returns:
        nats_per_token, perplexity (its exponential), bits_per_character (all nats over the text's characters, so that
        units can be compared), tokens, characters, unknown_share.
    """
    nats, count = 0.0, 0
    for log_prob, size in stream_log_prob(model, source):
        nats, count = nats - log_prob, count + size
        report(count, tokens.tokens, "tokens")
    return {
        "nats_per_token": nats / count,
        "perplexity": perplexity(nats / count),
        "bits_per_character": nats / math.log(2) / max(1, tokens.characters),
        "tokens": count,
        "characters": tokens.characters,
        "unknown_share": tokens.unknown / count,
    }


class _Told(TypedDict):
    """What config.json tells of a file of token ids; its name stands for a file of the folder."""

    path: Literal["train.ids", "valid.ids"]
    wide: bool
    tokens: Annotated[int, Field(ge=0)]
    characters: Annotated[int, Field(ge=0)]
    unknown: Annotated[int, Field(ge=0)]


class _Data(TypedDict):
    data: dict[Literal["train", "valid"], _Told]


_DATA = TypeAdapter(_Data)


def token_files(run: ModelFolder) -> dict[str, TokenFile]:
    """The run's token ids, by part.

    Raises:
        UserError: If its config.json is damaged.
    """
    found = checked(_DATA, {"data": run.data}, file := str(run.folder / "config.json"))["data"]
    if "train" not in found:
        raise UserError(f"{file}: data: expected the files of train, and of valid where there is one, got no train")
    return {name: TokenFile.from_json(run.folder, told) for name, told in found.items()}


def language_model(
    run: ModelFolder, settings: TextSettings, tokenizer: Tokenizer, weights: Weights | None
) -> LanguageModel:
    """The model on its device; where no weights are given they are drawn at random.

    Raises:
        UserError: If it cannot be built, or does not go with its tokenizer.
    """

    def build() -> LanguageModel:
        config = LanguageModelConfig.from_json(run.model)
        if config.vocabulary != len(tokenizer):
            raise ValueError(
                f"expected a tokenizer.json of {config.vocabulary} tokens, as config.json says, got {len(tokenizer)}"
            )
        return LanguageModel(config, engine=settings.engine)

    with only(run.said):
        return build_model(build, weights, choose_device(settings.device), run)


def held_out_batches(
    tokens: TokenFile, settings: TextSettings, tokenizer: Tokenizer, streams: int | None = None
) -> BatchSource:
    """Text that is judged: sentences as they are, running text in streams."""
    ids = tokens.ids(len(tokenizer))
    if settings.sentences:
        return WholeTexts(ids, STREAMS, tokenizer.eos)
    rows = max(1, min(STREAMS if streams is None else streams, tokens.tokens // STREAM_TOKENS))
    return Streams(ids, rows, settings.cut or 100, text_end(settings, tokenizer))


def text_end(settings: TextSettings, tokenizer: Tokenizer) -> int:
    """The id behind which running text begins anew; no id where EOS is a line's end, and text goes on."""
    return NOTHING if settings.split.line_ends else tokenizer.eos
