"""The task ``sentiment-trees``: a label for every node of a parsed sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from rich.text import Text
from torch import Tensor

from throughtime.data.treebank import parse_brackets, parse_heads, read_brackets, read_heads
from throughtime.data.trees import Tree, TreeBatch, batch_trees, binarised, drawn, right_branching, to_brackets
from throughtime.data.vocabulary import Vocabulary
from throughtime.data.words import split_words
from throughtime.errors import UserError
from throughtime.layers.trees import TREE_CELLS, find_tree_cell
from throughtime.models.tree_classifier import TreeClassifier, TreeClassifierConfig
from throughtime.tasks.application import Application, DataSettings, confusion, counts, long_input, unknown_label
from throughtime.tasks.base import Asked, Prediction, Report, Table, option
from throughtime.training import Evaluation, OptimiserName

HARDEST = 10
"""Errors that a report shows."""

COLOURS = ("bold red", "red", "default", "green", "bold green")
"""From the first label to the last."""


class SentimentTreesSettings(DataSettings):
    """What training on labelled trees takes."""

    lowercase: bool = option(True, "Look words up in lower case.", "Data")
    min_count: int = option(1, "Rarer words become UNK.", "Data", ge=1)
    cell: str = option("tree-lstm", f"{', '.join(TREE_CELLS)}, or module:Class.", "Model")
    hidden: int = option(150, "Units of the cell.", "Model", ge=1)
    embedding: int = option(150, "Features of a word's embedding.", "Model", ge=1)
    dropout: float = option(0.5, "Of embeddings, and before the output.", "Model", ge=0, lt=1)
    word_dropout: float = option(0.02, "Words read as UNK while training.", "Model", ge=0, lt=1)
    root_weight: float = option(1.0, "A root's share in the loss against another node's.", "Model", gt=0)
    batch: int = option(25, "Trees side by side in a batch.", "Training", ge=1)
    epochs: float = option(5.0, "Passes over the data.", "Training", gt=0)
    optimiser: OptimiserName = option("adamw", "adam, adamw, sgd, or asgd (SGD with averaging).", "Training")
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    weight_decay: float = option(0.01, "Of the optimiser.", "Training", ge=0)

    def check_model(self) -> None:
        """Refuses a cell that does not exist.

        Raises:
            UserError: If there is none of that name.
        """
        find_tree_cell(self.cell)


class SentimentTrees(Application[Tree]):
    """Sentiment, or any other label, of every node of a tree: constituents in brackets, or dependency heads."""

    name = "sentiment-trees"
    summary = "classifier of every node of a parsed sentence, such as its sentiment: labels, drawn as a tree"
    settings_type: ClassVar[type[DataSettings]] = SentimentTreesSettings
    example_type = Tree
    suffixes = (".txt", ".ptb", ".trees", ".mrg", ".conllu")

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
            raise UserError(f"expected trees with at least 2 different labels, got only {', '.join(labels)}")
        words = Vocabulary.learn(
            (_folded(word, settings) for tree in train for word in tree.sentence), min_count=settings.min_count
        )
        roots = Counter(tree.labels[tree.root] for tree in train)
        in_order = sorted(labels, key=lambda label: (0, float(label), label) if _is_number(label) else (1, 0.0, label))
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

    def batch(self, examples: Sequence[Tree]) -> TreeBatch:
        """Trees as a batch.

        Raises:
            UserError: If a label is none of the training data's.
        """
        trees = [self._fitted(tree) for tree in examples]
        return batch_trees(trees, self._words, self._labels)

    def _fitted(self, tree: Tree) -> Tree:
        return tree if self.cell.arity is None else binarised(tree)

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
        figures = self._figures(judged, examples)
        gold = self._labels_of_roots(examples)
        loss = -sum(float(scores[tree.root][label]) for scores, tree, label in zip(judged, examples, gold, strict=True))
        return Evaluation(100 - figures["root_accuracy"], {**figures, "root_loss": loss / max(1, len(gold))})

    def evaluate(self, model: TreeClassifier, examples: Sequence[Tree]) -> Report:
        """Accuracy at roots and all nodes, beside the majority's; counts and confusions; the surest errors."""
        judged, gold = self._judge(model, examples), self._labels_of_roots(examples)
        at_roots = [scores[tree.root] for scores, tree in zip(judged, examples, strict=True)]
        guessed = [int(scores.argmax()) for scores in at_roots]
        labels = self.labels.symbols
        wrong = [n for n in range(len(gold)) if guessed[n] != gold[n]]
        wrong.sort(key=lambda n: -float(at_roots[n].max()))
        majority = 100 * Counter(gold).most_common(1)[0][1] / len(gold)
        errors: list[list[str | float]] = [
            [
                labels[gold[n]],
                labels[guessed[n]],
                100 * math.exp(float(at_roots[n].max())),
                " ".join(examples[n].sentence),
            ]
            for n in wrong[:HARDEST]
        ]
        return Report(
            {**self._figures(judged, examples), "majority_accuracy": majority, "trees": len(examples)},
            [
                Table(
                    "by label, roots", ["label", "precision", "recall", "F1", "trees"], counts(labels, gold, guessed)
                ),
                confusion(labels, gold, guessed),
                Table("surest errors", ["label", "said", "%", "sentence"], errors),
            ],
        )

    def _judge(self, model: TreeClassifier, examples: Sequence[Tree]) -> list[Tensor]:
        """Log-probabilities of each tree's nodes, ``[nodes, C]``, the trees as :meth:`_fitted` made them."""
        judged: list[Tensor] = [torch.empty(0)] * len(examples)
        batches = self.in_batches(examples)
        with torch.no_grad():
            for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
                scores = model(batch).double().cpu()
                for number, places in zip(chosen, batch.order, strict=True):
                    judged[number] = scores[torch.from_numpy(places)]
        return judged

    def _labels_of_roots(self, trees: Sequence[Tree]) -> list[int]:
        return self.labels.ids(tree.labels[tree.root] for tree in trees)

    def _figures(self, judged: Sequence[Tensor], examples: Sequence[Tree]) -> dict[str, float]:
        """Accuracies in percent."""
        rows = torch.cat([scores[tree.root].unsqueeze(0) for scores, tree in zip(judged, examples, strict=True)])
        gold = torch.tensor(self._labels_of_roots(examples))
        figures = {"root_accuracy": _percent(rows.argmax(1) == gold)}
        if (middle := self._middle()) is not None:
            sided = gold != middle
            positive = rows[:, middle + 1 :].logsumexp(1) > rows[:, :middle].logsumexp(1)
            figures["binary_accuracy"] = _percent((positive == (gold > middle))[sided])
        labels = torch.tensor([label for tree in examples for label in self._labels(self._fitted(tree))])
        figures["node_accuracy"] = _percent((torch.cat(list(judged)).argmax(1) == labels)[labels >= 0])
        return figures

    def _middle(self) -> int | None:
        """The neutral label, where labels are an odd number of grades: all below it are negative."""
        symbols = self.labels.symbols
        return len(symbols) // 2 if len(symbols) % 2 and len(symbols) > 2 and all(map(_is_number, symbols)) else None

    # Use.

    def predict(self, model: TreeClassifier, lines: Sequence[str], asked: Asked) -> list[Prediction]:
        """The label of every node. A line is a tree, or a sentence, which is read as a right-branching one.

        Raises:
            UserError: If brackets are unbalanced, or something is asked that trees do not have.
        """
        if asked != Asked():
            raise UserError("a tree has one reading; leave out --nbest, --beam, --explain and --picture")
        return [self._predict(model, line.strip()) for line in lines]

    def _predict(self, model: TreeClassifier, line: str) -> Prediction:
        if not line:
            return Prediction(Text(), {"text": "", "label": None, "probabilities": {}, "tree": "", "nodes": []})
        warnings = []
        if self.cell.arity is None and "|" in line:
            tree = parse_heads(line)
        elif line.startswith("("):
            tree = parse_brackets(line)
        else:
            tree = right_branching(split_words(line))
            warnings.append(
                "no tree is given: the sentence is read as a right-branching one; parse it for better labels"
            )
        warnings += long_input(len(tree.sentence))
        tree = self._fitted(tree)
        batch = batch_trees([tree], self._words, lambda tree: [-1] * len(tree))
        scores = model(batch).double().cpu()[torch.from_numpy(batch.order[0])]
        guessed = scores.argmax(1).tolist()
        labels = self.labels.symbols
        said = Tree(tree.words, [labels[label] for label in guessed], tree.parents)
        chances = scores.exp()
        data = {
            "text": " ".join(tree.sentence),
            "label": said.labels[said.root],
            "probabilities": dict(zip(labels, chances[said.root].tolist(), strict=True)),
            "tree": to_brackets(said),
            "nodes": [
                {"label": label, "probability": float(chance[number]), "word": word or None, "parent": parent}
                for label, chance, number, word, parent in zip(
                    said.labels, chances, guessed, said.words, said.parents, strict=True
                )
            ],
        }
        return Prediction(self._draw(said, guessed), data, warnings)

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


def _is_number(symbol: str) -> bool:
    return symbol.lstrip("-").isdecimal()


def _percent(hits: Tensor) -> float:
    return 100 * float(hits.double().mean()) if len(hits) else 0.0
