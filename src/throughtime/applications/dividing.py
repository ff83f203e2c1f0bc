"""What a run trains on and what it is judged by, where the user has not said it part by part."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from throughtime.applications.application import Application
from throughtime.applications.settings import DataSettings, TrainSettings, flag
from throughtime.data.groups import groups_of
from throughtime.data.parts import PARTS
from throughtime.data.splitting import fold, hold_out, together
from throughtime.errors import UserError
from throughtime.figures import share

NO_VALIDATION = "nothing is held out to validate on: the last weights are kept"

Parts = dict[str, list[Any]]
"""Examples by part."""


def divide(
    application: type[Application[Any]], found: Mapping[str, Sequence[Any]], settings: DataSettings
) -> tuple[Parts, dict[str, str]]:
    """Holds out what is missing of training data that were found, a fold of them where folds are asked for.

    Args:
        application: Says which examples are the same.
        found: Examples of ``train``, and of the parts that there are.
        settings: How much, and what stays together.

    Returns:
        The examples of every part, and of what was held out, in words, how.

    Raises:
        UserError: If there is too little to hold out, or folds and a test part are there at once.
    """
    parts, told = {part: list(examples) for part, examples in found.items()}, {}
    groups = _groups(application, parts["train"], settings)
    missing = [] if "valid" in parts else ["valid"] if "test" in parts or settings.folds else ["valid", "test"]
    if "valid" in missing and settings.held_out and not application.validates(parts["train"], settings):
        missing.remove("valid")
    if "valid" in missing and settings.held_out and (own := application.cut(parts["train"], settings)) is not None:
        parts["train"], parts["valid"] = map(list, own)
        told["valid"], missing = "the end of each", []
    if settings.folds:
        groups = _fold(parts, groups, settings)
        told["test"] = f"fold {settings.fold} of {settings.folds}, seed {settings.seed}"
    if missing and settings.held_out:
        shares = [settings.held_out] * len(missing)
        divided = hold_out(parts["train"], shares, settings.seed, groups)
        for part, examples in zip(("train", *missing), divided, strict=True):
            if not examples:
                raise UserError(
                    f"expected enough different examples to hold some out, but none is left for {part} of "
                    f"{len(parts['train']):,} examples, {len(set(groups)):,} of them different; "
                    "give more data, or --valid, or --held-out 0"
                )
            parts[part] = examples
        told |= dict.fromkeys(missing, f"{share(settings.held_out)} of train, seed {settings.seed}")
    if settings.group and told:
        told = {part: f"{how}, kept together by {settings.group}" for part, how in told.items()}
    return {part: parts[part] for part in PARTS if part in parts}, told


def no_validation(settings: TrainSettings) -> str:
    """What is told of a run that validates on nothing.

    Raises:
        UserError: If it was told to end, to slow down or to average by validation.
    """
    asked = {
        "patience": settings.patience is not None,
        "schedule": settings.schedule == "plateau",
        "optimiser": settings.optimiser == "asgd",
    }
    for name in settings.model_fields_set & {name for name, by_validation in asked.items() if by_validation}:
        raise UserError(
            f"{flag(name)} {getattr(settings, name)}: goes by validation, and nothing is held out to validate on; "
            "leave it out, give --valid, or hold some out"
        )
    return NO_VALIDATION


def _groups(application: type[Application[Any]], examples: Sequence[Any], settings: DataSettings) -> list[Hashable]:
    keys = [application.key(example) for example in examples]
    if settings.group is None:
        return keys
    places = [(example.where, application.refers(example)) for example in examples]
    return list(together(keys, groups_of(places, settings.group)))


def _fold(parts: Parts, groups: Sequence[Hashable], settings: DataSettings) -> list[Hashable]:
    """Makes one fold the test data; gives the groups of what is left to train on."""
    if "test" in parts:
        raise UserError("--folds: each fold is tested on in turn, but a test part is there already; name one file")
    if settings.folds is None or settings.fold is None:
        folds = settings.folds
        raise UserError(
            f"--folds {folds}: expected --fold from 1 to {folds}, which this run is tested on; train each in turn"
        )
    labels = [label if isinstance(label := getattr(e, "label", None), str) else None for e in parts["train"]]
    rest, held = fold(groups, labels, settings.folds, settings.fold, settings.seed)
    train = parts["train"]
    parts["train"], parts["test"] = [train[place] for place in rest], [train[place] for place in held]
    return [groups[place] for place in rest]
