"""Which bases are coding: a label for every base of a genome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from throughtime.data.bases import encode
from throughtime.data.genomes import label_bases
from throughtime.data.intervals import Region
from throughtime.decoding.coding import log_probs
from throughtime.models import Letters, Model, StrandBatch, StrandTagger, StrandTaggerConfig
from throughtime.models.strands import NOTHING
from throughtime.tasks.application import Application
from throughtime.tasks.base import Asked, Prediction, Report, Table, no_progress
from throughtime.training import Evaluation

SWAPPED = (0, 4, 5, 6, 1, 2, 3)


class Regions:
    def __init__(self, application) -> None:
        self.settings = application.settings
        self.vocabulary = application.vocabulary

    @classmethod
    def learn(cls, train, settings):
        return {"kind": "regions"}

    def build(self):
        s = self.settings
        config = StrandTaggerConfig(**s.stack(), swapped=SWAPPED, codon=s.embedding, unread=s.unread)
        return StrandTagger(config, engine=s.engine)

    def batch(self, examples):
        letters = Letters.of([encode(example.letters, example.where) for example in examples])
        labels = torch.full(letters.codes.shape, NOTHING)
        for row, example in enumerate(examples):
            found = label_bases(len(example.letters), regions_of(example))
            labels[row, : len(found)] = torch.from_numpy(found.astype("int64"))
        return StrandBatch(letters, labels)

    def validate(self, model, examples):
        gold, found = self.judge(model, examples)
        coding = np.logaddexp.reduce(found[:, 1:], 1) - found[:, 0]
        tried = [(mcc(confusion(gold > 0, coding + lift > 0)), lift) for lift in np.arange(-3, 3.1, 0.25)]
        best, lift = max(tried)
        model.lift.fill_(lift)
        counts = confusion(gold > 0, coding + lift > 0)
        loss = -float(np.take_along_axis(found, gold[:, None].astype(int), 1).mean())
        figures = {"mcc": best, "balanced_accuracy": balanced(counts), "loss": loss, "lift": lift,
            "label_accuracy": float((found.argmax(1)==gold).mean())}
        return Evaluation(100 - 100 * best, figures)

    def judge(self, model, examples):
        golds, founds = [], []
        with torch.no_grad():
            for codes, gold in pieces(examples):
                golds.append(gold)
                founds.append(log_probs(model.log_probs, codes, no_progress))
        return np.concatenate(golds), np.concatenate(founds)

    def evaluate(self, model, examples):
        gold, found = self.judge(model, examples)
        coding = np.logaddexp.reduce(found[:, 1:], 1) - found[:, 0]
        counts = confusion(gold > 0, coding + float(model.lift) > 0)
        return Report({"mcc": mcc(counts), "balanced_accuracy": balanced(counts)})


def pieces(examples):
    order = sorted(examples, key=lambda e: (e.where, e.begin))
    codes, labels, last = [], [], None
    for example in order:
        if last is not None and (example.where, example.begin) != last:
            yield np.concatenate(codes), np.concatenate(labels)
            codes, labels = [], []
        codes.append(encode(example.letters, example.where))
        labels.append(label_bases(len(example.letters), regions_of(example)))
        last = (example.where, example.begin + len(example.letters))
    yield np.concatenate(codes), np.concatenate(labels)


def regions_of(example):
    return [Region(*region) for region in example.regions]


def confusion(gold, said):
    return int((gold & said).sum()), int((~gold & said).sum()), int((gold & ~said).sum()), int((~gold & ~said).sum())


def mcc(counts):
    tp, fp, fn, tn = counts
    bottom = ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    return (tp * tn - fp * fn) / bottom if bottom else 0.0


def balanced(counts):
    tp, fp, fn, tn = counts
    return (tp / max(1, tp + fn) + tn / max(1, tn + fp)) / 2
