"""Command-line options made of a task's settings."""

from __future__ import annotations

import os
import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from throughtime.applications.settings import flag, refuse_lacking
from throughtime.cli.shared.common import open_run, open_runs
from throughtime.cli.shared.output import VisibleContext
from throughtime.errors import UserError, listed, nearest

if TYPE_CHECKING:
    from throughtime.applications.task import Use


class NearestChoice(click.ParamType[str]):
    """One of some words; names the nearest one for another."""

    name = "choice"

    def __init__(self, option: str, words: tuple[str, ...]) -> None:
        self.option, self.words = option, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself."""
        if value not in self.words:
            raise UserError(f"{self.option}: expected {listed(self.words)}, got {value!r}{nearest(value, self.words)}")
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Kept short: the help lists the words."""
        return "WORD"


class SettingsCommand(click.Command):
    """A command whose help lists options under the headings of their settings."""

    context_class = VisibleContext
    lacking: type[BaseModel] | None = None
    """Settings that say why they lack an option."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section a heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "group", "Run"), []).append(record)
        for heading in sorted(sections, key=lambda heading: heading == "Run"):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Names the nearest option where there is none of a name."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if self.lacking is not None:
                refuse_lacking(self.lacking, [error.option_name.lstrip("-").replace("-", "_")])
            words = [word for parameter in self.get_params(ctx) for word in parameter.opts if word.startswith("--")]
            raise UserError(
                f"unknown option {error.option_name}{nearest(error.option_name, words)}; {self.known(ctx)}"
            ) from error

    def known(self, ctx: click.Context) -> str:
        """Where the options that there are stand."""
        return f"see: {ctx.command_path} --help"


class RunCommand(SettingsCommand):
    """A command on a model folder, with the options that the folder's task declares for it.

    Args:
        use: What the model is asked for.
        **given: As click takes it.
    """

    def __init__(self, *, use: Use, **given: Any) -> None:
        super().__init__(**given)
        self.use = use
        self.epilog = f"The model's task has options of its own; they are shown by: throughtime {use} RUN --help"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the folder first, then the arguments by what its task declares."""
        ctx.meta[DECLARED] = self.declared(args)
        return super().parse_args(ctx, args)

    def known(self, ctx: click.Context) -> str:
        """The options of the model's task."""
        declared = ctx.meta[DECLARED]
        if declared is None:
            return super().known(ctx)
        return f"this model has for {self.use}: {listed(map(flag, declared.model_fields)) or 'none'}"

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, and those that the task declares."""
        declared = ctx.meta.get(DECLARED)
        if declared is None:
            return super().get_params(ctx)
        own = [
            one for one in super().get_params(ctx) if one.name not in declared.model_fields
        ]  # the task's stands for it
        return [*own, *settings_options(declared)]

    def declared(self, args: Sequence[str]) -> type[BaseModel] | None:
        """The options of the first argument that is a model folder; None where no argument can be one."""
        folders = [word for word in args if not word.startswith("-") and _is_run(word)]
        if not folders and (not args or args[0].startswith("-")):
            return None
        run = Path(folders[0] if folders else args[0])
        open_ = open_runs if self.use == "evaluate" else open_run
        return open_(run, _value(args, "--cell"), _value(args, "--task")).options(self.use)


DECLARED = f"{__name__}.declared"
"""Where a context keeps the options that a task declares."""


def _is_run(word: str) -> bool:
    return any(os.path.exists(f"{word}/{name}") for name in ("config.json", "folds.json"))


def _value(args: Sequence[str], name: str) -> str | None:
    """What follows an option, before the arguments are read.

    Example:
        >>> _value(["--cell", "my:Cell", "--task=my:Task"], "--task"), _value(["--cell", "my:Cell"], "--cell")
        ('my:Task', 'my:Cell')
    """
    for word, after in zip(args, [*args[1:], None], strict=True):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def task_options(ctx: click.Context) -> dict[str, Any]:
    """The options of the task's own that stand on the command line."""
    declared = ctx.meta[DECLARED]
    return {} if declared is None else given(ctx, declared)


class SettingsOption(click.Option):
    """An option of a settings field."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        written = flag(name)
        kind = _plain(field.annotation)
        extra = field.json_schema_extra
        self.group = str(extra["group"]) if isinstance(extra, dict) else "Other"
        common: dict[str, Any] = {"help": field.description, "default": field.default}
        if kind is bool:
            both = written if field.default is False else f"{written}/--no-{written[2:]}"
            super().__init__([name, both], show_default=bool(field.default), is_flag=True, **common)
        elif get_origin(kind) is tuple:
            super().__init__([name, written], multiple=True, metavar="NAME=VALUE", **common)
        else:
            shown = field.default is not None
            super().__init__([name, written], type=_type(written, kind), show_default=shown, **common)


def settings_options(settings: type[BaseModel]) -> list[click.Parameter]:
    """An option for every field."""
    return [SettingsOption(name, field) for name, field in settings.model_fields.items()]


def given(ctx: click.Context, settings: type[BaseModel]) -> dict[str, Any]:
    """The settings that stand on the command line."""
    return {
        name: ctx.params[name]
        for name in settings.model_fields
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def _plain(annotation: Any) -> Any:
    """The type without ``| None``; text where several are left, which the settings read."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [part for part in get_args(annotation) if part is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    return annotation


def _type(written: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return NearestChoice(written, get_args(kind))
    return {int: int, float: float, Path: click.Path(path_type=Path)}.get(kind, str)
