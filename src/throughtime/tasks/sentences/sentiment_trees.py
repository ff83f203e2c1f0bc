"""The task ``sentiment-trees``: a label for every node of a parsed sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.text import Text
from typing_extensions import TypedDict

from throughtime.applications.application import Application, unknown_label
from throughtime.applications.folder.learnt import Closed, Open
from throughtime.applications.judging.classification import MAJORITY, ClassSettings, trust
from throughtime.applications.judging.labels import confusion, counts, majority, surest_errors
from throughtime.applications.memory import rows, texts, write_texts
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Inputs
from throughtime.applications.reading.readable import commonest
from throughtime.applications.settings import DataSettings, option, steps_at_least
from throughtime.applications.task import Report, Table
from throughtime.data.tables.rows import TABLES
from throughtime.data.trees.treebank import parse_brackets, parse_heads, read_brackets, read_heads
from throughtime.data.trees.trees import Tree, TreeBatch, batch_trees, drawn, right_branching, to_brackets
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError, listed
from throughtime.layers.trees import TREE_CELLS, find_tree_cell
from throughtime.models.tree_classifier import TreeClassifier, TreeClassifierConfig
from throughtime.runtime.remarks import long_input
from throughtime.runtime.text.words import split_words
from throughtime.tasks.sentences.predictions import Node, TreePrediction
from throughtime.tasks.sentences.trees_judged import JudgedTrees, is_number, judge_trees
from throughtime.tasks.sentences.trees_read import TreeOptions, tree_inputs, with_two_children
from throughtime.training import Evaluation, OptimiserName
from throughtime.training.calibration import calibrate

COLOURS = ("bold red", "red", "default", "green", "bold green")
"""From the first label to the last."""


class SentimentTreesSettings(DataSettings, ClassSettings):
    """What training on labelled trees takes."""

    lowercase: bool = option(True, "Look words up in lower case.", "Data")
    min_count: int = option(1, "Rarer words become UNK.", "Data", ge=1)
    cell: str = option("tree-lstm", f"{', '.join(TREE_CELLS)}, or module:Class.", "Model")
    hidden: int = option(150, "Units of the cell.", "Model", ge=1, le=2**24)
    embedding: int = option(150, "Features of a word's embedding.", "Model", ge=1, le=2**24)
    dropout: float = option(0.5, "Of embeddings, and before the output.", "Model", ge=0, lt=1)
    word_dropout: float = option(0.02, "Words read as UNK while training.", "Model", ge=0, lt=1)
    root_weight: float = option(1.0, "A root's share in the loss against another node's.", "Model", gt=0)
    batch: int = option(25, "Trees side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(5.0, "Passes over the data.", "Training", gt=0)
    least_steps: int = steps_at_least(300)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    weight_decay: float = option(0.01, "Of the optimiser.", "Training", ge=0)

    def check_model(self) -> None:
        """Refuses a cell that does not exist.

        Raises:
            UserError: If there is none of that name.
        """
        find_tree_cell(self.cell)


class LabelledTrees(TypedDict):
    """What ``vocabulary.json`` holds."""

    words: Open
    labels: Closed
    majority: str


class SentimentTrees(Application[Tree]):
    """Sentiment, or any other label, of every node of a tree: constituents in brackets, or dependency heads."""

    trained = "words"
    needs_all = "its steps follow a tree up to the root"
    name = "sentiment-trees"
    unit = "nodes"
    summary = "classifier of every node of a parsed sentence, such as its sentiment: labels, drawn as a tree"
    settings_type: ClassVar[type[DataSettings]] = SentimentTreesSettings
    example_type = Tree
    vocabulary_type: ClassVar[Any] = LabelledTrees
    baselines: ClassVar[tuple[Baseline, ...]] = (replace(MAJORITY, figure="root_accuracy"),)
    suffixes = (".txt", ".ptb", ".trees", ".mrg", ".conllu")
    predicting = TreeOptions
    column = Column("text", ("tree", "sentence", "text"))
    tables: ClassVar[tuple[str, ...]] = (*suffixes[1:], *TABLES)

    def __init__(self, settings: SentimentTreesSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.words = Vocabulary(vocabulary["words"])
        self.labels = Vocabulary(vocabulary["labels"])
        self.cell = find_tree_cell(settings.cell)

    # Data.

    @classmethod
    def read(cls, paths: Sequence[Path], settings: SentimentTreesSettings) -> Iterator[Tree]:
        """The trees of files; see :func:`read_brackets` and :func:`read_heads`."""
        ordered = find_tree_cell(settings.cell).arity is not None
        for path in paths:
            heads = path.suffix.lower() == ".conllu"
            if heads and ordered:
                raise UserError(
                    f"{path}: expected trees in brackets for --cell {settings.cell}, which tells a first child from a "
                    "second, got dependency heads; pass --cell child-sum"
                )
            for tree in read_heads(path) if heads else read_brackets(path):
                if not tree.labels[tree.root]:
                    remedy = "write '# label = x' above the sentence" if heads else "write one after the first bracket"
                    raise UserError(f"{tree.where}: expected a label at the root, got none; {remedy}")
                yield tree

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Trees in brackets as a line each; sentences of CoNLL-U with a blank line after each.

        Args:
            data: ``[(tree,), …]``, or mappings or a frame with a column ``tree``; a tree is a text as a file has it,
                ``"(3 (2 very) (4 good))"``. A list of texts alone is one of paths.
            folder: An empty one.
        """
        trees = [tree for (tree,) in texts(rows(data, ("tree",)), "tree")]
        if trees[0].lstrip().startswith("("):
            lines = [re.sub(r"[\r\n]+", " ", tree.strip()) + "\n" for tree in trees]
            return [write_texts(lines, folder / "examples.txt")]
        return [write_texts([tree.strip("\r\n") + "\n\n" for tree in trees], folder / "examples.conllu")]

    @classmethod
    def key(cls, example: Tree) -> Hashable:
        """The sentence."""
        return tuple(example.sentence)

    @classmethod
    def learn(cls, train: Sequence[Tree], settings: SentimentTreesSettings) -> dict[str, Any]:
        """Words, labels, and the commonest label of a root.

        Raises:
            UserError: If all labels are the same.
        """
        labels = {label for tree in train for label in tree.labels if label}
        if len(labels) < 2:
            raise UserError(f"expected trees with at least 2 different labels, got only {listed(labels)}")
        words = Vocabulary.learn(
            (_folded(word, settings) for tree in train for word in tree.sentence), min_count=settings.min_count
        )
        roots = Counter(tree.labels[tree.root] for tree in train)
        in_order = sorted(labels, key=lambda label: (0, float(label), label) if is_number(label) else (1, 0.0, label))
        return {"words": words.symbols, "labels": in_order, "majority": roots.most_common(1)[0][0]}

    # Model.

    def build(self) -> TreeClassifier:
        """The classifier."""
        settings = self.settings
        config = TreeClassifierConfig(
            words=len(self.words),
            labels=len(self.labels),
            cell=settings.cell,
            hidden=settings.hidden,
            embedding=settings.embedding,
            dropout=settings.dropout,
            word_dropout=settings.word_dropout,
            root_weight=settings.root_weight,
        )
        return TreeClassifier(config, cell=self.cell)

    def size(self, example: Tree) -> int:
        """Nodes: what a batch costs."""
        return len(example)

    def input_of(self, example: Tree) -> str:
        """The sentence."""
        return " ".join(map(self.seen, example.sentence))

    def seen(self, step: str) -> str:
        """In lower case where words are looked up so."""
        word = _folded(step, self.settings)
        return word if word in self.words else f"UNK({word})"

    def labels_of(self, example: Tree) -> list[str]:
        """That of the root."""
        return [example.labels[example.root]]

    def guess(self, examples: Sequence[Tree], train: Sequence[Tree]) -> Guess | None:
        """The commonest label of a root."""
        return commonest([label for example in examples for label in self.labels_of(example)], "root_accuracy")

    def check(self, example: Tree) -> None:
        """Lists of one length that make one tree, for this cell."""
        example.check()
        if self.cell.arity is not None and example.word_above is not None:
            raise ValueError(f"expected words at the leaves alone, got {example.word_above!r} above others")

    def batch(self, examples: Sequence[Tree]) -> TreeBatch:
        """Trees as a batch.

        Raises:
            UserError: If a label is none of the training data's.
        """
        trees = [self._fitted(tree) for tree in examples]
        return batch_trees(trees, self._words, self._labels)

    def _fitted(self, tree: Tree) -> Tree:
        return tree if self.cell.arity is None else with_two_children(tree, self.settings.cell)

    def _words(self, tree: Tree) -> list[int]:
        return [self.words.ids([_folded(word, self.settings)])[0] if word else -1 for word in tree.words]

    def _labels(self, tree: Tree) -> list[int]:
        for label in tree.labels:
            if label and label not in self.labels:
                raise unknown_label(tree.where, label, self.labels.symbols)
        return [self.labels.ids([label])[0] if label else -1 for label in tree.labels]

    # Judgement.

    def validate(self, model: TreeClassifier, examples: Sequence[Tree]) -> Evaluation:
        """Accuracy at the roots, which selects, and at all nodes; the loss at the roots."""
        judged = self._judge(model, examples)
        figures = judged.figures(self.labels.symbols)
        found = calibrate(judged.roots, judged.gold, fit=self.settings.calibrate)
        told = {**figures, "root_loss": judged.nats, **found.figures}
        return Evaluation(100 - figures["root_accuracy"], told, found.temperature)

    def evaluate(self, model: TreeClassifier, examples: Sequence[Tree], options: Any) -> Report:
        """Accuracy at roots and nodes, beside the majority's; at the roots loss, calibration, counts, surest errors."""
        judged = self._judge(model, examples)
        labels, gold, guessed = self.labels.symbols, judged.gold.tolist(), judged.roots.argmax(1).tolist()
        return Report(
            {
                **judged.figures(labels),
                "majority_accuracy": majority(gold),
                "nats": judged.nats,
                **trust(judged.roots, judged.gold, model.temperature),
                "trees": len(examples),
            },
            [
                Table(
                    "by label, roots", ["label", "precision", "recall", "F1", "trees"], counts(labels, gold, guessed)
                ),
                confusion(labels, gold, guessed),
                surest_errors(labels, gold, judged.roots, [" ".join(t.sentence) for t in judged.trees], "sentence"),
            ],
        )

    def _judge(self, model: TreeClassifier, examples: Sequence[Tree]) -> JudgedTrees:
        """What the model says of every node."""
        trees = [self._fitted(tree) for tree in examples]
        return judge_trees(model, trees, self.in_batches(trees), self._labels)

    # Use.

    def predict(self, model: TreeClassifier, lines: Sequence[str], options: Any) -> list[Prediction]:
        """The label of every node. A line is a tree, or a sentence, which is read as a right-branching one.

        Raises:
            UserError: If brackets are unbalanced.
        """
        return [self._predict(model, line.strip()) for line in lines]

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The trees of a file, without their labels, or of a table."""
        return super().inputs(path, asked) if path.suffix.lower() in TABLES else tree_inputs(path)

    def predict_items(self, model: TreeClassifier, items: Sequence[Any], options: Any) -> list[Prediction]:
        """The labels of trees, and of lines."""
        if any(isinstance(item, Tree) for item in items):
            return [self._labelled(model, item, []) for item in items]
        return super().predict_items(model, items, options)

    def _predict(self, model: TreeClassifier, line: str) -> TreePrediction:
        if not line:
            return TreePrediction(Text(), text="", label=None, probabilities={}, tree="", nodes=[])
        return self._labelled(model, *self._tree_of(line))

    def _labelled(self, model: TreeClassifier, tree: Tree, warnings: list[str]) -> TreePrediction:
        warnings += long_input(len(tree.sentence))
        tree = self._fitted(tree)
        batch = batch_trees([tree], self._words, lambda tree: [-1] * len(tree))
        scores = model(batch).double().cpu()[torch.from_numpy(batch.order[0])]
        guessed = scores.argmax(1).tolist()
        labels = self.labels.symbols
        said = Tree(tree.words, [labels[label] for label in guessed], tree.parents)
        chances = scores.exp()
        nodes = [
            Node(label, float(chance[number]), word or None, parent)
            for label, chance, number, word, parent in zip(
                said.labels, chances, guessed, said.words, said.parents, strict=True
            )
        ]
        return TreePrediction(
            self._draw(said, guessed),
            text=" ".join(tree.sentence),
            label=said.labels[said.root],
            probabilities=dict(zip(labels, chances[said.root].tolist(), strict=True)),
            tree=to_brackets(said),
            nodes=nodes,
            warnings=warnings,
        )

    def _tree_of(self, line: str) -> tuple[Tree, list[str]]:
        """The tree that a line writes down, or a right-branching one of its words, with a warning."""
        reason = "no tree is given"
        if line.startswith("(") or (self.cell.arity is None and "|" in line):
            try:
                return parse_brackets(line) if line.startswith("(") else parse_heads(line), []
            except UserError as error:
                reason = f"no tree can be read ({error})"
        return right_branching(split_words(line)), [
            f"{reason}: the sentence is taken for a right-branching one; parse it for better labels"
        ]

    def _draw(self, tree: Tree, guessed: Sequence[int]) -> Text:
        text = Text()
        most = max(1, len(self.labels) - 1)
        for branches, node, cut in drawn(tree):
            colour = COLOURS[round((len(COLOURS) - 1) * guessed[node] / most)]
            words = f"… {' '.join(tree.phrase(node))}" if cut else tree.words[node]
            text.append(branches, "dim")
            text.append(f"{tree.labels[node]} {words}".rstrip(), colour)
            text.append("\n")
        text.right_crop(1)
        return text


def _folded(word: str, settings: SentimentTreesSettings) -> str:
    return word.lower() if settings.lowercase else word
