"""Command-line options made of a task's settings."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

import click
from click.core import ParameterSource
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from throughtime.cli.output import VisibleContext
from throughtime.errors import UserError, nearest


class NearestChoice(click.ParamType[str]):
    """One of some words; names the nearest one for another."""

    name = "choice"

    def __init__(self, option: str, words: tuple[str, ...]) -> None:
        self.option, self.words = option, words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself."""
        if value not in self.words:
            raise UserError(
                f"{self.option}: expected {', '.join(self.words)}, got {value!r}{nearest(value, self.words)}"
            )
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Kept short: the help lists the words."""
        return "WORD"


class SettingsCommand(click.Command):
    """A command whose help lists options under the headings of their settings."""

    context_class = VisibleContext

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


class SettingsOption(click.Option):
    """An option of a settings field."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        flag = f"--{name.rstrip('_').replace('_', '-')}"  # from_: without the sign it is a word of Python's own
        kind = _plain(field.annotation)
        extra = field.json_schema_extra
        self.group = str(extra["group"]) if isinstance(extra, dict) else "Other"
        common: dict[str, Any] = {"help": field.description, "default": field.default}
        if kind is bool:
            both = f"{flag}/--no-{flag[2:]}" if field.default else flag
            super().__init__([name, both], show_default=bool(field.default), is_flag=True, **common)
        elif get_origin(kind) is tuple:
            super().__init__([name, flag], multiple=True, metavar="NAME=VALUE", **common)
        else:
            shown = field.default is not None
            super().__init__([name, flag], type=_type(flag, kind), show_default=shown, **common)


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
    """The type without ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _type(flag: str, kind: Any) -> click.ParamType[str] | type:
    if get_origin(kind) is Literal:
        return NearestChoice(flag, get_args(kind))
    return {int: int, float: float}.get(kind, str)
