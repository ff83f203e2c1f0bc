"""Language models on text: train, evaluate, sample, score."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from throughtime.applications.dividing import no_validation
from throughtime.applications.exported import Exported
from throughtime.applications.folder.build import Weights, drawing_aside
from throughtime.applications.folder.model_folder import ModelFolder, resumed, staged, stored
from throughtime.applications.judging.curves import draw_learning
from throughtime.applications.live.one import read_stream
from throughtime.applications.memory import as_given, as_paths, encoded, holds, is_nothing, rows, texts
from throughtime.applications.options import Options, Reading
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import read_account
from throughtime.applications.reading.verdict import no_better
from throughtime.applications.settings import TrainSettings, check_settings, option
from throughtime.applications.task import Inspected, Report, Table, Task, Trained, Use, Wanted
from throughtime.applications.text_model import (
    NAME,
    TOKENIZER,
    TextModel,
    TextSettings,
    figures,
    held_out_batches,
    language_model,
    text_end,
    token_files,
)
from throughtime.data import Streams, TokenBatch, WholeTexts
from throughtime.data.batches import BatchSource
from throughtime.data.shards.documents import ShardTexts
from throughtime.data.shards.opening import open_sharded
from throughtime.data.tables.columns import find_column, longest
from throughtime.data.tables.rows import SEEN
from throughtime.data.text.corpus import TokenFile, encode_to_file, parts
from throughtime.data.text.files import Texts
from throughtime.data.text.labelled import TEXT_NAMES
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.errors import UserError
from throughtime.files import errors_of
from throughtime.models import LanguageModel, LanguageModelConfig
from throughtime.plain import read_bytes
from throughtime.runtime.reading.encodings import asked_encoding, reading_as
from throughtime.runtime.reading.notes import note, noting
from throughtime.runtime.text.language import Score
from throughtime.tasks.text.live import TOP, LiveText
from throughtime.tasks.text.pairs import as_pairs, compare_pairs
from throughtime.tasks.text.reading import guess_by, origin_of, read_texts
from throughtime.tasks.text.sampler import TextDrawing, TextSampler
from throughtime.tasks.text.sharded import beside, check_column, learn, tidy, tokenised
from throughtime.training import Evaluation, Trainer


class TextTask(Task):
    """The language model."""

    name = NAME
    summary = "language model of running text or sentences: sample, score, evaluate"
    settings: type[TrainSettings] = TextSettings

    def start(
        self, paths: Sequence[str], out: Path, options: dict[str, Any], memory: Mapping[str, Any] | None = None
    ) -> Trainer[TokenBatch]:
        """Tokenises the texts into the run's folder and returns what trains.

        Raises:
            UserError: If the input or an option is bad; nothing is left behind.
        """
        with ExitStack() as stack, noting() as notes:
            held = (memory or {}).items()
            given = {part: stack.enter_context(as_paths(self.spill, data, part)) for part, data in held}
            settings = check_settings(TextSettings, options)
            settings.check_model()
            named = {"train": paths} | ({} if settings.valid is None else {"valid": [settings.valid]})
            texts = {part: open_sharded(found, settings.text_column) for part, found in {**named, **given}.items()}
            check_column(texts, settings)
            place, train = None, texts["train"]
            if isinstance(train, ShardTexts):
                place = stack.enter_context(beside(out, train, settings)) / "run"
            folder = stack.enter_context(staged(out, place=place))
            with reading_as(settings.encoding):
                run = self._encoded(folder, settings, texts)
            if "valid" not in run.data:
                note(no_validation(settings))
            origin = origin_of(texts, settings, given)
            for written in (Path(found[0]).parent for found in given.values()):
                notes = notes.renamed(partial(as_given, folder=written))
            read_texts(run, origin, settings, notes).save(folder)
            # What is wrong with the model, or with its engine, shows before the folder stands.
            trainer = _trainer(run)
            with drawing_aside(trainer.model):
                trainer.model.loss(TokenBatch.of([[Tokenizer.eos]]), None)
        trainer.folder = out
        return trainer

    def _encoded(self, folder: Path, settings: TextSettings, texts: Mapping[str, Texts]) -> ModelFolder:
        """A folder with a tokenizer and with the ids of texts; the model is not there yet."""
        train, valid, split = texts["train"], texts.get("valid"), settings.split
        read = dict(zip(("train", "valid"), parts(train, valid, split), strict=True))
        data: dict[str, TokenFile] = {}
        if isinstance(train, ShardTexts):
            tokenizer, data = tokenised(train, settings, folder.parent, folder)
            read = {"valid": read["valid"] if valid is not None else None}
        else:
            tokenizer = learn(parts(train, valid, split)[0], settings)
        tokenizer.save(folder / TOKENIZER)
        for name, pieces in read.items():
            if pieces is not None:
                data[name] = encode_to_file(pieces, tokenizer, folder / f"{name}.ids", split.each_line)
        settings = _fitting(data, settings, tokenizer)
        model = LanguageModelConfig(
            vocabulary=len(tokenizer),
            embedding=settings.embedding,
            tied=settings.tied,
            adaptive=_cutoffs(len(tokenizer)) if settings.adaptive else (),
            **settings.stack(),
        )
        told = {name: tokens.to_json() for name, tokens in data.items()}
        run = ModelFolder(folder, self.name, settings.model_dump(mode="json"), model.to_json(), told)
        run.save()
        return run

    def spill(self, data: Any, folder: Path) -> list[Path]:
        """Every text as a file of its own, in order.

        Args:
            data: Texts, ``[(text,), …]``, or mappings or a frame: of several columns that of a usual name, such as
                ``text`` or ``sentence``, else the one with the longest texts. A list of texts alone is one of paths.
            folder: An empty one.

        Raises:
            UserError: If the data have no such form.
        """
        found = rows(data, ("text",))
        first = [{name: str(value) for name, value in row.items()} for row in found[:SEEN]]
        column = find_column(folder, first, None, TEXT_NAMES, "", longest)
        width = len(str(len(found)))
        with errors_of(folder):
            for number, (text,) in enumerate(texts(found, column), 1):
                holds(folder / f"{number:0{width}}.txt", number).write_bytes(encoded(text, number))
        return [folder]

    def resume(self, out: Path, options: dict[str, Any], paths: Sequence[str] = ()) -> Trainer[TokenBatch]:
        """What goes on with a run from its checkpoint; options may lengthen it.

        Raises:
            UserError: If there is nothing to resume, or an option would change the run.
        """
        extended = resumed(out, self.name, TextSettings, options)
        trainer = _trainer(extended)
        trainer.resume()
        if trainer.ranks.first:
            extended.save()
            tidy(out)
        return trainer

    def describe(self, trainer: Trainer[TokenBatch], cell: str | None = None) -> str:
        """What was read; vocabulary, cell, parameters and batches an epoch."""
        model, read = trainer.model, read_account(trainer.folder)
        assert isinstance(model, LanguageModel)
        lines = [] if read is None else read.brief()
        return "\n".join([*lines, f"{_summary(model)}, {len(trainer.source):,} batches an epoch"])

    def options(self, run: Path, use: Use, cell: str | None = None) -> type[Options]:
        """Of new texts, and of an evaluation."""
        ModelFolder.open(run, self.name, cell)
        found: dict[Use, type[Options]] = {"predict": TextFollowing, "sample": TextDrawing, "evaluate": TextJudging}
        return found[use]

    def load(self, run: Path, cell: str | None = None, *, device: str = "auto", latest: bool = False) -> TrainedText:
        """The trained model of a folder."""
        return TrainedText(TextModel(run, cell=cell, device=device, latest=latest))

    def compare(self, runs: Mapping[str, Path], picture: Path) -> Sequence[Table]:
        """How each of them learnt."""
        return [draw_learning(runs, picture)]


class TextFollowing(Reading):
    """Of a text that is read as it comes: what may be asked of it."""

    top: int = option(TOP, "With --stream: next tokens that are told, the likeliest.", "Results", ge=0, le=50)


class TextJudging(Reading):
    """Of an evaluation: what may be asked of it."""

    streams: int | None = option(
        None,
        "Streams that running text is judged in; 1: every token after all before it. Default: one for 2,000 tokens.",
        "Judgement",
        ge=1,
    )


class TrainedText(Trained):
    """A trained language model.

    Args:
        text: With its tokenizer.
    """

    def __init__(self, text: TextModel) -> None:
        super().__init__(NAME, text.run.folder, text.model, text.settings)
        self.text = text

    def live(self) -> LiveText:
        """Texts are read and drawn side by side."""
        return LiveText(self.text)

    def stream(self, path: Path | None, options: Options | None = None) -> Iterator[Prediction]:
        """Every token with its probability, line by line as they come; at the end the score of all."""
        return read_stream(self.live(), path, options or TextFollowing())

    def evaluate(self, data: Any = (), options: Options | None = None) -> Report:
        """Perplexity and bits per character of other text; of the run's own validation text where none is named.

        Raises:
            UserError: If there is no text.
        """
        model = self.text
        streams = options.streams if isinstance(options, TextJudging) else None
        if is_nothing(data):
            if "valid" not in model.run.data:
                raise UserError(f"{self.folder}: holds no validation text; name a text file")
            return self._judged(token_files(model.run)["valid"], streams)
        said = getattr(options, "encoding", None)
        with (
            tempfile.TemporaryDirectory() as folder,
            as_paths(TextTask().spill, data) as paths,
            reading_as(said, asked_encoding(), model.settings.encoding),
        ):
            tokens = _encoded(model, paths, Path(folder))
            if not tokens.tokens:
                raise UserError("expected text, got none: the files are empty")
            return self._judged(tokens, streams)

    def _judged(self, tokens: TokenFile, streams: int | None) -> Report:
        """The figures of a text, beside them that of knowing how often tokens stand in the training data."""
        model, figures = self.text, self.text.evaluate(tokens, streams)
        # Counting the training data anew takes 3 ns a token, less than to open the model.
        train, vocabulary = token_files(model.run)["train"], len(model.tokenizer)
        if not train.path.exists():  # whoever hands a model on may leave its data out
            return Report(figures)
        guess = guess_by(train.ids(vocabulary), tokens.ids(vocabulary), vocabulary)
        return Report({**figures, "unigram_perplexity": guess.value}, remarks=no_better(guess, figures))

    def score(self, lines: Sequence[str], tokens: bool = False, weights: str = "float32") -> list[Score]:
        """The probability of each line, and of each of its tokens."""
        return self.text.score(lines, tokens, weights)

    def score_pairs(self, pairs: Any) -> Report:
        """How often the right one of two continuations is the likelier; see :mod:`throughtime.tasks.text.pairs`."""
        with reading_as(asked_encoding(), self.text.settings.encoding):
            return compare_pairs(self.text, as_pairs(pairs))

    def sampler(self) -> TextSampler:
        """What draws texts."""
        return TextSampler(self.text)

    def exported(self) -> Exported:
        """How its texts are read; the tokenizer."""
        text = self.text
        facts = {
            "vocabulary": len(text.tokenizer),
            "unit": text.tokenizer.unit,
            "line_ends": text.language.line_ends,
            "each_line": text.language.each_line,
        }
        return Exported("text", facts, {TOKENIZER: read_bytes(text.run.folder / TOKENIZER)})

    def inspected(self, wanted: Wanted) -> Inspected:
        """A prompt, the beginning of a file, or of the run's validation text, cut into sequences."""
        model = self.text
        texts, name = _to_look_at(model, wanted)
        if not texts:
            raise UserError(f"expected text to look at, got none in {name}")
        batch = TokenBatch.of(texts)
        # A step reads the token before the one that it predicts.
        read = [["(start)", *model.tokenizer.tokens(text[:-1])] for text in texts]
        facts = [_summary(model.model), f"{len(texts)} sequences of {name}, {batch.tokens:,} tokens"]
        return Inspected(model.model, batch, model.model.config.cell, facts, {"stack": read})


def _to_look_at(model: TextModel, wanted: Wanted) -> tuple[list[list[int]], str]:
    """Token ids of some sequences, and what to call them."""
    if wanted.prompt is not None:
        return [ids] if (ids := model.encode(wanted.prompt)) else [], "the prompt"
    eos = model.tokenizer.eos
    if is_nothing(wanted.data):
        if "valid" not in model.run.data:
            raise UserError(f"{model.run.folder}: holds no validation text; name a text file with --data")
        ids = token_files(model.run)["valid"].ids(len(model.tokenizer)).tolist()
        return _cut(ids, model, wanted, eos), "the run's validation text"
    with (
        tempfile.TemporaryDirectory() as folder,
        as_paths(TextTask().spill, wanted.data) as paths,
        reading_as(asked_encoding(), model.settings.encoding),
    ):
        tokens = _encoded(model, paths, Path(folder))
        return _cut(tokens.ids(len(model.tokenizer)).tolist(), model, wanted, eos), ", ".join(paths)


def _encoded(model: TextModel, paths: Sequence[str], folder: Path) -> TokenFile:
    """The tokens of texts, all of them, in a file of a folder."""
    pieces = parts(open_sharded(paths, model.settings.text_column), None, replace(model.split, held_out=0.0))[0]
    return encode_to_file(pieces, model.tokenizer, folder / "text.ids", model.split.each_line)


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


def _trainer(run: ModelFolder) -> Trainer[TokenBatch]:
    settings = stored(run, TextSettings)
    tokenizer, tokens = Tokenizer.load(run.folder / TOKENIZER), token_files(run)
    torch.manual_seed(settings.seed)
    model = language_model(run, settings, tokenizer, Weights.going_on(run.folder))
    ids = tokens["train"].ids(len(tokenizer))
    source: BatchSource
    if settings.cut:
        source = Streams(ids, settings.batch, settings.cut, text_end(settings, tokenizer))
    else:
        source = WholeTexts(ids, settings.batch, tokenizer.eos, settings.seed, settings.shuffle_window)
    evaluate: Callable[[], Evaluation] | None = None
    if "valid" in tokens:
        valid = tokens["valid"]
        held_out = held_out_batches(valid, settings, tokenizer)

        def evaluate() -> Evaluation:
            found = figures(model, held_out, valid)
            return Evaluation(found["nats_per_token"], found)

    unit = {"bytepairs": "byte pairs"}.get(settings.unit, settings.unit)
    return Trainer(model, source, settings.plan(), run.folder, evaluate, unit=unit)


def _fitting(data: Mapping[str, TokenFile], settings: TextSettings, tokenizer: Tokenizer) -> TextSettings:
    """The settings with a batch that a little text fills, where none was asked for.

    Raises:
        UserError: If the text fills no batch, or there is none to validate by.
    """
    if settings.cut:
        full, what = data["train"].tokens // settings.cut, f"{settings.batch} × {settings.cut} tokens"
        got, remedy = data["train"].tokens, "a smaller --batch or --bptt"
    else:
        full = got = WholeTexts(data["train"].ids(len(tokenizer)), settings.batch, tokenizer.eos).texts
        what, remedy = f"{settings.batch} texts", "a smaller --batch"
    if not full or (full < settings.batch and "batch" in settings.model_fields_set):
        raise UserError(f"expected at least one batch of {what}, got {got}; give more text, or {remedy}")
    if "valid" in data and not data["valid"].tokens:
        raise UserError("expected validation text, got none; give more text, --valid, or --held-out 0")
    if full >= settings.batch:
        return settings
    note(f"the text fills no batch of {what}: --batch {full}")
    return settings.model_copy(update={"batch": full})


def _cutoffs(vocabulary: int) -> tuple[int, ...]:
    """Clusters of the adaptive softmax: a head of the 2,000 commonest tokens, then five times as many each.

    Example:
        >>> _cutoffs(30_000), _cutoffs(500)
        ((2000, 10000), (100,))
    """
    cuts = tuple(c for c in (2000, 10_000, 50_000, 250_000) if c < vocabulary)
    return cuts or (max(1, vocabulary // 5),)
