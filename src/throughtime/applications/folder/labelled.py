"""What the folder of a run on labelled examples holds: its vocabulary, its examples, and what it tells of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NotRequired, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from throughtime.applications.application import Application
from throughtime.applications.folder.model_folder import ModelFolder, stored
from throughtime.errors import UserError
from throughtime.files import write_chunks
from throughtime.plain import check_regular, parse_object, read_json
from throughtime.schema import checked, checked_json


class _Data(TypedDict):
    """What config.json tells of the data; ``found`` in the place of a ``data.json``."""

    found: NotRequired[list[str]]
    examples: dict[Literal["train", "valid", "test"], int]


class _Config(TypedDict):
    data: _Data


def told(run: ModelFolder) -> _Data:
    """What config.json tells of the data.

    Raises:
        UserError: If it is damaged.
    """
    config: _Config = checked(_schema(_Config), {"data": run.data}, str(run.folder / "config.json"))
    parts = config["data"]["examples"].keys()
    if "train" not in parts or ("valid" not in parts and run.settings.get("held_out") != 0):
        raise UserError(f"{run.folder / 'config.json'}: expected parts 'train' and 'valid'; the file is damaged")
    return config["data"]


def old_lines(run: ModelFolder) -> list[str]:
    """What a folder without ``data.json`` tells of its data."""
    data = told(run)
    counts = ", ".join(f"{part} {count:,}" for part, count in data["examples"].items())
    return [*data.get("found", []), f"{counts} examples"]


def bind(run: ModelFolder, application: type[Application[Any]]) -> Application[Any]:
    """The application with a run's settings and vocabulary.

    Raises:
        UserError: If they are damaged, or do not go together.
    """
    path = run.folder / "vocabulary.json"
    vocabulary = read_json(path)
    checked(_schema(application.vocabulary_type), vocabulary, str(path))
    settings = stored(run, application.settings_type)
    try:
        return application(settings, vocabulary)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError) as error:  # what no schema tells: a symbol that is there twice
        raise UserError(f"{path}: does not go with the run's settings ({error}); the file is damaged") from error


@lru_cache(64)
def _schema(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def write_examples(path: Path, examples: Sequence[Any]) -> None:
    """Writes examples, a line each."""
    write_chunks(path, (f"{json.dumps(asdict(example), ensure_ascii=False)}\n".encode() for example in examples))


def load_examples(path: Path, bound: Application[Any]) -> list[Any]:
    """Examples that :func:`write_examples` wrote.

    Raises:
        UserError: If the file is missing or damaged.
    """
    schema, examples = _schema(cast(Any, bound.example_type)), []
    check_regular(path)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}:{number}"
            try:
                text = line.decode("utf-8")
                value = parse_object(text, where)
                checked_json(schema, text, where)
                examples.append(bound.example_type(**value))
                bound.check(examples[-1])
            except (TypeError, ValueError) as error:  # TypeError: an entry too many
                raise UserError(f"{where}: expected an example, got something else ({error}); it is damaged") from error
    if not examples:
        raise UserError(f"{path}: expected the run's examples, got none; the file is damaged")
    return examples
